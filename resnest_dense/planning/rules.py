"""Every rule by which settings follow from data and machine, each with its reason in words.

docs/first_hour.md has them with their sources; nothing else derives a setting.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Derived", "accumulation", "anchor_sizes", "class_weights", "crop",
           "evaluation_period", "fast_length", "learning_rate", "length", "longer_side",
           "paper_length", "proposals", "pyramid_anchors", "run_length", "shorter_side", "steps",
           "warm_up", "weights", "workers"]

_LEAST_OBJECT = 16  # pixels that a small object is to keep: two positions on a map of stride 8
_SIDES = range(160, 385, 32)  # that fast detectors are trained at
_MINUTES = 8  # of ten, for steps; the others go into starting and evaluating
_LOADING = 1.2  # of a step's time: images are loaded too
_STEPS = (200, 4000)  # that a fast run has at least and at most
_WARM_UP = 1000  # iterations, of detectron2's configs
_PAPER_EPOCHS = 12  # 90,000 iterations of 16 of COCO's 117,266 images with objects
_LEAST_PAPER = 3000  # iterations of 16 images: what fine-tuning on a small set takes


class Derived(NamedTuple):
    """A value, and why it is that."""

    value: Any
    reason: str


def shorter_side(smallest: float, short: float) -> Derived:
    """Shorter side of the images, in pixels, for a fast detector.

    Args:
        smallest: side of small objects in the images as they are.
        short: shorter side of the images as they are.
    """
    for side in _SIDES:
        if smallest * side / short >= _LEAST_OBJECT:
            return Derived(side, f"small objects ({smallest:.0f} of {short:.0f} pixels) keep "
                           f"{smallest * side / short:.0f} of them")
    return Derived(_SIDES[-1], f"as large as is quick; small objects ({smallest:.0f} of "
                   f"{short:.0f} pixels) keep {smallest * _SIDES[-1] / short:.0f} of them")


def anchor_sizes(smallest: float, largest: float, levels: int, stride: int) -> Derived:
    """One size of anchors a level of the pyramid, from small to large objects.

    Args:
        smallest: side of small objects, and ``largest`` of large ones, as they are trained on.
        levels: of the pyramid.
        stride: of the finest level: anchors of less than twice that are seldom met.
    """
    least = max(2 * stride, round(smallest))
    factor = min(max((largest / least) ** (1 / max(levels - 1, 1)), 1.5), 2.5)
    sizes = [[round(least * factor**level)] for level in range(levels)]
    return Derived(sizes, f"a tenth of the objects is below {smallest:.0f} pixels in training, a "
                   f"tenth above {largest:.0f}")


def pyramid_anchors(sizes: Sequence[Sequence[float]], smallest: float) -> Derived:
    """The anchors of a config halved until the least meets small objects; never enlarged, as COCO
    has both.

    Args:
        sizes: of each level.
        smallest: side of small objects, as they are trained on.
    """
    halvings = max(0, math.ceil(math.log2(sizes[0][0] / max(smallest, 1))))
    halvings = min(halvings, 2)
    return Derived([[size / 2**halvings for size in level] for level in sizes],
                   f"a tenth of the objects is below {smallest:.0f} pixels in training")


def learning_rate(reference: tuple[float, int], batch: int) -> Derived:
    """By the linear rule (arXiv 1706.02677).

    Args:
        reference: a rate, and the images a step that it is for.
        batch: images a step.
    """
    rate, images = reference
    return Derived(float(f"{rate * batch / images:.3g}"),
                   f"the config's {rate:g} for {images} images, by the linear rule for {batch}")


def accumulation(images: int, fits: int) -> Derived:
    """Parts in which the images of a step go through the model.

    Args:
        images: of a step.
        fits: images that memory holds at once.
    """
    parts = next(parts for parts in range(1, images + 1)
                 if images % parts == 0 and images // parts <= fits)
    return Derived(parts, f"equal parts, of the {fits} images at most that memory holds")


def length(images: int, batch: int, epochs: int) -> Derived:
    """Iterations of a number of passes."""
    return Derived(max(1, math.ceil(images * epochs / batch)),
                  f"{epochs} epochs of {images} images, {batch} a step")


def fast_length(seconds: float, images: int, batch: int) -> Derived:
    """Iterations that fit in ten minutes.

    Args:
        seconds: that a step takes.
        images: in the set.
        batch: images a step.
    """
    each = _LOADING * seconds
    count = min(max(int(60 * _MINUTES / max(each, 1e-3)), _STEPS[0]), _STEPS[1])
    return Derived(count, f"{_MINUTES} minutes of steps of {each:.2f} s, as one was measured; "
                   f"{_STEPS[0]} to {_STEPS[1]}: {count * batch / images:.0f} epochs of {images} "
                   "images")


def paper_length(images: int, batch: int) -> Derived:
    """Iterations of the paper's schedule on a set of another size."""
    own = _PAPER_EPOCHS * images / batch
    least = _LEAST_PAPER * 16 / batch
    reason = (f"{_PAPER_EPOCHS} epochs, as on COCO" if own >= least else
              f"{_LEAST_PAPER} steps of 16 images, as {_PAPER_EPOCHS} epochs of {images} images "
              "are too few")
    return Derived(math.ceil(max(own, least)), reason)


