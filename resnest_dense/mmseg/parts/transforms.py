"""The step of the official augmentation that MMSegmentation does not have."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from resnest_dense.mmseg.registry import TRANSFORMS

__all__ = ["RandomGaussianBlur"]


@TRANSFORMS.register_module()
class RandomGaussianBlur(BaseTransform):
    """Blur a share ``prob`` of the images with a deviation of 0 to 1 pixel, as GluonCV's
    segmentation training does.
    """

    def __init__(self, prob: float = 0.5):
        self.prob = prob

    def transform(self, results: dict) -> dict:
        if np.random.rand() < self.prob:
            deviation = max(np.random.rand(), 1e-3)
            results["img"] = cv2.GaussianBlur(results["img"], (0, 0), deviation)
        return results
