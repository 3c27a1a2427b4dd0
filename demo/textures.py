"""Surfaces of drawn scenes: photo-like materials, light, shading and the camera.

Images here are float32 (H, W, 3) in BGR, 0 to 1; masks and noise are float32 (H, W).
"""

import colorsys

import cv2
import numpy as np

__all__ = ["background", "camera", "mix", "pattern", "shade", "shadow"]

_NOISE_DECAY = 0.62  # of the amplitude from one octave to the next


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], *, cell: tuple[float, float],
                 octaves: int = 4) -> np.ndarray:
    """Noise (H, W) of mean 0 and deviation 1, from octaves of interpolated random grids.

    Args:
        rng: where the grids come from.
        shape: (H, W) in pixels.
        cell: height and width in pixels of the coarsest octave's cells; each octave halves them.
        octaves: number of grids that are added up.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        counts = [int(np.ceil(side / step * 2**octave)) + 1 for side, step in zip(shape, cell)]
        grid = rng.standard_normal(counts, dtype=np.float32)
        octave_noise = cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)
        total += octave_noise * _NOISE_DECAY**octave
    return (total - total.mean()) / (total.std() + 1e-6)


def _material(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A muted, unevenly coloured surface such as wood, cloth, stone or grass."""
    hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.05, 0.35), rng.uniform(0.35, 0.8)
    dark = _colour(hue, saturation * 1.2, value * rng.uniform(0.55, 0.8))
    light = _colour(hue + rng.normal(0, 0.04), saturation, value)
    grain = [(48, 48), (12, 160), (160, 12), (20, 20)][rng.integers(4)]
    noise = _smooth_noise(rng, shape, cell=grain, octaves=5)
    return mix(dark, light, 1 / (1 + np.exp(-1.3 * noise)))


def background(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """One material, or two that meet at a slanted edge like a table and the wall behind it."""
    image = _material(rng, shape)
    if rng.random() < 0.6:
        rows, columns = _coordinates(shape)
        edge = rng.uniform(0.2, 0.7) * shape[0] + rng.normal(0, 0.12) * columns
        image = mix(image, _material(rng, shape), np.clip((rows - edge) / 1.5 + 0.5, 0, 1))
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.0))


def pattern(rng: np.random.Generator, shape: tuple[int, int], *, hue: float,
            period: float) -> np.ndarray:
    """A vivid object surface around ``hue`` (0 to 1): plain, striped, checked or mottled.

    Args:
        rng: where tones, angle and kind come from.
        shape: (H, W) in pixels.
        hue: of the main tone, 0 (red) to 1 (red again).
        period: of stripes and checks, in pixels.
    """
    base = _colour(hue, rng.uniform(0.6, 0.95), rng.uniform(0.65, 1.0))
    other = _colour(hue + rng.normal(0, 0.03), rng.uniform(0.35, 0.8), rng.uniform(0.45, 1.0))
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    rows, columns = _coordinates(shape)
    across = np.sin((columns * np.cos(angle) + rows * np.sin(angle)) * 2 * np.pi / period + phase)
    along = np.sin((rows * np.cos(angle) - columns * np.sin(angle)) * 2 * np.pi / period + phase)
    mottle = _smooth_noise(rng, shape, cell=(12, 12), octaves=3)
    weight = [0 * across, across, across * along * 2, mottle][rng.integers(4)]
    surface = mix(base, other, 1 / (1 + np.exp(-6 * weight)))
    return surface * (1 + 0.06 * mottle)[..., None]


def shade(surface: np.ndarray, alpha: np.ndarray, *, light: np.ndarray,
          roundness: float) -> np.ndarray:
    """The surface of a solid object in the light, with a highlight.

    Args:
        surface: its colours without light.
        alpha: how much of each pixel the object covers; it must lie inside the image.
        light: unit vector (x, y, z) to the light, y downwards, z towards the viewer.
        roundness: share of the object's half-width that is curved: 1 a ball, near 0 a plate.
    """
    inside = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    radius = max(float(inside.max()), 1.0) * roundness
    height = radius * np.sqrt(1 - (1 - np.clip(inside / radius, 0, 1)) ** 2)
    height = cv2.GaussianBlur(height, (0, 0), 0.8 + 0.05 * radius)
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    facing = light[2] - slope_x * light[0] - slope_y * light[1]
    facing = np.clip(facing / np.sqrt(1 + slope_x**2 + slope_y**2), 0, 1)
    return surface * (0.4 + 0.75 * facing)[..., None] + 0.35 * (facing**24)[..., None]


def shadow(alpha: np.ndarray, *, light: np.ndarray) -> np.ndarray:
    """How much an object darkens the ground around it, 0 to 1; arguments as of :func:`shade`."""
    shift_x, shift_y = -4 * light[:2]
    moved = np.float32([[1, 0, shift_x], [0, 1, shift_y]])
    return 0.55 * cv2.GaussianBlur(cv2.warpAffine(alpha, moved, alpha.shape[::-1]), (0, 0), 2.0)


def mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``first`` where the weight (H, W) is 0, ``second`` where it is 1, and between."""
    return first + (second - first) * weight[..., None]


def camera(rng: np.random.Generator, canvas: np.ndarray) -> np.ndarray:
    """The photo (H, W, 3) uint8 of a canvas: uneven light, a tint, soft focus, sensor noise."""
    shape = canvas.shape[:2]
    light = 1 + 0.12 * _smooth_noise(rng, shape, cell=(max(shape), max(shape)), octaves=1)
    tint = rng.normal(1, 0.04, 3).astype(np.float32)
    photo = cv2.GaussianBlur(canvas * light[..., None] * tint, (0, 0), rng.uniform(0.35, 0.6))
    photo = photo * rng.uniform(0.85, 1.1)
    photo += rng.normal(0, rng.uniform(0.005, 0.02), photo.shape)
    return np.clip(photo * 255, 0, 255).astype(np.uint8)


def _colour(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.float32(colorsys.hsv_to_rgb(hue % 1, saturation, value)[::-1])


def _coordinates(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.mgrid[: shape[0], : shape[1]].astype(np.float32)
