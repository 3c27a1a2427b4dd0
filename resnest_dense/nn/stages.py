"""Which stage strides, dilates and pools at a given output stride: a pure table, without torch."""

from dataclasses import dataclass

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["DILATED_FORMS", "STAGE_NAMES", "StagePlan", "plan_stages"]

STAGE_NAMES = ("res2", "res3", "res4", "res5")

# form -> (3x3 average pool kept in dilated stages, first block's dilation halved)
DILATED_FORMS = {"official": (True, True), "mmseg": (False, True), "detectron2": (False, False)}

_OUTPUT_STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class StagePlan:
    """What one stage does to its resolution.

    Args:
        stride: stride of the stage, all of it in its first block.
        pool: whether the first block has the 3x3 average pool (average-pool downsampling).
        first_dilation: dilation of the first block's 3x3.
        dilation: dilation of the other blocks' 3x3.
    """

    stride: int
    pool: bool
    first_dilation: int
    dilation: int


def plan_stages(output_stride: int = 32, dilated_form: str = "official") -> tuple[StagePlan, ...]:
    """The plans of res2, res3, res4, res5 (recipes.md 3.5 and 4.1).

    Args:
        output_stride: stride of res5, 32, 16 (res5 dilated) or 8 (res4 and res5 dilated).
        dilated_form: "official" keeps the average pool at stride 1 in dilated stages and halves
            the first block's dilation (the paper's segmentation networks), "mmseg" drops the pool,
            "detectron2" drops it and dilates the first block in full (the official wrapper).

    Raises:
        ResNeStValueError: another output stride or form.
    """
    if output_stride not in _OUTPUT_STRIDES:
        raise ResNeStValueError(f"output_stride={output_stride!r}: use 8, 16 or 32.")
    if dilated_form not in tuple(DILATED_FORMS):  # which compares: a list has no hash
        raise ResNeStValueError(
            f"Unknown dilated_form {dilated_form!r}. {near(dilated_form, DILATED_FORMS)}"
        )
    keeps_pool, halves_first = DILATED_FORMS[dilated_form]
    plans, reached, dilation = [StagePlan(1, False, 1, 1)], 4, 1
    for _ in STAGE_NAMES[1:]:
        if reached < output_stride:
            reached *= 2
            plans.append(StagePlan(2, True, 1, 1))
        else:
            dilation *= 2
            first = dilation // 2 if halves_first else dilation
            plans.append(StagePlan(1, keeps_pool, first, dilation))
    return tuple(plans)
