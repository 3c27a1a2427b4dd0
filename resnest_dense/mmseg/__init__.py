"""MMSegmentation: ``custom_imports = dict(imports=["resnest_dense.mmseg"])`` registers ours.

Importing it registers the scope ``resnest_dense`` with mmengine, lets ``torch.load`` read mmengine's
checkpoints, mmengine load a ResNeSt of any layout and ``mmseg::`` find forks, and, where mmcv has no
compiled operators, makes ``mmseg.models`` importable.
"""

from resnest_dense.mmseg import compat, loading, mmcv_standin, registry

mmcv_standin.install()
compat.allow_run_history()
compat.name_the_fork()
loading.install()

__all__ = ["registry"]