def warm_up(iterations: int) -> Derived:
    """Iterations in which the rate rises."""
    count = min(_WARM_UP, max(1, iterations // 10))
    return Derived(count, f"a tenth of the run, {_WARM_UP} at most")


def steps(iterations: int) -> Derived:
    """Where the rate falls to a tenth."""
    return Derived([iterations * 2 // 3, iterations * 8 // 9],
                   "after 2/3 and 8/9, as 60,000 and 80,000 of 90,000")


def evaluation_period(iterations: int, times: int) -> Derived:
    """Iterations between evaluations."""
    return Derived(max(1, math.ceil(iterations / times)), f"{times} times in the run")


def class_weights(shares: Sequence[float]) -> Derived:
    """Weights of classes in the loss, 1 for the mean pixel.

    Args:
        shares: of the labelled pixels that each class has.
    """
    least = 1e-4
    raw = [max(share, least) ** -0.5 for share in shares]
    mean = sum(weight * share for weight, share in zip(raw, shares)) or 1.0
    return Derived([round(weight / mean, 3) for weight in raw],
                   "1 over the root of its share of the pixels: rare classes count in the mean IoU "
                   "as much as common ones")


def weights(preset: str, pretrained: str | None, architecture: str | None) -> Derived:
    """What a run starts from: a name or path, "none" for random weights, "" for the config's own.

    Args:
        preset: "fast" or "paper".
        pretrained: what is asked for.
        architecture: the network that takes the place of the config's.
    """
    if pretrained:
        return Derived(pretrained, "--pretrained none" if pretrained == "none" else "--pretrained")
    if preset == "fast":
        return Derived("none", "fast runs need no download; --pretrained NAME is worth it")
    if architecture:
        return Derived(architecture, "the published weights of --model")
    return Derived("", "the config's")


def workers(cores: int, device: str) -> Derived:
    """Processes that load images."""
    if device == "cpu":
        return Derived(0, "on a CPU they would take cores from the training")
    return Derived(max(1, min(8, cores - 1)), f"{cores} cores, 8 at most")


def proposals(most: int) -> Derived:
    """Boxes that the first stage gives to the second, of an image.

    Args:
        most: objects in an image.
    """
    count = min(max(32 * math.ceil(4 * most / 32), 64), 512)
    return Derived(count, f"four times the {most} objects that an image has at most, 64 to 512")


def run_length(preset: str, epochs: int | None, images: int, batch: int, seconds: float | None
               ) -> Derived:
    """Iterations: of the epochs that are asked for, or else of the preset.

    Args:
        seconds: that a step takes; None where it is not measured yet.
    """
    if epochs is not None:
        return length(images, batch, epochs)
    if preset == "paper":
        return paper_length(images, batch)
    return fast_length(seconds if seconds is not None else 1.0, images, batch)


def longer_side(long: float) -> Derived:
    """Longer side of the images, in pixels, for a fast segmentor.

    Args:
        long: longer side of the images as they are.
    """
    side = min(320, max(64, 32 * round(long / 32)))
    return Derived(side, f"as large as is quick (320), and no larger than the images ({long:.0f})")


def crop(side: int) -> Derived:
    """Side of training crops, for images of a longer side."""
    size = max(64, 32 * round(0.6 * side / 32))
    return Derived(size, f"0.6 of the longer side ({side}), in steps of 32")
