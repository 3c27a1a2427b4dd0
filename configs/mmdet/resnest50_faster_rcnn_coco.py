"""Faster R-CNN with ResNeSt-50 on COCO in MMDetection, its own recipe: box AP 42.0 as released.

    python -m mim train mmdet resnest50_faster_rcnn_coco.py     # or MMDetection's tools/train.py
"""

_base_ = "mmdet::resnest/faster-rcnn_s50_fpn_syncbn-backbone+head_ms-range-1x_coco.py"

custom_imports = dict(imports=["resnest_dense.mmseg"])
model = dict(
    backbone=dict(
        _delete_=True,
        type="resnest_dense.ResNeSt",
        architecture="resnest50",
        frozen_stages=1,
        norm_cfg=dict(type="SyncBN"),
        init_cfg=dict(type="Pretrained", checkpoint="open-mmlab://resnest50")),
    # The operator of torchvision: nothing has to be compiled.
    roi_head=dict(bbox_roi_extractor=dict(roi_layer=dict(use_torchvision=True))))
