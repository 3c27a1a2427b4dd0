"""detectron2's checkpointer for a run: whole files alone, of which the newest are kept."""

import re
from pathlib import Path
from typing import Any

from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from resnest_dense.training.checkpoints import Checkpoints, write_checkpoint
from resnest_dense.weights.matching import require_numbers

__all__ = ["BEST", "RunCheckpointer", "checkpoints_in"]

BEST = "model_best.pth"
_NAMES = re.compile(r"model_(\d{7,}|final)\.pth")


def checkpoints_in(folder: str) -> Checkpoints:
    """Those of a run, not :data:`BEST`, from which nothing goes on."""
    return Checkpoints(Path(folder), _NAMES)


class RunCheckpointer(DetectionCheckpointer):
    """Writes each checkpoint beside its place, with its digest, and then notes it as the last one.

    Args:
        model: of the run.
        folder: of the run.
        keep: this many of the newest ones; 0 for all.
        parts: with states of their own.
    """

    def __init__(self, model: nn.Module, folder: str, *, keep: int, **parts: Any):
        super().__init__(model, folder, **parts)
        self.files = checkpoints_in(folder)
        self._keep = keep

    def save(self, name: str, **others: Any) -> None:
        """Saves the model and all parts as ``name``.pth, with ``others`` beside them.

        Raises:
            ResNeStError: the disk refuses it, or the weights are no numbers any more.
        """
        if self.save_to_disk:
            path = self._write(f"{name}.pth", {key: part.state_dict() for key, part
                                               in self.checkpointables.items()} | others)
            self.files.note_last(path)
            self.files.keep_newest(self._keep, path)

    def save_best(self, **others: Any) -> None:
        """Saves the model alone as :data:`BEST`, with ``others`` beside it."""
        if self.save_to_disk:
            classes = self.checkpointables.get("classes")
            self._write(BEST, others | ({"classes": classes.state_dict()} if classes else {}))

    def has_checkpoint(self) -> bool:
        return bool(self.files.find())

    def get_checkpoint_file(self) -> str:
        """The last one that is whole.

        Raises:
            ResNeStError: there is none.
        """
        return str(self.files.last_whole())

    def _write(self, name: str, content: dict[str, Any]) -> Path:
        path = self.files.folder / name
        state = self.model.state_dict()
        require_numbers(state, f"{path} was not written: the model")
        self.logger.info("Saving checkpoint to %s", path)
        write_checkpoint({"model": state, **content}, path)
        return path
