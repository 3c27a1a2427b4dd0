"""Exported models, run with onnxruntime or OpenVINO, numpy and Pillow alone.

    from resnest_dense.runtime import Runner
    found = Runner("model.onnx")(image)          # Detections, or Labels, in pixels of the image
"""

from resnest_dense.runtime.contract import Contract
from resnest_dense.runtime.draw import draw_found
from resnest_dense.runtime.results import Detections, Labels
from resnest_dense.runtime.runner import Runner

__all__ = ["Contract", "Detections", "Labels", "Runner", "draw_found"]
