"""Data sets: checks of COCO-format files, and the embedded miniature sets."""
