"""COCO panoptic sets: read, checked, and what else detectron2 needs derived from them."""
