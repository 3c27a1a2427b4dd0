"""What an image goes through before a classifier sees it (docs/recipes.md 1.2)."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from resnest_dense.weights import InputContract, catalog
from resnest_dense.weights.contract import IMAGENET

__all__ = ["BORDER", "Preparation", "preparation_of"]

BORDER = 32  # pixels more than the crop that the short side counts as
# Sides that published figures of the deeper networks were measured at.
_CROPS = {"resnest101": 256, "resnest152": 256, "resnest200": 320, "resnest269": 416}
_CROP = 224


@dataclass(frozen=True)
class Preparation:
    """The centre of an image, ``crop / (crop + 32)`` of its short side, at ``crop`` x ``crop``
    pixels, normalised.

    Args:
        contract: colours and normalisation.
        crop: side in pixels.
        interpolation: "bicubic" or "bilinear".
    """

    contract: InputContract
    crop: int
    interpolation: str = "bicubic"

    def __call__(self, image: np.ndarray) -> Tensor:
        """An image (H, W, 3), RGB, uint8 -> (3, crop, crop)."""
        picture = Image.fromarray(image)
        side = self.crop / (self.crop + BORDER) * min(picture.size)
        left, top = (round((whole - side) / 2) for whole in picture.size)
        picture = picture.crop((left, top, round(left + side), round(top + side)))
        method = Image.Resampling[self.interpolation.upper()]
        picture = picture.resize((self.crop, self.crop), method)
        return torch.from_numpy(self.contract.normalise(np.asarray(picture)))


def preparation_of(file: str, architecture: str, contract: InputContract | None) -> Preparation:
    """That of weights: as they were published, or of their network at its usual size.

    Args:
        file: the name of the weights' file, by which the catalog knows them.
        architecture: the network that they are of.
        contract: their input, if known.
    """
    entry = catalog.find(file)
    usual = _CROPS.get(architecture, _CROP)
    crop = usual if entry is None else int(entry.metrics.get("crop", usual))
    of_torchvision = entry is not None and entry.title.startswith("torchvision")
    return Preparation(contract or IMAGENET, crop, "bilinear" if of_torchvision else "bicubic")
