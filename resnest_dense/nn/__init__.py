"""The network; imports torch alone (and torchvision for the deformable form)."""

from resnest_dense.nn.deform import Deformable
from resnest_dense.nn.resnest import ResNeSt

__all__ = ["Deformable", "ResNeSt"]
