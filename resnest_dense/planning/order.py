"""What a user asks of a training run, and what of it cannot be."""

from dataclasses import dataclass

from resnest_dense.architectures import list_architectures
from resnest_dense.errors import ResNeStValueError, near

__all__ = ["DETECTION", "PRESETS", "TASKS", "Order"]

TASKS = ("detect", "segment-instances", "segment", "panoptic")
DETECTION = ("detect", "segment-instances", "panoptic")  # by detectron2
PRESETS = ("fast", "paper")
_LEAST_SIDE = 64  # pixels: two positions on a map of stride 32


@dataclass(frozen=True)
class Order:
    """A training run as it is asked for; None is for what the rules are to say.

    Args:
        task: of ``TASKS``.
        preset: "fast", a small network that learns something useful in ten minutes on two CPU
            cores; "paper", the network and recipe of the paper, scaled to the set.
        model: an architecture, or a config of the task's framework.
        epochs: passes over the training images.
        image_size: shorter side of the images of a detector, longer side of those of a segmentor.
        batch: images a step of all devices; "auto" is the most that memory holds.
        pretrained: name or path of weights, "none" for random ones.
        device: where it runs.
        workers: processes that load images.
        seed: of all that is drawn.

    Raises:
        ResNeStValueError: a value that cannot be used.
    """

    task: str
    preset: str = "fast"
    model: str | None = None
    epochs: int | None = None
    image_size: int | None = None
    batch: int | str | None = None
    pretrained: str | None = None
    device: str | None = None
    workers: int | None = None
    seed: int = 0

    @property
    def architecture(self) -> str | None:
        """The network that ``model`` names; None where it names a config, or nothing."""
        return self.model if self.model in list_architectures() else None

    def base(self, own: str) -> str:
        """The config that the run is based on: ``own``, unless ``model`` names another."""
        return own if self.model is None or self.architecture else self.model

    def __post_init__(self) -> None:
        for name, value, known in (("--task", self.task, TASKS),
                                   ("--preset", self.preset, PRESETS)):
            _require(value in known, f"{name} {value}: {near(value, known)}")
        _require(self.epochs is None or self.epochs >= 1,
                 f"--epochs {self.epochs}: nothing would be learned; give at least 1.")
        _require(self.image_size is None or self.image_size >= _LEAST_SIDE,
                 f"--image-size {self.image_size}: give at least {_LEAST_SIDE} pixels; the last "
                 "maps have a 32nd of it.")
        _require(self.batch in (None, "auto") or isinstance(self.batch, int) and self.batch >= 1,
                 f"--batch {self.batch}: give a number of images of at least 1, or auto.")
        _require(self.workers is None or self.workers >= 0,
                 f"--workers {self.workers}: give 0 (images are loaded by the process that "
                 "trains) or more.")


def _require(fine: bool, message: str) -> None:
    if not fine:
        raise ResNeStValueError(message)
