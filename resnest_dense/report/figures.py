"""The drawings of a report, as SVG files inside of an address."""

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from resnest_dense.report.logs import Curve
from resnest_dense.report.measures.calibration import Reliability
from resnest_dense.report.page import address

__all__ = ["draw_bars", "draw_confusion", "draw_curves", "draw_precisions", "draw_reliability"]

# Text as outlines looks the same everywhere; a class may be called "$x^".
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "path", "svg.hashsalt": "resnest_dense", "text.parse_math": False,
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.alpha": 0.25, "axes.axisbelow": True, "legend.frameon": False}
_LEGEND = 10  # lines that have one
_NUMBERS = 14  # classes up to which a confusion matrix has its numbers
_BLUE, _RED = "#2166ac", "#b2182b"


def draw_curves(panels: Mapping[str, Mapping[str, Curve]], unit: str) -> str:
    """A panel each for groups of curves, over iterations."""
    with matplotlib.rc_context(_STYLE):
        columns = min(3, len(panels))
        rows = math.ceil(len(panels) / columns)
        figure = Figure(figsize=(4.0 * columns, 2.9 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, curves) in zip(grid, panels.items()):
            for name, curve in curves.items():
                few = "o-" if len(curve) < 12 else "-"
                axes.plot([*curve], [*curve.values()], few, label=name, markersize=3, linewidth=1.4)
            axes.set(title=title, xlabel=unit)
            if len(curves) > 1:
                axes.legend(fontsize=7)
        for axes in grid[len(panels):]:
            axes.set_axis_off()
        return _address(figure)


def draw_bars(names: Sequence[str], values: Sequence[float], label: str) -> str:
    """A bar for each name; NaN has none."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 0.9 + 0.24 * len(names)), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(range(len(names)), np.nan_to_num(values), color=_BLUE)
        axes.bar_label(bars, [" –" if math.isnan(value) else f" {value:.1f}" for value in values],
                       fontsize=8)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(axis="y", visible=False)
        return _address(figure)


def draw_precisions(means: Mapping[str, np.ndarray], classes: Mapping[str, np.ndarray]) -> str:
    """Precision over recall: means over classes by what they are called, and single classes."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        axes = figure.subplots()
        recalls = np.linspace(0, 1, 101)
        named = len(classes) <= _LEGEND
        for name, values in classes.items():
            axes.plot(recalls, values, linewidth=1.2, label=name if named else None,
                      color=None if named else "0.75")
        for (name, values), style in zip(means.items(), ("-", "--", ":")):
            axes.plot(recalls, values, style, color="black", linewidth=2, label=name)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        figure.legend(loc="outside right upper", fontsize=8)
        return _address(figure)


def draw_confusion(counts: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> str:
    """Counts by truth (rows) and prediction (columns), coloured by the share of the row."""
    with matplotlib.rc_context({**_STYLE, "axes.grid": False}):
        side = max(3.4, 1.6 + (0.45 if len(rows) <= _NUMBERS else 0.2) * len(rows))
        figure = Figure(figsize=(side + 1, side), layout="constrained")
        axes = figure.subplots()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right",
                        rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlabel="predicted", ylabel="truth")
        if len(rows) <= _NUMBERS:
            for (row, column), count in np.ndenumerate(counts):
                if count:
                    share = shares[row, column]
                    text = f"{count}" if counts.max() < 10_000 else f"{share:.0%}"
                    axes.text(column, row, text, ha="center", va="center", fontsize=7,
                              color="white" if share > 0.55 else "black")
        figure.colorbar(drawn, ax=axes, shrink=0.7, label="share of the row")
        return _address(figure)


def draw_reliability(found: Reliability) -> str:
    """Share of what is right over score, and how much is in each bin."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        seen = found.count > 0
        upper.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="score = share")
        upper.plot(found.confidence[seen], found.accuracy[seen], "o-", color=_BLUE, markersize=4,
                   label="measured")
        upper.vlines(found.confidence[seen], found.accuracy[seen], found.confidence[seen],
                     color=_RED, alpha=0.5, label="gap")
        upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
        upper.legend(fontsize=8)
        width = 1 / len(found.count)
        lower.bar((np.arange(len(found.count)) + 0.5) * width, found.count, width * 0.9,
                  color="0.6")
        lower.set(xlabel="score", ylabel="how many")
        return _address(figure)


def _address(figure: Figure) -> str:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font lacks is a box
        figure.savefig(file, format="svg", metadata={"Date": None})
    return address("image/svg+xml", file.getvalue())
