"""COCO-format sets: read, and checked before training."""
