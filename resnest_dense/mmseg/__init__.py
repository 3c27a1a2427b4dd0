"""MMSegmentation: ``custom_imports = dict(imports=["resnest_dense.mmseg"])`` registers ours.

Importing it registers the scope ``resnest_dense`` with mmengine, and installs the patches of
:mod:`resnest_dense.mmseg.patches`: mmengine then loads a ResNeSt of any layout and the checkpoints
of its own runs, and ``mmseg.models`` can be imported where mmcv has no compiled operators.
"""

from resnest_dense.mmseg import patches, registry
from resnest_dense.mmseg.shipped import shipped_config

__all__ = ["registry", "shipped_config"]

patches.install()
