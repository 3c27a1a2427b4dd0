"""Data sets of detectron2: the user's own files, panoptic sets, their classes, checks, pictures."""
