"""Every name of detectron2 that is replaced, from the import of this package to :func:`uninstall`.

Nothing of torch or of another library is. For all other behaviour detectron2 has arguments, hooks
and registries, which the rest of this package uses.
"""

from typing import Any

import numpy as np
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import detection_utils
from detectron2.engine import defaults
from detectron2.utils.file_io import PathManager
from torch import nn

from resnest_dense.base.patching import Patch
from resnest_dense.d2 import checkpointer
from resnest_dense.data.images import open_image

__all__ = ["PATCHES", "install", "uninstall"]

_stock_create_ddp_model = defaults.create_ddp_model


def _create_ddp_model(model: nn.Module, **kwargs: Any) -> nn.Module:
    if next(model.parameters()).device.type == "cpu":
        kwargs["device_ids"] = None
    return _stock_create_ddp_model(model, **kwargs)


def _read_image(file_name: str, format: str | None = None) -> np.ndarray:
    with PathManager.open(file_name, "rb") as file:
        picture = open_image(file, name=str(file_name))
    return detection_utils.convert_PIL_to_numpy(picture, format)


PATCHES = (
    Patch(DetectionCheckpointer, "load", checkpointer.load,
          reason="Stock detectron2 takes no name of our catalog, and can load nothing more after a "
                 "file that it refused.",
          until="DetectionCheckpointer takes readers of other names, and forgets the path after an "
                "error (no version so far: 0.6, sources of 2024-04)."),
    Patch(DetectionCheckpointer, "_load_file", checkpointer.load_file,
          reason="Stock detectron2 loads by exact names: a raw resnest50-528c19ca.pth fills "
                 "nothing, and training starts from random weights after one long warning.",
          until="DetectionCheckpointer takes readers of other layouts (no version so far: 0.6, "
                "sources of 2024-04)."),
    Patch(defaults, "create_ddp_model", _create_ddp_model,
          reason="DefaultTrainer passes the process's rank as a CUDA device, which torch refuses "
                 "for a model on the CPU.",
          until="create_ddp_model leaves device_ids out on a CPU (no version so far: 0.6, sources "
                "of 2026-06)."),
    Patch(detection_utils, "read_image", _read_image,
          reason="Stock detectron2 turns TIFFs twice and makes white of all values above 255: it "
                 "trained on other images than were checked.",
          until="read_image scales 16 bits and loads a TIFF before it turns it (no version so far: "
                "0.6, sources of 2026-06)."))


def install() -> None:
    """Puts every patch in; those that are in stay as they are."""
    for patch in PATCHES:
        patch.install()


def uninstall() -> None:
    """Leaves detectron2 as it was before :func:`install`."""
    for patch in PATCHES:
        patch.uninstall()
