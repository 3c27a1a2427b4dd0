"""The split-attention arithmetic: plain functions of tensors, without parameters."""

from resnest_dense.ops.split_attention import radix_attention, radix_pool, radix_sum

__all__ = ["radix_attention", "radix_pool", "radix_sum"]
