"""What detectron2's checkpointer did not find, which it only logs."""

from dataclasses import dataclass

from detectron2.checkpoint import DetectionCheckpointer

from resnest_dense.weights.report import Mismatch

__all__ = ["Coverage", "CoverageCheckpointer"]

_BACKBONE = "backbone.bottom_up."
_CONSTANTS = ("pixel_mean", "pixel_std")


@dataclass(frozen=True)
class Coverage:
    """How much of a model was loaded, as in a :class:`resnest_dense.weights.LoadReport`.

    Args:
        backbone: weights of the backbone that were loaded, and how many it has.
        heads: the same for the rest of the model.
    """

    backbone: tuple[int, int]
    heads: tuple[int, int]


class CoverageCheckpointer(DetectionCheckpointer):
    """detectron2's, and after :meth:`load`: ``missing`` has the names of the model's weights that
    the file has nothing for, or nothing of their shape, and ``mismatched`` the latter.
    """

    missing: tuple[str, ...] = ()
    mismatched: tuple[Mismatch, ...] = ()

    def _load_model(self, checkpoint):
        incompatible = super()._load_model(checkpoint)
        # Of a ResNeSt, only what fits has been handed on, and the report has the rest.
        report = getattr(self, "resnest_report", None)
        self.mismatched = report.mismatched if report else tuple(
            Mismatch(name, tuple(there), tuple(here))
            for name, there, here in incompatible.incorrect_shapes)
        unfit = [mismatch.name for mismatch in self.mismatched]
        self.missing = tuple(dict.fromkeys([*unfit, *incompatible.missing_keys]))
        return incompatible

    def coverage(self) -> Coverage:
        """Counts of what was loaded; counters of batches count nowhere."""
        names = [name for name in self.model.state_dict()
                 if name not in _CONSTANTS and not name.endswith("num_batches_tracked")]
        missing = {*self.missing}
        shares = []
        for inside in (True, False):
            part = [name for name in names if name.startswith(_BACKBONE) == inside]
            shares.append((sum(name not in missing for name in part), len(part)))
        return Coverage(*shares)
