"""``MODEL.WEIGHTS`` into a detector."""

from detectron2.checkpoint import DetectionCheckpointer

__all__ = ["load_weights"]


def load_weights(checkpointer: DetectionCheckpointer, source: str) -> None:
    """Loads ``source`` into the checkpointer's model; an empty one leaves the random weights."""
    checkpointer.load(source)
