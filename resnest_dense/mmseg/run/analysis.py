"""What a segmentor costs, part by part."""

from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope

from resnest_dense.analysis import Analysis, analyze, model_parts
from resnest_dense.config_errors import explained
from resnest_dense.mmseg.config import load_config

__all__ = ["analyze_segmentor"]

_PARTS = {"neck": ("neck",), "decode head": ("decode_head",), "auxiliary head": ("auxiliary_head",)}


def analyze_segmentor(config: str | Path, size: tuple[int, int] | None = None) -> Analysis:
    """Counts of the segmentor that a config of MMSegmentation describes; nothing is computed.

    Args:
        config: a path, or the name of a shipped config.
        size: height and width of the image; the training crop of the config when None.

    Raises:
        ResNeStError: a config that cannot be used.
    """
    cfg = load_config(config)
    init_default_scope("mmseg")
    with explained(config), torch.device("meta"):
        model = MODELS.build(cfg.model).eval()
    height, width = size or cfg.model.data_preprocessor.get("size") or (512, 512)
    image = torch.empty(1, 3, height, width, device="meta")
    parts = model_parts(model, _PARTS, backbone="backbone")
    return analyze(model, image, parts, model,
                   ["Auxiliary heads are part of training alone and do nothing at test time."]
                   if "auxiliary head" in parts else [])
