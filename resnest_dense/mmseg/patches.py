"""What mmengine and mmcv do otherwise beside ours: :data:`PATCHES`, each with its reason.

:func:`install` puts all in, on import of :mod:`resnest_dense.mmseg`; :func:`uninstall` takes all
back. Models without a ResNeSt of ours are loaded and initialised as ever.
"""

import builtins
import codecs
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from io import BytesIO
from logging import Logger
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.fileio.handlers import yaml_handler
from mmengine.logging import HistoryBuffer, MMLogger
from mmengine.model import BaseModel
from mmengine.runner import checkpoint
from torch import Tensor, nn
from torchvision.ops import nms

from resnest_dense.base.patching import Patch
from resnest_dense.base.plain_yaml import PlainLoader
from resnest_dense.data.images import open_image
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.mmseg.loading import check_input, fit_state, note_source, unwrap
from resnest_dense.nn import ResNeSt
from resnest_dense.weights.files import (
    choose_part,
    find_alternatives,
    read_checkpoint,
    require_whole,
    split_part,
)
from resnest_dense.weights.matching import has_one_backbone
from resnest_dense.weights.source import note_alternatives

__all__ = ["PATCHES", "install", "run_history_allowed", "segmentation_package", "uninstall"]

_OPERATORS = "mmcv._ext"
_STATISTICS = ("min", "max", "current", "mean")
_stock_load = checkpoint.load_state_dict
_stock_read = checkpoint.CheckpointLoader.load_checkpoint.__func__


def _read(cls: type, filename: str, *args: Any, **kwargs: Any) -> Any:
    filename, part = split_part(str(filename))
    if Path(filename).is_file():
        require_whole(Path(filename))
    try:
        with run_history_allowed():
            content = _stock_read(cls, filename, *args, **kwargs)
    except Exception as error:  # of any type, as the file says what is called
        if not Path(filename).is_file():
            raise
        read_checkpoint(filename)  # says in one line what is wrong with it
        raise ResNeStError(f"{filename} holds weights in a form that mmengine does not read: write "
                           "them as .pth by resnest-dense weights convert.") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if part:
        state = OrderedDict(choose_part(content, part, filename))
        content = {**content, "state_dict": state}
    elif isinstance(content, Mapping) and isinstance(state, Mapping):
        for note in note_alternatives(filename, find_alternatives(content, state)):
            MMLogger.get_current_instance().info("%s: %s", filename, note)
    if isinstance(state, OrderedDict):  # as torch makes them; a plain dict takes no attributes
        note_source(state, filename)
    return content


def _load(module: nn.Module, state_dict: Mapping[str, Tensor], strict: bool = False,
          logger: Logger | str | None = None) -> None:
    model = unwrap(module)
    if has_one_backbone(model):
        state_dict = fit_state(model, state_dict)
    _stock_load(module, state_dict, strict, logger)


def _init_weights(self: BaseModel) -> None:
    super(BaseModel, self).init_weights()
    for part in self.children():
        report = getattr(part, "load_report", None) if isinstance(part, ResNeSt) else None
        if report is not None:
            check_input(self, report.contract, report.source)


@contextmanager
def run_history_allowed() -> Iterator[None]:
    """Inside: ``torch.load`` reads the log of a run, which mmengine keeps in its checkpoints.

    Only the log's buffer, numpy arrays of numbers and four statistics by name are let in, so that
    a file from anyone can still run nothing.
    """
    if not hasattr(torch.serialization, "safe_globals"):  # torch before 2.5 refuses no class
        yield
        return
    core = (getattr(np, "_core", None) or np.core).multiarray
    numbers = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1")
    allowed = [HistoryBuffer, np.dtype, np.ndarray, (_statistic, "builtins.getattr"),
               (codecs.encode, "_codecs.encode")]
    allowed += list(dict.fromkeys(type(np.dtype(name)) for name in numbers))
    # numpy 2 renamed the module; a file has the name of the numpy that wrote it.
    allowed += [(getattr(core, name), f"{module}.{name}") for name in ("_reconstruct", "scalar")
                for module in ("numpy._core.multiarray", "numpy.core.multiarray")]
    with torch.serialization.safe_globals(allowed):
        yield


