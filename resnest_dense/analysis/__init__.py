"""What a network costs, part by part, and which splits its attention chose for an image."""

from resnest_dense.analysis.attention import BlockAttention, Recording, record_attention
from resnest_dense.analysis.backbone import analyze_backbone, open_backbone
from resnest_dense.analysis.counting import Analysis, Counts, analyze, model_parts

__all__ = ["Analysis", "BlockAttention", "Counts", "Recording", "analyze", "analyze_backbone",
           "model_parts", "open_backbone", "record_attention"]
