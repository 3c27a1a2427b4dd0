"""A trained segmentor as what is exported: the logits of its head, before they are enlarged."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import DATASETS
from mmseg.models.utils import wrappers
from torch import Tensor, nn

from resnest_dense.errors import ResNeStError
from resnest_dense.exporting.backbone import Features
from resnest_dense.exporting.subject import Options, Subject, input_of, normalised
from resnest_dense.inference.fuse import fuse
from resnest_dense.mmseg.loading import read_input
from resnest_dense.mmseg.run.predict import SegmentationPredictor
from resnest_dense.runtime.contract import Classes, Contract, Resize, Window

__all__ = ["make_subject"]

_FAMILIES = {"ASPPHead": "deeplabv3", "DeepLabV3Head": "deeplabv3",
             "DepthwiseSeparableASPPHead": "deeplabv3plus", "FCNHead": "fcn", "PSPHead": "pspnet",
             "UPerHead": "upernet"}


def make_subject(config: str, checkpoint: str, options: Options) -> Subject:
    """The segmentor, or its backbone, that a config and a checkpoint describe.

    Raises:
        ResNeStError: as :class:`SegmentationPredictor`, or a segmentor of another kind than
            DeepLabV3, DeepLabV3+, FCN, PSPNet and UPerNet.
    """
    predictor = SegmentationPredictor(config, checkpoint, device="cpu")
    model: Any = predictor.model
    contract = _contract(predictor, options)
    pictures, training = _pictures(predictor.dataset), partial(_pictures, predictor.training)
    inner: Any = fuse(model) if options.fused else copy.deepcopy(model)
    if options.backbone:
        names = model.backbone.out_features
        return Subject("backbone", normalised(Features(inner.backbone, names).eval(), contract),
                       names, contract, Features(model.backbone, names), pictures, training)
    head = type(model.decode_head).__name__
    if head not in _FAMILIES:
        raise ResNeStError(f"A segmentor with a {head} cannot be exported: one with a "
                           f"{', '.join(_FAMILIES)} can. Export its backbone by --backbone.")
    return Subject(_FAMILIES[head], normalised(_Logits(_replace_pools(inner)).eval(), contract),
                   ("logits",), contract, _Logits(model), pictures, training)


class _Logits(nn.Module):
    """
    Shape:
        (N, 3, H, W) -> (N, classes, h, w), of the head's stride
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor]:
        with _unwarned():
            return (self.model.decode_head(self.model.extract_feat(images)),)


class _AdaptivePool(nn.Module):
    """Means of a fixed number of windows, as two products of matrices: ONNX has no such pool for
    maps of any size.

    Shape:
        (N, C, H, W) -> (N, C, count, count)
    """

    def __init__(self, count: int):
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        if self.count == 1:
            return x.mean((2, 3), keepdim=True)
        rows, columns = (self._windows(x, axis) for axis in (2, 3))
        return rows @ (x @ columns.transpose(0, 1))

    def _windows(self, x: Tensor, axis: int) -> Tensor:
        side = x.shape[axis]
        step = torch.arange(self.count, device=x.device)[:, None]
        start, end = step * side // self.count, ((step + 1) * side - 1) // self.count + 1
        place = torch.arange(side, device=x.device)
        inside = ((place >= start) & (place < end)).to(x.dtype)
        return inside / (end - start)


def _replace_pools(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            count: Any = child.output_size
            setattr(module, name, _AdaptivePool(count))
        else:
            _replace_pools(child)
    return module


@contextmanager
def _unwarned() -> Iterator[None]:
    """Inside, MMSegmentation enlarges maps without a word on their sizes, for which it makes
    numbers of them: an exported graph would take those for constants."""
    before = wrappers.resize.__defaults__
    wrappers.resize.__defaults__ = (*before[:-1], False)
    try:
        yield
    finally:
        wrappers.resize.__defaults__ = before


def _contract(predictor: SegmentationPredictor, options: Options) -> Contract:
    model: Any = predictor.model
    given = read_input(model)
    if given is None:
        raise ResNeStError("The model's data_preprocessor does not normalise: without mean and std "
                           "an exported file cannot say what it takes.")
    test = model.test_cfg
    window = Window(tuple(test.crop_size), tuple(test.stride)) if test.mode == "slide" else None
    first = predictor.first_label
    palette: Any = tuple(tuple(map(int, colour)) for colour in predictor.palette)
    classes = Classes(tuple(range(first, first + len(predictor.classes))), predictor.classes,
                      palette)
    padding = model.data_preprocessor.test_cfg or {}
    return Contract(
        task="features" if options.backbone else "segment", classes=classes,
        resize=_resize(predictor.steps), size_divisor=padding.get("size_divisor", 1),
        window=window, align_corners=model.align_corners,
        **input_of(given.order, given.mean, given.std, options))


def _resize(steps: list[dict]) -> Resize:
    resizes = [step for step in steps if step["type"] != "PackSegInputs"]
    if not resizes:
        return Resize("none", filter="opencv")
    [step, *others] = resizes
    if others or step["type"] != "Resize" or "scale" not in step:
        raise ResNeStError(f"Test images go through {[s['type'] for s in resizes]}, which a file "
                           "cannot say: exported models resize by Resize with a scale alone.")
    wide, high = step["scale"]
    if step.get("keep_ratio"):
        return Resize("fit", (max(wide, high), min(wide, high)), "opencv")
    return Resize("stretch", (high, wide), "opencv")


def _pictures(dataset: dict | None) -> list[Path]:
    try:
        data = DATASETS.build(dataset)
    except Exception:  # not there: whatever a set's own code raises
        return []
    return [Path(data.get_data_info(number)["img_path"]) for number in range(len(data))]
