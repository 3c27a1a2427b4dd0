"""A labelled set of six images, and a config of MMSegmentation that learns it in seconds."""

from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["CONFIG", "write_tiny_labels"]

# To be formatted with base (a config), images and labels (folders). The network has no last stage,
# where most of its weights would be: runs are short, and checkpoints small.
CONFIG = '''
_base_ = ["{base}"]
model = dict(
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(init_cfg=None, out_indices=(1, 2)),
    decode_head=dict(in_index=1, in_channels=1024, channels=16, num_classes=3),
    auxiliary_head=dict(in_index=0, in_channels=512, channels=16, num_classes=3))
train_pipeline = [
    dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5), dict(type="RandomCrop", crop_size=(32, 32)),
    dict(type="resnest_dense.RandomGaussianBlur"), dict(type="PackSegInputs")]
test_pipeline = [
    dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
data = dict(
    _delete_=True, type="resnest_dense.FolderDataset", images="{images}", labels="{labels}",
    classes=("dark", "middle", "light"))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data, pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data, pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_cfg = dict(max_iters=2, val_interval=2)
tta_model = dict(base_size=40, crop_size=24, scales=(0.5, 1.0))
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=8, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))
'''


def write_tiny_labels(root: Path) -> tuple[Path, Path]:
    """Writes six images of 40x48 pixels and their labels, three classes that are shades of grey;
    returns the folders of both."""
    rng = np.random.default_rng(0)
    images, labels = root / "images", root / "labels"
    images.mkdir(), labels.mkdir()
    for i in range(6):
        label = rng.integers(0, 3, (5, 6)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        noise = rng.integers(0, 40, (*label.shape, 3))
        picture = (label[..., None] * 90 + noise).astype(np.uint8)
        Image.fromarray(picture).save(images / f"{i}.png")
        Image.fromarray(label).save(labels / f"{i}.png")
    return images, labels