def _statistic(owner: object, name: str) -> Any:
    """The one use of ``getattr`` in such a file: the buffer's statistics by their names."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise ResNeStError(f"The checkpoint asks for {name!r} of {owner!r}, which no run of "
                           "mmengine writes: it may be harmful and was not read.")
    return builtins.getattr(owner, name)


def _decode(content: bytes, flag: str = "color", channel_order: str = "bgr",
            backend: str | None = None) -> np.ndarray:
    if flag != "color" or (backend or mmcv.image.io.imread_backend) not in ("cv2", "pillow"):
        return _stock_decode(content, flag, channel_order, backend)
    image = np.array(open_image(BytesIO(content), name="the file").convert("RGB"))
    return image if channel_order == "rgb" else np.ascontiguousarray(image[:, :, ::-1])


def _load_image(self: Any, results: dict) -> dict | None:
    try:
        return _stock_load_image(self, results)
    except ResNeStValueError as error:
        raise ResNeStValueError(f"{results['img_path']}: {error}") from error


def segmentation_package() -> str | None:
    """The installed package that brings ``mmseg``, if mmengine expects it under another name."""
    try:
        version(MODULE2PACKAGE["mmseg"])
        return None
    except PackageNotFoundError:
        return [None, *packages_distributions().get("mmseg", ())][-1]


class _MissingOperators(ModuleType):
    """In place of mmcv's compiled operators: torchvision's, where it has the same; any other raises
    when it is called, and never before."""

    def __init__(self) -> None:
        super().__init__(_OPERATORS)
        # Without a loader: mmengine's `mmcv_full_available()` asks for it and stays honest.
        self.__spec__ = ModuleSpec(_OPERATORS, loader=None)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*args: Any, **kwargs: Any) -> None:
            raise ResNeStError(f"mmcv's compiled operator {name!r} was called, but this mmcv has "
                               "none (mmcv-lite). Install the full mmcv that fits your torch, or "
                               "use a model without this operator.")

        return missing

    @staticmethod
    def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
        """Indices of the boxes (K, 4) that are kept, by falling score; with ``offset`` 1 a box ends
        behind its last pixel."""
        return nms(torch.cat([boxes[:, :2], boxes[:, 2:] + offset], 1), scores, iou_threshold)


# In brackets: the newest version that still needs it.
PATCHES = [
    Patch(checkpoint.CheckpointLoader, "load_checkpoint", classmethod(_read),
          reason="since torch 2.6 the log in a run's checkpoint is refused, so that testing and "
          "resuming fail; and only here it is known which file weights are from",
          until="mmengine (0.10.7) keeps plain data in its checkpoints and names the file"),
    Patch(yaml_handler, "Loader", PlainLoader,
          reason="any Python in a tag of a YAML config was run",
          until="mmengine (0.10.7) reads YAML with a safe loader"),
    Patch(checkpoint, "load_state_dict", _load,
          reason="load_from, resume and init_model end here, where names that fit nowhere are only "
          "warned of: a ResNeSt of another layout would stay random",
          until="mmengine (0.10.7) lets a model translate the names of a whole checkpoint"),
    Patch(BaseModel, "init_weights", _init_weights,
          reason="the model alone knows which input the weights of its backbone's init_cfg will "
          "get, and mmengine compares neither",
          until="mmengine (0.10.7) calls a hook after init_weights")]
if package := segmentation_package():
    PATCHES.append(Patch(
        MODULE2PACKAGE, "mmseg", package,
        reason="`mmseg::` in configs finds no fork of mmsegmentation under another package name",
        until="forks of mmengine (onedl-mmengine 0.10.12) write their own name there"))
if find_spec("mmcv"):
    import mmcv
    from mmcv.transforms import LoadImageFromFile

    _stock_decode, _stock_load_image = mmcv.imfrombytes, LoadImageFromFile.transform
    PATCHES += [
        Patch(mmcv, "imfrombytes", _decode,
              reason="OpenCV (5.0) reads no TIFF that has to be turned, and its version decides "
              "which orientations it follows: training saw other images than were checked",
              until="mmcv (2.2.0) lets a config name a function that decodes"),
        Patch(LoadImageFromFile, "transform", _load_image,
              reason="an image that cannot be read is an error without its name",
              until="mmcv (2.2.0) names the file")]
if _OPERATORS not in sys.modules and find_spec("mmcv") and find_spec(_OPERATORS) is None:
    PATCHES.append(Patch(
        sys.modules, _OPERATORS, _MissingOperators(),
        reason="mmseg.models cannot be imported with mmcv-lite, although it needs few operators",
        until="mmsegmentation (1.2.2) imports mmcv.ops where it is used"))


def install() -> None:
    """Put all patches in; those that are in stay."""
    for patch in PATCHES:
        patch.install()


def uninstall() -> None:
    """Leave mmengine and mmcv as they were before :func:`install`."""
    for patch in reversed(PATCHES):
        patch.uninstall()
