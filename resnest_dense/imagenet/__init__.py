"""Classifiers on images: prepared as their weights expect, named, and measured on ImageNet."""

from resnest_dense.imagenet.classify import ImageClassifier, open_classifier
from resnest_dense.imagenet.evaluate import Accuracy, evaluate_folder

__all__ = ["Accuracy", "ImageClassifier", "evaluate_folder", "open_classifier"]
