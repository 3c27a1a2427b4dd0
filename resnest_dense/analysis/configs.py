"""What any shipped config costs, whichever framework it is for."""

import re

from resnest_dense.analysis.backbone import analyze_backbone
from resnest_dense.analysis.counting import Analysis
from resnest_dense.architectures import list_architectures
from resnest_dense.config_kinds import find_any_config
from resnest_dense.errors import ResNeStValueError

__all__ = ["analyze_config", "read_size"]


def analyze_config(name: str, size: tuple[int, int] | None = None) -> Analysis:
    """Counts of the model that ``name`` stands for.

    Args:
        name: path or shipped name of a config of detectron2 or MMSegmentation, or an architecture.
        size: height and width of the image in pixels; that of the config when None.

    Raises:
        ResNeStError: no such config, or one whose model is not known.
    """
    if name in list_architectures():
        return analyze_backbone(name, size)
    # Each framework is asked for only where the config needs it.
    if find_any_config(name)[1] == "mmseg":
        from resnest_dense.mmseg.run.analysis import analyze_segmentor

        return analyze_segmentor(name, size)
    from resnest_dense.d2.predict.analysis import analyze_detector

    return analyze_detector(name, size)


def read_size(text: str) -> tuple[int, int]:
    """Height and width out of a text such as "800x1333".

    Raises:
        ResNeStValueError: another form, or a side below 32 pixels.
    """
    match = re.fullmatch(r"(\d+)[x,](\d+)", text)
    if match is None or min(map(int, match.groups())) < 32:
        raise ResNeStValueError(f"The size {text!r} is not HEIGHTxWIDTH, such as 800x1333, with "
                                "sides of at least 32 pixels.")
    return int(match[1]), int(match[2])
