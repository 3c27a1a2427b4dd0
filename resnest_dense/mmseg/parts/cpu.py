"""What mmengine does on GPUs alone, on a CPU: several processes and mixed precision."""

import contextlib
from collections.abc import Iterator

import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch import nn

from resnest_dense.mmseg.registry import MODEL_WRAPPERS, OPTIM_WRAPPERS
from resnest_dense.nn.sync_norm import replace_sync_batch_norms

__all__ = ["CpuAmpOptimWrapper", "CpuDistributedDataParallel"]


@MODEL_WRAPPERS.register_module()
class CpuDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's wrapper for a model on the CPU, its batch norms really synchronised.

    Args:
        module: the model.
        device_ids: what mmengine's runner passes, a GPU; not used.
        find_unused_parameters: as in torch.
    """

    def __init__(self, module: nn.Module, device_ids: list[int] | None = None,
                 find_unused_parameters: bool = False):
        super().__init__(replace_sync_batch_norms(module), broadcast_buffers=False,
                         find_unused_parameters=find_unused_parameters)


@OPTIM_WRAPPERS.register_module()
class CpuAmpOptimWrapper(OptimWrapper):
    """Mixed precision on the CPU: forward in bfloat16, whose range needs no loss scaling."""

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast("cpu", torch.bfloat16):
            yield
