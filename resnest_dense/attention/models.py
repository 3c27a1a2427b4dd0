"""Models whose attention is looked at: a backbone by name, a detector, a segmentor."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn

from resnest_dense.architectures import list_architectures
from resnest_dense.config_kinds import find_any_config
from resnest_dense.create import create_backbone
from resnest_dense.weights import InputContract, load

__all__ = ["open_model"]

_IMAGENET = InputContract("RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SHORT_SIDE = 256  # pixels, of which ImageNet's evaluation crops 224


def open_model(name: str, checkpoint: str,
               device: str | None = None) -> tuple[nn.Module, Callable[[np.ndarray], object]]:
    """A model with its weights, and a function that runs it on an image (H, W, 3), RGB, uint8.

    Args:
        name: an architecture, or a config of detectron2 or MMSegmentation.
        checkpoint: a path, an address or a name in the catalog.
        device: where it runs; a GPU if there is one, when None.

    Raises:
        ResNeStError: no such model or weights, or weights of another one.
    """
    if name in list_architectures():
        return _open_backbone(name, checkpoint, device)
    # Each framework is asked for only where the config needs it.
    if find_any_config(name)[1] == "mmseg":
        from resnest_dense.mmseg.run.predict import SegmentationPredictor

        segmentor = SegmentationPredictor(name, checkpoint, device=device)
        return segmentor.model, lambda image: segmentor(np.ascontiguousarray(image[:, :, ::-1]))
    from resnest_dense.d2.predict.predictor import DetectionPredictor

    detector = DetectionPredictor(name, checkpoint, device=device)
    return detector.model, detector


def _open_backbone(name, checkpoint, device):
    net = create_backbone(name)
    contract = (load(net, checkpoint).contract or _IMAGENET).scaled(1)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    net.to(device).eval()

    @torch.inference_mode()
    def run(image: np.ndarray):
        scale = min(1.0, _SHORT_SIDE / min(image.shape[:2]))
        size = [max(32, round(side * scale)) for side in image.shape[1::-1]]
        pixels = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) / 255
        if contract.channel_order == "BGR":
            pixels = pixels[:, :, ::-1]
        values = (pixels - contract.mean) / contract.std
        return net(torch.from_numpy(values).float().permute(2, 0, 1)[None].to(device))

    return net, run
