"""COCO 2017 without masks; the short side drawn uniformly from 640 to 800."""
from .coco import dataloader

dataloader.train.mapper.use_instance_mask = False
dataloader.train.mapper.augmentations[0].update(short_edge_length=[640, 800], sample_style="range")
