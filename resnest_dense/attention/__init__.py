"""Which radix split each channel chose for an image: recorded while a model runs, and drawn."""

from resnest_dense.attention.recording import BlockAttention, Recording, record_attention

__all__ = ["BlockAttention", "Recording", "record_attention"]
