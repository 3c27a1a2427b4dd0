"""Detectors of detectron2 as one graph for any batch and size."""
