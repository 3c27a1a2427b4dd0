"""detectron2's own checkpointer, taught to load a ResNeSt from a file in any layout.

Every tool of detectron2 loads through :class:`DetectionCheckpointer`, so :mod:`.patches` replaces
its two methods that find and read a file; for models without a ResNeSt they do what they did.
"""

from typing import Any
from urllib.parse import urlsplit

from detectron2.checkpoint import DetectionCheckpointer
from torch import Tensor, nn

from resnest_dense.weights import LoadReport, catalog, check_contract, prepare
from resnest_dense.weights.matching import has_one_backbone
from resnest_dense.weights.source import locate, open_weights

__all__ = ["load", "load_file"]

_HEURISTICS = "?matching_heuristics=True"  # what detectron2 does itself where a path ends in this
_stock_load = DetectionCheckpointer.load
_stock_load_file = DetectionCheckpointer._load_file


def load(self: DetectionCheckpointer, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """In place of ``DetectionCheckpointer.load``: finds the file."""
    if path and has_one_backbone(self.model):
        path = path.removesuffix(_HEURISTICS)
        # Schemes of detectron2's own ("detectron2://") are left to it.
        if path in catalog.names() or urlsplit(path).scheme in ("", "http", "https", "file"):
            path = str(locate(path))
    try:
        return _stock_load(self, path, *args, **kwargs)
    finally:
        self._parsed_url_during_load = None  # detectron2 leaves it set after an error


def load_file(self: DetectionCheckpointer, filename: str) -> dict[str, Any]:
    """In place of ``DetectionCheckpointer._load_file``: reads a file, with a report, or refuses it."""
    if not has_one_backbone(self.model):
        return _stock_load_file(self, filename)
    weights = open_weights(filename)
    values, report = prepare(self.model, weights, logger=self.logger)
    _check_input(self.model, report)
    if report.heads[1] and not report.heads[0]:
        self.logger.warning("%s holds a backbone alone: the heads stay random, and detect nothing "
                            "before they are trained.", report.source)
    self.resnest_report = report
    # Our reader leaves out what is no tensor, so the state of a training is detectron2's to read.
    training = set(self.checkpointables) & set(weights.others)
    rest = _stock_load_file(self, filename) if training else {}
    return {**rest, "model": values}


def _check_input(model: nn.Module, report: LoadReport) -> None:
    order = getattr(model, "input_format", None)
    if report.contract is None or order is None:
        return
    check_contract(
        report.contract, channel_order=order, mean=_listed(model.pixel_mean),
        std=_listed(model.pixel_std), source=report.source,
        keys=("INPUT.FORMAT (in a LazyConfig model.input_format and the mapper's image_format)",
              "MODEL.PIXEL_MEAN (model.pixel_mean)", "MODEL.PIXEL_STD (model.pixel_std)"),
    )


def _listed(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.flatten().tolist()]
