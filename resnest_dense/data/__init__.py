"""Data sets: checks of COCO, panoptic and label-PNG sets, and the files that a user names."""
