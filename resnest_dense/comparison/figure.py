"""The plot of a comparison: what each member scores against what it costs."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resnest_dense.comparison.result import Comparison, Row
from resnest_dense.comparison.statistics import spread

__all__ = ["draw_comparison"]

_PANEL = (3.1, 3.0)  # inches


def draw_comparison(found: Comparison) -> Figure:
    """A row of panels for each metric, a panel for each cost that was measured: the mean over
    seeds, with a bar of one standard deviation up and down, and the single runs."""
    costs: dict[str, list[float | None]] = {
        "parameters, M": [row.parameters / 1e6 for row in found.rows],
        "multiply-adds, G": [row.macs / 1e9 for row in found.rows],
        "images/s": [row.speed for row in found.rows],
        "memory of training, MB": [row.peak_bytes and row.peak_bytes / 1e6 for row in found.rows]}
    measured = {name: [value for value in values if value is not None]
                for name, values in costs.items() if None not in values}
    figure = Figure(figsize=(_PANEL[0] * len(measured), _PANEL[1] * len(found.metrics) + 0.4),
                    layout="constrained")
    grid = figure.subplots(len(found.metrics), len(measured), squeeze=False, sharey="row")
    for line, metric in zip(grid, found.metrics):
        for axes, (name, values) in zip(line, measured.items()):
            for number, (row, value) in enumerate(zip(found.rows, values)):
                _draw(axes, row, value, metric, f"C{number}")
            axes.set_xlabel(name)
            axes.margins(x=0.15, y=0.15)
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel(f"{metric}, %")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _draw(axes: Axes, row: Row, value: float, metric: str, colour: str) -> None:
    scores = row.scores[metric]
    axes.plot([value] * len(scores), scores, ".", color=colour, alpha=0.35)
    axes.errorbar([value], [row.mean(metric)], yerr=[spread(scores)] if len(scores) > 1 else None,
                  fmt="o", color=colour, capsize=3, label=row.member.network)
