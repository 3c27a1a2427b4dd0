"""An exported detector or segmentor on images, in three steps that a server can take apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.runtime.images import (
    as_rgb,
    batch_images,
    padded_size,
    resize_image,
    target_size,
)
from resnest_dense.runtime.maps import label_pixels, paste_mask
from resnest_dense.runtime.results import Detections, Found, Labels, combine
from resnest_dense.runtime.session import Session, open_session
from resnest_dense.runtime.windows import average_windows

__all__ = ["Runner"]

_BATCH = 4  # images that go through the graph together


class Runner:
    """An exported model that is ready for images.

    Args:
        path: an ONNX (``.onnx``) or OpenVINO (``.xml``) file that ``resnest-dense export`` wrote,
            or what it is when opened.
        device: "cpu" (also when None), or what else the runtime knows.
        threshold: least score of a detection, 0 to 1; None for what the file says, of things among
            stuff too.

    Raises:
        ResNeStError: a file that cannot be run, see :func:`open_session`; features, which find
            nothing; a threshold below the one that the graph was exported with.
    """

    def __init__(self, path: str | Path | Session, *, device: str | None = None,
                 threshold: float | None = 0.5):
        if threshold is not None and not 0 <= threshold <= 1:
            raise ResNeStValueError(f"threshold={threshold}: use a number from 0 to 1.")
        session = path if isinstance(path, Session) else open_session(path, device)
        self.contract, self._run = session.contract, session.run
        if self.contract.task == "features":
            raise ResNeStError(f"{path} gives features, which are no results: run it with "
                               "onnxruntime or OpenVINO itself.")
        least = self.contract.thresholds.score if self.contract.thresholds else 0.0
        if threshold is not None and threshold < least:
            raise ResNeStValueError(f"threshold={threshold}: {path} was exported with {least} and "
                                    "has left out what scores less.")
        self._threshold = least if threshold is None else threshold
        self._rules = self.contract.panoptic
        if self._rules and threshold is not None:
            self._rules = replace(self._rules, score=threshold)

    def __call__(self, image: np.ndarray) -> Found:
        """What is found in an image (H, W, 3), RGB, uint8; grey and RGBA do as well."""
        return self.find([image])[0]

    def find(self, images: Sequence[np.ndarray]) -> list[Found]:
        """What is found in each of several images, which may differ in size."""
        ready = [self.prepare(image) for image in images]
        waiting: dict[tuple[int, int], list[int]] = {}
        for number, image in enumerate(ready):
            waiting.setdefault(self.shape(image), []).append(number)
        found: dict[int, Found] = {}
        for numbers in waiting.values():
            for start in range(0, len(numbers), _BATCH):
                batch = numbers[start:start + _BATCH]
                outputs = self.infer([ready[number] for number in batch])
                found.update((number, self.finish(output, ready[number], images[number]))
                             for number, output in zip(batch, outputs))
        return [found[number] for number in range(len(images))]

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """The first step: an image at the size that the network sees, RGB."""
        image = as_rgb(image)
        rule = self.contract.resize
        return resize_image(image, target_size(image.shape[:2], rule), rule.filter)

    def shape(self, prepared: np.ndarray) -> tuple[int, int]:
        """Height and width of the graph's input for a prepared image. Those of one shape go through
        together: padding would change what is found at an image's borders."""
        return padded_size(prepared.shape[:2], self.contract.size_divisor)

    def infer(self, prepared: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """The second step: the graph on a batch of prepared images of one :meth:`shape`; its
        outputs, image by image."""
        images = batch_images(prepared, self.contract)
        if not self.contract.detects:
            return [{"logits": one} for one in self._logits(images)]
        sizes = np.array([image.shape[:2] for image in prepared], np.int64)
        outputs = dict(self._run({"images": images, "sizes": sizes}))
        semantic, of = outputs.pop("semantic", None), outputs.pop("image_index")
        found = [{name: values[of == number] for name, values in outputs.items()}
                 for number in range(len(prepared))]
        if semantic is not None:
            found = [{**one, "semantic": maps} for one, maps in zip(found, semantic)]
        return found

    def finish(self, output: Mapping[str, np.ndarray], prepared: np.ndarray,
               image: np.ndarray) -> Found:
        """The third step: an image's outputs as results in its own pixels."""
        inner, size = prepared.shape[:2], image.shape[:2]
        maps = output.get("logits", output.get("semantic"))
        labels = None if maps is None else label_pixels(
            maps.astype(np.float32, copy=False), self.shape(prepared), inner, size,
            self.contract.align_corners)
        if labels is not None and not self.contract.detects:
            return Labels(labels)
        found = _detections(output, inner, size, self._threshold)
        if labels is None or self._rules is None:
            return found
        return replace(found, segments=combine(found, labels, self._rules))

    def _logits(self, images: np.ndarray) -> np.ndarray:
        def run(images: np.ndarray) -> np.ndarray:
            return self._run({"images": images})["logits"]

        window = self.contract.window
        return average_windows(run, images, window, self.contract.align_corners) if window else run(
            images)


def _detections(output: Mapping[str, np.ndarray], inner: tuple[int, int], size: tuple[int, int],
                threshold: float) -> Detections:
    scale = np.array([size[1] / inner[1], size[0] / inner[0]], np.float32)
    boxes = (output["boxes"] * np.tile(scale, 2)).clip(0, np.tile(size[::-1], 2).astype(np.float32))
    sure = (output["scores"] > threshold) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    keep = np.flatnonzero(sure)
    keep = keep[np.argsort(-output["scores"][keep], kind="stable")]
    masks, points = None, output.get("keypoints")
    if "masks" in output:
        masks = [paste_mask(mask, box, size) for mask, box in
                 zip(output["masks"][keep].astype(np.float32, copy=False), boxes[keep])]
    if points is not None:
        points = points[keep] * np.append(scale, np.float32(1))
    return Detections(size, boxes[keep], output["scores"][keep], output["classes"][keep], masks,
                      points)
