"""What a network costs: parameters, multiply-adds and activations, part by part."""

from resnest_dense.analysis.backbone import analyze_backbone
from resnest_dense.analysis.counting import Analysis, Counts, analyze, model_parts

__all__ = ["Analysis", "Counts", "analyze", "analyze_backbone", "model_parts"]
