"""``MODEL.WEIGHTS`` into a detector: any layout of a ResNeSt, with a report, on the right input."""

from detectron2.config import CfgNode
from torch import nn

from resnest_dense.d2.coverage import Coverage, CoverageCheckpointer
from resnest_dense.errors import ResNeStError
from resnest_dense.weights import LoadReport

__all__ = ["load_weights"]


def load_weights(model: nn.Module, cfg: CfgNode, *,
                 whole: bool = False) -> LoadReport | Coverage | None:
    """Loads ``cfg.MODEL.WEIGHTS``; an empty one leaves the random weights.

    Args:
        model: a detector built from ``cfg``, changed in place.
        cfg: names the weights and the input that the model gets.
        whole: refuse a file that holds a backbone alone, with which a detector finds nothing.

    Returns:
        What was loaded; None for nothing.

    Raises:
        ResNeStError: a source that cannot be read, weights that do not fill the backbone, that were
            trained on another input than ``INPUT.FORMAT`` and ``MODEL.PIXEL_*`` give, or that lack
            the heads where ``whole``.
    """
    source = cfg.MODEL.WEIGHTS
    if not source:
        return None
    checkpointer = CoverageCheckpointer(model)
    checkpointer.load(source, checkpointables=[])
    report = getattr(checkpointer, "resnest_report", None) or checkpointer.coverage()
    if whole and report.heads[0] == 0:
        raise ResNeStError(
            f"{source} holds a backbone alone, so the detector would find nothing: give the "
            "checkpoint of a detector trained with this config."
        )
    return report
