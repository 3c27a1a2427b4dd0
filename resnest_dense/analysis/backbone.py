"""What a named network costs by itself, stage by stage."""

import torch

from resnest_dense.analysis.counting import Analysis, analyze, model_parts
from resnest_dense.create import create_backbone

__all__ = ["analyze_backbone"]


def analyze_backbone(name: str, size: tuple[int, int] | None = None) -> Analysis:
    """Counts of a network without a classifier; nothing is computed.

    Args:
        name: one of :func:`resnest_dense.list_architectures`.
        size: height and width of the image; 224x224 when None.

    Raises:
        ResNeStValueError: an unknown name.
    """
    with torch.device("meta"):
        net = create_backbone(name).eval()
    image = torch.empty(1, 3, *(size or (224, 224)), device="meta")
    return analyze(net, image, model_parts(net, {}, backbone=""), net)
