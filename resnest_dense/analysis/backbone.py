"""A named network by itself: what it costs, and run on an image."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from resnest_dense.analysis.counting import Analysis, analyze, model_parts
from resnest_dense.analysis.machine import pick_device
from resnest_dense.create import create_backbone
from resnest_dense.nn import ResNeSt
from resnest_dense.weights import load
from resnest_dense.weights.contract import IMAGENET

__all__ = ["analyze_backbone", "open_backbone"]

_SHORT_SIDE = 256  # pixels, of which ImageNet's evaluation crops 224


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


def open_backbone(name: str, checkpoint: str, device: str | None = None
                  ) -> tuple[ResNeSt, Callable[[np.ndarray], dict[str, Tensor]]]:
    """A network with its weights, and a function that runs it on an image (H, W, 3), RGB, uint8.

    Args:
        name: one of :func:`resnest_dense.list_architectures`.
        checkpoint: a path, an address or a name in the catalog.
        device: where it runs; a GPU if there is one, when None.

    Raises:
        ResNeStError: no such weights, or weights of another network.
    """
    device, net = pick_device(device), create_backbone(name)
    contract = load(net, checkpoint).contract or IMAGENET
    net.to(device).eval()

    @torch.inference_mode()
    def run(image: np.ndarray) -> dict[str, Tensor]:
        scale = min(1.0, _SHORT_SIDE / min(image.shape[:2]))
        size = [max(32, round(side * scale)) for side in image.shape[1::-1]]
        resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
        return net(torch.from_numpy(contract.normalise(np.asarray(resized)))[None].to(device))

    return net, run
