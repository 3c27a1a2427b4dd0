"""Drawn street scenes with the class of every pixel."""

from dataclasses import dataclass

import cv2
import numpy as np

from demo import textures

__all__ = ["CLASSES", "draw_street"]

CLASSES = {"building": 2, "sky": 3, "tree": 5, "road": 7, "grass": 10, "person": 13, "car": 21}
"""Names and numbers of the classes, those of ADE20K; 0 is none of them."""

_LIGHT = np.array([-0.4, -0.5, 0.77])


@dataclass
class _Scene:
    """A canvas (H, W, 3) in BGR, 0 to 1, and the label (H, W) of what is on it."""

    canvas: np.ndarray
    label: np.ndarray

    def fill(self, name: str, mask: np.ndarray, surface: np.ndarray) -> None:
        """Lay a flat surface over the canvas where ``mask`` is set."""
        self.canvas = np.where(mask[..., None], surface, self.canvas).astype(np.float32)
        self.label[mask] = CLASSES.get(name, 0)

    def put(self, name: str, mask: np.ndarray, surface: np.ndarray, *, roundness: float) -> None:
        """Put a solid object with its shadow on the canvas."""
        alpha = mask.astype(np.float32)
        ground = self.canvas * (1 - textures.shadow(alpha, light=_LIGHT))[..., None]
        solid = textures.shade(surface, alpha, light=_LIGHT, roundness=roundness)
        self.canvas = textures.mix(ground, solid, alpha).astype(np.float32)
        self.label[mask] = CLASSES.get(name, 0)


