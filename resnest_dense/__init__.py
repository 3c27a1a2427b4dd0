"""ResNeSt (split-attention networks, arXiv 2004.08955) backbones for dense prediction."""

from resnest_dense.architectures import Architecture, get_architecture, list_architectures
from resnest_dense.create import create_backbone
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.inference.fuse import fuse
from resnest_dense.nn import Deformable, ResNeSt

__version__ = "0.1.0"
__all__ = [
    "Architecture",
    "Deformable",
    "ResNeSt",
    "ResNeStError",
    "ResNeStValueError",
    "create_backbone",
    "fuse",
    "get_architecture",
    "list_architectures",
]
