"""The scope ``resnest_dense`` of mmengine's registries, as in ``type="resnest_dense.ResNeSt"``.

The modules with our parts are imported when a part is asked for.
"""

from importlib.util import find_spec

from mmengine import registry as mmengine

__all__ = ["DATASETS", "HOOKS", "METRICS", "MODELS", "MODEL_WRAPPERS", "OPTIM_WRAPPERS",
           "TRANSFORMS"]


def _child(parent: mmengine.Registry, *modules: str) -> mmengine.Registry:
    locations = [f"resnest_dense.mmseg.{module}" for module in modules]
    return mmengine.Registry(parent.name, parent=parent, scope="resnest_dense",
                             locations=locations)


# The backbone alone serves any library that builds on mmengine.
_SEGMENTATION = ("parts.heads", "parts.losses", "parts.protocol") if find_spec("mmseg") else ()

MODELS = _child(mmengine.MODELS, "backbone", *_SEGMENTATION)
MODEL_WRAPPERS = _child(mmengine.MODEL_WRAPPERS, "parts.training")
OPTIM_WRAPPERS = _child(mmengine.OPTIM_WRAPPERS, "parts.training")
DATASETS = _child(mmengine.DATASETS, "parts.dataset")
TRANSFORMS = _child(mmengine.TRANSFORMS, "parts.transforms")
METRICS = _child(mmengine.METRICS, "parts.protocol")
HOOKS = _child(mmengine.HOOKS, "parts.training", "parts.preflight")
