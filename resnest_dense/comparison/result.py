"""What a comparison found, as data and as tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resnest_dense.comparison.recipe import Member
from resnest_dense.comparison.start import unlike
from resnest_dense.comparison.statistics import (
    LEVEL,
    Difference,
    compare_pairs,
    least_p,
    seeds_needed,
    spread,
)

__all__ = ["Comparison", "Row"]


@dataclass(frozen=True)
class Row:
    """One member.

    Args:
        member: the backbone and what it started from.
        parameters: of the whole model.
        macs: multiply-adds of the whole model for one image.
        speed: images per second in eval, fused, one at a time; None where it was not measured.
        peak_bytes: of a training step with two images, beyond the model; None likewise.
        scores: by metric, in percent, one a seed.
    """

    member: Member
    parameters: int
    macs: int
    speed: float | None
    peak_bytes: int | None
    scores: Mapping[str, Sequence[float]]

    def mean(self, metric: str) -> float:
        return sum(self.scores[metric]) / len(self.scores[metric])


@dataclass(frozen=True)
class Comparison:
    """All members under one recipe.

    Args:
        config: the recipe, as it was named.
        seeds: how many runs each member has.
        size: height and width of the image that costs are for.
        machine: on which speed and memory were measured.
        rows: one a member.
    """

    config: str
    seeds: int
    size: tuple[int, int]
    machine: str
    rows: Sequence[Row]
    pairs: Mapping[str, Sequence[Difference]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pairs", {
            metric: compare_pairs({row.member.network: row.scores[metric] for row in self.rows})
            for metric in self.metrics})

    @property
    def metrics(self) -> list[str]:
        """Those that all runs have, the one that matters most first."""
        return list(self.rows[0].scores)

    def data(self) -> dict[str, Any]:
        """All of it for :mod:`json`; what is not a number is None."""
        return {
            "config": self.config, "seeds": self.seeds, "size": list(self.size),
            "machine": self.machine,
            "members": {row.member.network: {
                "weights": row.member.weights, "recipe": row.member.recipe,
                "top1": row.member.top1, "parameters": row.parameters, "macs": row.macs,
                "images_per_second": row.speed, "training_peak_bytes": row.peak_bytes,
                "scores": {name: list(map(_number, found)) for name, found in row.scores.items()},
            } for row in self.rows},
            "pairs": {metric: [{
                "one": pair.one, "other": pair.other, "mean": _number(pair.mean),
                "spread": _number(pair.spread), "p": _number(pair.p),
                "corrected": _number(pair.corrected), "differs": pair.differs,
            } for pair in pairs] for metric, pairs in self.pairs.items()}}

    def text(self) -> str:
        """The tables in Markdown, which is readable as it is."""
        heads = ["network", "weights", "their recipe", "top-1", "M parameters", "G MACs",
                 "images/s", "training MB", *self.metrics]
        rows = [[row.member.network, row.member.weights or "random", row.member.recipe or "-",
                 _cell(row.member.top1, 2),
                 _cell(row.parameters / 1e6, 2), _cell(row.macs / 1e9, 2), _cell(row.speed, 2),
                 _cell(row.peak_bytes and row.peak_bytes / 1e6, 0),
                 *(_with_spread(row.scores[metric]) for metric in self.metrics)]
                for row in self.rows]
        parts = [
            f"{self.config}: {self.seeds} {'seed' if self.seeds == 1 else 'seeds'} each; costs of "
            f"the whole model for one image of {self.size[0]}x{self.size[1]}, memory of a training "
            f"step for two; {self.machine}. "
            "Scores: mean and standard deviation over seeds, in percent.",
            *(["**The initial weights are of unlike recipes: differences are not those of the "
               "networks alone.**"] if unlike(row.member for row in self.rows) else []),
            _table(heads, rows), self._limits(),
            *(self._pairs_table(metric) for metric in self.metrics)]
        return "\n\n".join(parts) + "\n"

    def _limits(self) -> str:
        count = len(self.rows) * (len(self.rows) - 1) // 2
        needed = seeds_needed(count)
        can = ("can show a difference" if self.seeds >= needed else
               f"cannot show any difference at {LEVEL:g}, whatever they score: that takes {needed}")
        return (f"Differences seed by seed; p of the exact sign-flip test, then corrected for "
                f"{count} {'pair' if count == 1 else 'pairs'} (Holm). {self.seeds} "
                f"{'seed gives' if self.seeds == 1 else 'seeds give'} p = {least_p(self.seeds):g} "
                f"at the least, and {can}.")

    def _pairs_table(self, metric: str) -> str:
        rows = [[f"{pair.one} - {pair.other}", f"{pair.mean:+.2f}", _cell(pair.spread, 2),
                 _cell(pair.p, 3), _cell(pair.corrected, 3),
                 "differ" if pair.differs else "not told from noise"]
                for pair in self.pairs[metric]]
        return _table([metric, "mean", "spread", "p", "corrected", ""], rows)


def _with_spread(values: Sequence[float]) -> str:
    return f"{_cell(sum(values) / len(values), 2)} ± {_cell(spread(values), 2)}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)
