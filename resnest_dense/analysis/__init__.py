"""What a network costs: parameters and operations part by part, time and memory as measured; and
which splits its attention chose for an image."""

from resnest_dense.analysis.attention import BlockAttention, Recording, record_attention
from resnest_dense.analysis.backbone import analyze_backbone, open_backbone
from resnest_dense.analysis.counting import Analysis, Counts, analyze, model_parts
from resnest_dense.analysis.machine import describe_machine, pick_device
from resnest_dense.analysis.memory import in_own_process, peak_growth
from resnest_dense.analysis.timing import Timing, time_in_turn

__all__ = ["Analysis", "BlockAttention", "Counts", "Recording", "Timing", "analyze",
           "analyze_backbone", "describe_machine", "in_own_process", "model_parts",
           "open_backbone", "peak_growth", "pick_device", "record_attention",
           "time_in_turn"]
