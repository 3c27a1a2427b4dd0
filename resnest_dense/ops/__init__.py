"""The arithmetic of split attention, and of the norms around it: plain functions of tensors,
without parameters.

One interface, three implementations with the same signatures: ``reference`` (the definition),
``cpu`` and ``triton``. :mod:`resnest_dense.ops.dispatch` chooses; ``RESNEST_DENSE_OPS`` forces one.
"""

from resnest_dense.ops.dispatch import Map, choose, forced, radix_attention, radix_pool, radix_sum

__all__ = ["Map", "choose", "forced", "radix_attention", "radix_pool", "radix_sum"]
