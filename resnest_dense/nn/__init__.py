"""The network; imports torch alone (and torchvision for the deformable form)."""

from resnest_dense.nn.classifier import Classifier
from resnest_dense.nn.resnest import ResNeSt
from resnest_dense.nn.spatial.deform import Deformable

__all__ = ["Classifier", "Deformable", "ResNeSt"]
