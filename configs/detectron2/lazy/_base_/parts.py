"""Changes that make detectron2's lazy models those of the published experiments."""
from detectron2.config import LazyCall as L
from omegaconf import DictConfig

from resnest_dense import get_architecture
from resnest_dense.d2 import ResNeStBackbone


def use_resnest50(model: DictConfig) -> None:
    """Puts a ResNeSt-50 in the place of a lazy model's ResNet, and gives it the weights' input."""
    model.backbone.bottom_up = L(ResNeStBackbone)(
        architecture=L(get_architecture)(name="resnest50"),
        norm="SyncBN",
        out_features=model.backbone.bottom_up.out_features,
        freeze_at=2,
        deform=None,
    )
    model.backbone.norm = "SyncBN"
    model.pixel_mean = [123.68, 116.779, 103.939]
    model.pixel_std = [58.393, 57.12, 57.375]
    model.input_format = "RGB"


def use_synchronised_heads(roi_heads: DictConfig) -> None:
    """Gives lazy heads the published form: 4conv1fc for boxes, SyncBN there and for masks."""
    for head in roi_heads.get("box_heads") or [roi_heads.box_head]:
        head.update(conv_dims=[256] * 4, fc_dims=[1024], conv_norm="SyncBN")
    roi_heads.mask_head.conv_norm = "SyncBN"


def drop_masks(roi_heads: DictConfig) -> None:
    """Leaves boxes alone."""
    for key in ("mask_in_features", "mask_pooler", "mask_head"):
        roi_heads.pop(key)
