"""What a published checkpoint scores here, beside what its publisher says."""

from collections.abc import Mapping
from dataclasses import dataclass

from resnest_dense.errors import ResNeStValueError
from resnest_dense.weights.catalog import Entry

__all__ = ["TOLERANCE", "Score", "compare", "wanted_metrics"]

TOLERANCE = 0.1  # in percent; another order of summation moves a score by some hundredths
_SINGLE_SCALE = ("box_ap", "mask_ap", "pq", "miou")
_MULTI_SCALE = ("pix_acc_ms_flip", "miou_ms_flip")


@dataclass(frozen=True)
class Score:
    """One metric of a checkpoint, published and measured, in percent."""

    metric: str
    published: float
    measured: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than :data:`TOLERANCE`."""
        return abs(self.measured - self.published) <= TOLERANCE + 1e-9

    def __str__(self) -> str:
        return (f"{self.metric:16} published {self.published:6.2f}, measured {self.measured:6.2f}, "
                f"difference {self.measured - self.published:+.2f}"
                f"{'' if self.agrees else f', MORE THAN {TOLERANCE}'}")


def wanted_metrics(entry: Entry, *, multi_scale: bool = False) -> tuple[str, ...]:
    """The published metrics of ``entry`` that one evaluation can measure.

    Args:
        entry: of a whole detector or segmentor.
        multi_scale: those with flips and scales, where both are published.

    Raises:
        ResNeStValueError: it has no config to be evaluated with, or no such metric.
    """
    if entry.config is None:
        raise ResNeStValueError(
            f"{entry.name} ({entry.title}) has no config here, so it cannot be evaluated: "
            + ("it is a backbone." if entry.dataset == "imagenet" else
               "its heads are of its publisher's own form. Evaluate it with their code.")
        )
    single, multi = ([name for name in names if name in entry.metrics]
                     for names in (_SINGLE_SCALE, _MULTI_SCALE))
    wanted = multi if multi_scale or not single else single
    if not wanted:
        raise ResNeStValueError(f"{entry.name}: nothing of it was published with "
                                f"{'flips and scales' if multi_scale else 'one scale'}.")
    return tuple(wanted)


def compare(entry: Entry, measured: Mapping[str, float]) -> list[Score]:
    """The scores of ``entry``.

    Args:
        entry: what was evaluated.
        measured: its metrics by their names in the catalog, in percent.
    """
    return [Score(name, entry.metrics[name], value) for name, value in measured.items()]
