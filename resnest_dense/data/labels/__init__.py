"""Segmentation sets of images and label PNGs: found, checked, drawn, scored."""
