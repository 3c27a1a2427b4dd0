"""What the "tricks" experiments share (docs/recipes.md 2.4): 3x, a late decay, larger images."""
from detectron2 import model_zoo

from .coco import dataloader
from .train import optimizer, train  # noqa: F401

train.max_iter = 270000
lr_multiplier = model_zoo.get_config("common/coco_schedule.py").lr_multiplier_3x
lr_multiplier.scheduler.milestones = [240000, 255000, 270000]

dataloader.train.mapper.augmentations[0].update(
    short_edge_length=[640, 864], sample_style="range", max_size=1440
)
