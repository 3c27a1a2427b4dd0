"""detectron2's own checkpointer, taught to load a ResNeSt from a file in any layout.

Every tool of detectron2 loads through :class:`DetectionCheckpointer`, so :mod:`.patches` puts
:func:`load` and :func:`load_file` in place of its two methods that find and read a file; for models
without a ResNeSt they do what those did.
"""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from resnest_dense.errors import ResNeStError
from resnest_dense.weights import LoadReport, catalog, check_contract, prepare
from resnest_dense.weights.files import split_part
from resnest_dense.weights.matching import has_one_backbone, require_numbers
from resnest_dense.weights.report import Mismatch
from resnest_dense.weights.source import locate, open_weights

__all__ = ["load", "load_file", "load_weights"]

_HEURISTICS = "?matching_heuristics=True"  # what detectron2 does itself where a path ends in this
_BACKBONE = "backbone.bottom_up."
_stock_load = DetectionCheckpointer.load
_stock_load_file = DetectionCheckpointer._load_file


def load(self: DetectionCheckpointer, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """In place of ``DetectionCheckpointer.load``: finds the file by a name in the catalog too."""
    self._resnest_part = ""
    if path and has_one_backbone(self.model):
        path, self._resnest_part = split_part(path.removesuffix(_HEURISTICS))
        # Schemes of detectron2's own ("detectron2://") are left to it.
        if path in catalog.names() or urlsplit(path).scheme in ("", "http", "https", "file"):
            path = str(locate(path))
    try:
        return _stock_load(self, path, *args, **kwargs)
    finally:
        self._parsed_url_during_load = None  # detectron2 leaves it set after an error


def load_file(self: DetectionCheckpointer, filename: str) -> dict[str, Any]:
    """In place of ``DetectionCheckpointer._load_file``: what fits the model, of a file in any
    layout. The report is logged, and kept as ``resnest_report``.

    Raises:
        ResNeStError: a file that cannot be read, or weights that do not fill the backbone or were
            trained on another input than the model's.
    """
    if not has_one_backbone(self.model):
        return _stock_load_file(self, filename)
    part = getattr(self, "_resnest_part", "")
    weights = open_weights(f"{filename}#{part}" if part else filename)
    values, report = prepare(self.model, weights, logger=self.logger)
    _check_input(self.model, report)
    if _is_backbone_alone(report):
        self.logger.warning("%s holds a backbone alone: the heads stay random, and detect nothing "
                            "before they are trained.", report.source)
    self.resnest_report = report
    # Our reader leaves out what is no tensor, so the state of a training is detectron2's to read.
    training = {*self.checkpointables} & {*weights.others}
    return {**(_stock_load_file(self, filename) if training else {}), "model": values}


def load_weights(model: nn.Module, source: str, *, remedy: str = "") -> LoadReport | None:
    """Loads weights into a detector of any backbone by detectron2's checkpointer; in the report
    ``missing`` has every weight of the model that stays as it was.

    Args:
        model: changed in place.
        source: a path, an address, or a name in the catalog; "" loads nothing.
        remedy: what to give instead of a file that holds a backbone alone, with which a detector
            finds nothing; "" where such a file will do.

    Raises:
        ResNeStError: as :func:`load_file`, or a backbone alone where there is a remedy for it.
    """
    if not source:
        return None
    checkpointer = _RememberingCheckpointer(model)
    checkpointer.load(source, checkpointables=[])
    report = getattr(checkpointer, "resnest_report", None) or _report_plain(checkpointer, source)
    if remedy and _is_backbone_alone(report):
        raise ResNeStError(f"{source} holds a backbone alone, so the detector would find nothing. "
                           f"{remedy}")
    return replace(report, missing=tuple(checkpointer.incompatible.missing_keys))


def _is_backbone_alone(report: LoadReport) -> bool:
    loaded, wanted = report.heads
    return wanted > 0 and loaded == 0


class _RememberingCheckpointer(DetectionCheckpointer):
    def _load_model(self, checkpoint: dict[str, Any]) -> Any:
        self.incompatible = super()._load_model(checkpoint)  # detectron2 only logs it
        return self.incompatible


def _report_plain(checkpointer: _RememberingCheckpointer, source: str) -> LoadReport:
    """The report of a model without a ResNeSt, which detectron2 has loaded by itself."""
    require_numbers(checkpointer.model.state_dict(), source)
    lacking = checkpointer.incompatible
    names = [name for name in checkpointer.model.state_dict()
             if not name.endswith("num_batches_tracked")]
    missing = {*lacking.missing_keys}
    loaded = [name for name in names if name not in missing]
    inside, whole = (sum(name.startswith(_BACKBONE) for name in part) for part in (loaded, names))
    return LoadReport(
        source=source, layout="detectron2", loaded=tuple(loaded),
        missing=tuple(missing), unexpected=tuple(lacking.unexpected_keys),
        mismatched=tuple(Mismatch(name, tuple(there), tuple(here))
                         for name, there, here in lacking.incorrect_shapes),
        ignored=(), backbone=(inside, whole), heads=(len(loaded) - inside, len(names) - whole))


def _check_input(model: nn.Module, report: LoadReport) -> None:
    order = getattr(model, "input_format", None)
    if report.contract is None or order is None:
        return
    mean, std = ([round(value, 4) for value in values.flatten().tolist()]
                 for values in (model.pixel_mean, model.pixel_std))
    check_contract(
        report.contract, channel_order=order, mean=mean, std=std, source=report.source,
        keys=("INPUT.FORMAT (in a LazyConfig model.input_format and the mapper's image_format)",
              "MODEL.PIXEL_MEAN (model.pixel_mean)", "MODEL.PIXEL_STD (model.pixel_std)"))