def draw_street(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A photo (H, W, 3) uint8 in BGR, and the ADE20K label (H, W) uint8 of its pixels.

    Args:
        rng: decides everything.
        size: (width, height) in pixels.
    """
    width, height = size
    horizon = int(rng.uniform(0.3, 0.55) * height)
    scene = _Scene(_sky(rng, (height, width)), np.full((height, width), CLASSES["sky"], np.uint8))
    below = np.zeros((height, width), bool)
    below[horizon:] = True
    scene.fill("grass", below, _foliage(rng, (height, width), light=rng.uniform(0.5, 0.75)))
    for _ in range(rng.integers(0, 4)):
        _building(rng, scene, horizon)
    road = _road(rng, scene, horizon) if rng.random() < 0.8 else None
    for _ in range(rng.integers(0, 4)):
        _tree(rng, scene, horizon)
    if rng.random() < 0.4:
        _pole(rng, scene, horizon)
    for _ in range(rng.integers(1, 3) if road is not None else 0):
        _car(rng, scene, horizon, road)
    for _ in range(rng.integers(0, 3)):
        _person(rng, scene, horizon)
    return textures.camera(rng, scene.canvas), scene.label


def _sky(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    clouds = _grain(rng, shape, cell=shape[0] // 4)
    share = np.clip(rng.uniform(0.1, 0.6) + 0.25 * clouds, 0, 1)[..., None]
    blue = np.float32([rng.uniform(0.75, 0.95), rng.uniform(0.6, 0.7), rng.uniform(0.35, 0.55)])
    return (blue + (np.float32(rng.uniform(0.8, 0.95)) - blue) * share).astype(np.float32)


def _grain(rng: np.random.Generator, shape: tuple[int, int], *, cell: int) -> np.ndarray:
    """Noise (H, W) of deviation about 1 in blobs of ``cell`` pixels, roughened."""
    coarse = rng.standard_normal([side // cell + 2 for side in shape]).astype(np.float32)
    fine = rng.standard_normal(shape).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) + 0.3 * fine


def _foliage(rng: np.random.Generator, shape: tuple[int, int], *, light: float) -> np.ndarray:
    fine = _grain(rng, shape, cell=3)[..., None]
    green = np.float32([rng.uniform(0.15, 0.35), 0.85, rng.uniform(0.4, 0.75)]) * light
    return np.clip(green * (1 + 0.2 * fine), 0, 1).astype(np.float32)


def _building(rng: np.random.Generator, scene: _Scene, horizon: int) -> None:
    height, width = scene.label.shape
    w, h = rng.uniform(0.15, 0.4) * width, rng.uniform(0.15, 0.45) * height
    left, bottom = int(rng.uniform(-0.1, 0.9) * width), horizon + int(rng.uniform(0, 0.1) * height)
    mask = _rectangle(scene, left, bottom - h, left + w, bottom)
    wall = 0.6 * textures.background(rng, mask.shape) + rng.uniform(0.1, 0.3)
    rows, columns = np.mgrid[:height, :width]
    step = rng.uniform(0.06, 0.1) * height
    window = ((rows - bottom) % step > step * 0.45) & ((columns - left) % step > step * 0.5)
    wall[window] *= rng.uniform(0.3, 0.6)
    scene.put("building", mask, wall, roundness=0.05)


def _road(rng: np.random.Generator, scene: _Scene, horizon: int) -> tuple[float, float, float]:
    """Lay a road to the horizon; returns the x of its middle at the bottom and its half width."""
    height, width = scene.label.shape
    far, near = rng.uniform(0.3, 0.7) * width, rng.uniform(0.25, 0.75) * width
    half = rng.uniform(0.25, 0.5) * width
    corners = np.array([(far - 0.04 * width, horizon), (far + 0.04 * width, horizon),
                        (near + half, height), (near - half, height)])
    mask = _polygon(scene, corners)
    grey = rng.uniform(0.3, 0.5)
    grain = _grain(rng, mask.shape, cell=8)[..., None]
    scene.fill("road", mask, np.clip(grey + 0.03 * grain + np.zeros(3), 0, 1))
    line = np.array([(far - 1, horizon), (far + 1, horizon),
                     (near + 3, height), (near - 3, height)])
    rows = np.mgrid[:height, :width][0]
    dashes = _polygon(scene, line) & (np.sqrt(np.maximum(rows - horizon, 0)) % 2 < 1.1)
    scene.fill("road", dashes, np.full((*mask.shape, 3), 0.85))
    return far, near, half


def _tree(rng: np.random.Generator, scene: _Scene, horizon: int) -> None:
    height, width = scene.label.shape
    foot = horizon + rng.uniform(0.0, 0.25) * height
    x, size = rng.uniform(0, 1) * width, rng.uniform(0.15, 0.3) * height
    trunk = _rectangle(scene, x - 0.1 * size, foot - size, x + 0.1 * size, foot)
    bark = textures.background(rng, trunk.shape) * np.float32([0.35, 0.5, 0.65])
    scene.put("tree", trunk, bark, roundness=0.8)
    crown = np.zeros_like(trunk)
    for _ in range(6):
        dx, dy = rng.normal(0, 0.35, 2) * size
        crown |= _ellipse(scene, x + dx, foot - 1.3 * size + 0.6 * dy, 0.45 * size, 0.4 * size)
    leaves = _foliage(rng, crown.shape, light=rng.uniform(0.25, 0.45))
    scene.put("tree", crown, leaves, roundness=0.9)


def _pole(rng: np.random.Generator, scene: _Scene, horizon: int) -> None:
    height, width = scene.label.shape
    x, top = rng.uniform(0.05, 0.95) * width, rng.uniform(0.05, 0.3) * height
    mask = _rectangle(scene, x, top, x + 0.025 * width, horizon + 0.15 * height)
    scene.put("other", mask, np.full((*mask.shape, 3), 0.25, np.float32), roundness=1.0)


def _car(rng: np.random.Generator, scene: _Scene, horizon: int,
         road: tuple[float, float, float]) -> None:
    height, width = scene.label.shape
    far, near, half = road
    depth = rng.uniform(0.35, 0.9)
    foot = horizon + depth * (height - horizon)
    x = far + (near - far) * depth + rng.choice((-0.45, 0.45)) * half * depth
    length = 0.55 * half * (0.4 + depth)
    body = _rectangle(scene, x - 0.5 * length, foot - 0.4 * length,
                      x + 0.5 * length, foot - 0.1 * length)
    cabin = _polygon(scene, np.array([(x - 0.35 * length, foot - 0.38 * length),
                                      (x - 0.22 * length, foot - 0.65 * length),
                                      (x + 0.22 * length, foot - 0.65 * length),
                                      (x + 0.35 * length, foot - 0.38 * length)]))
    paint = textures.pattern(rng, body.shape, hue=rng.choice((0.0, 0.02, 0.6, 0.13)), period=1e6)
    scene.put("car", body | cabin, paint, roundness=0.3)
    glass = cv2.erode(cabin.astype(np.uint8), np.ones((3, 3))).astype(bool)
    scene.fill("car", glass, np.full((*body.shape, 3), 0.15))
    for side in (-0.3, 0.3):
        radius = 0.11 * length
        wheel = _ellipse(scene, x + side * length, foot - 0.1 * length, radius, radius)
        scene.put("car", wheel, np.full((*body.shape, 3), 0.08, np.float32), roundness=0.5)


def _person(rng: np.random.Generator, scene: _Scene, horizon: int) -> None:
    height, width = scene.label.shape
    foot = horizon + rng.uniform(0.15, 0.95) * (height - horizon)
    x = rng.uniform(0.05, 0.95) * width
    tall = (0.25 + 0.3 * (foot - horizon) / (height - horizon)) * height
    legs = _rectangle(scene, x - 0.12 * tall, foot - 0.5 * tall, x + 0.12 * tall, foot)
    body = _ellipse(scene, x, foot - 0.62 * tall, 0.19 * tall, 0.24 * tall)
    head = _ellipse(scene, x, foot - 0.92 * tall, 0.09 * tall, 0.1 * tall)
    scene.put("person", legs, np.full((*legs.shape, 3), rng.uniform(0.1, 0.25), np.float32),
              roundness=0.8)
    scene.put("person", body, textures.pattern(rng, legs.shape, hue=rng.uniform(0.75, 0.95),
                                               period=8.0), roundness=0.8)
    skin = np.float32([0.5, 0.65, 0.85]) * rng.uniform(0.5, 1)
    scene.put("person", head, np.broadcast_to(skin, (*legs.shape, 3)), roundness=1.0)


def _polygon(scene: _Scene, corners: np.ndarray) -> np.ndarray:
    mask = np.zeros(scene.label.shape, np.uint8)
    return cv2.fillPoly(mask, [np.int32(np.round(corners))], 1).astype(bool)


def _rectangle(scene: _Scene, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return _polygon(scene, np.array([(left, top), (right, top), (right, bottom), (left, bottom)]))


def _ellipse(scene: _Scene, x: float, y: float, a: float, b: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return _polygon(scene, np.stack([x + a * np.cos(angles), y + b * np.sin(angles)], 1))
