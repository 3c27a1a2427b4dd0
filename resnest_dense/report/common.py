"""The sections that every run has: curves, costs, what was said, settings."""

import math
import shlex
from collections.abc import Iterator, Sequence

import yaml  # type: ignore[import-untyped]

from resnest_dense.report.figures import draw_bars, draw_curves, draw_reliability
from resnest_dense.report.measures.calibration import Reliability
from resnest_dense.report.page import Block, Missing, Picture, Section, Table, Verbatim, Words
from resnest_dense.report.run import Run

__all__ = ["DRAWN", "by_class", "calibration", "checks", "costs", "curves", "percent", "settings",
           "state"]

DRAWN = 30  # classes in a drawing


def state(run: Run) -> str:
    """How far the run is, in words."""
    of = f"{run.done:,} of {run.wanted:,}" if run.wanted else f"{run.done:,}"
    finished = run.wanted is not None and run.done >= run.wanted
    words = "Finished" if finished else "Not finished"
    again = f", started {run.starts} times" if run.starts > 1 else ""
    return f"{words}: {of} {run.unit}{again}; {run.framework}, started {run.start['time']}."


def percent(value: float) -> str:
    """A figure in percent as text."""
    return "–" if math.isnan(value) else f"{value:.1f} %"


def by_class(names: Sequence[str], values: Sequence[float], what: str) -> list[Block]:
    """A bar for each class, of ``what`` in percent; none of more classes than can be read."""
    if len(names) > DRAWN:
        return []
    told = ", ".join(f"{name} {percent(value)}" for name, value in zip(names, values))
    return [Picture(draw_bars(names, values, f"{what}, %"), f"{what} by class: {told}")]


def calibration(found: Reliability, words: str) -> list[Block]:
    """What a reliability says, which ``words`` explain."""
    told = ", ".join(f"{right:.2f} at {score:.2f}" for score, right in zip(
        found.confidence, found.accuracy) if not math.isnan(score))
    return [Words(f"{words} The expected calibration error, the mean gap between both, is "
                  f"{percent(100 * found.error)}."),
            Picture(draw_reliability(found), f"Share that is right by mean score: {told}")]


def curves(run: Run) -> Section:
    seen = {title: {name: curve for name, curve in panel.items() if curve}
            for title, panel in run.panels.items()}
    seen = {title: panel for title, panel in seen.items() if panel}
    blocks: list[Block] = [Missing(f"Curves of {title}", "the log has no row of them.")
                           for title in run.panels if title not in seen]
    if seen:
        alt = "; ".join(f"{title}: " + ", ".join(
            f"{name} from {[*curve.values()][0]:.4g} to {[*curve.values()][-1]:.4g}"
            for name, curve in panel.items()) for title, panel in seen.items())
        blocks.insert(0, Picture(draw_curves(seen, run.unit), alt))
    return Section("Training", blocks)


def costs(run: Run) -> Section:
    measured = [[name, value] for name, value in run.costs.items() if value is not None]
    blocks: list[Block] = [Table(["", "measured"], measured)] if measured else []
    blocks += [Missing(name, "the log has none.")
               for name, value in run.costs.items() if value is None]
    return Section("Speed and memory", blocks)


def checks(run: Run) -> Section:
    blocks: list[Block] = [Verbatim(message.text, tone=message.severity)
                           for message in run.messages]
    return Section("What the checks said", blocks or [
        Missing("The preflight and the checks", "the log has no line of them.")])


def settings(run: Run) -> Section:
    start = run.start
    rows = [["command", shlex.join(map(str, start["command"]))], ["seed", str(start["seed"])],
            ["commit of resnest_dense", start.get("commit") or "none: an installed copy"],
            *_prints(run)]
    versions = ", ".join(f"{name} {version}" for name, version in start["versions"].items()
                         if version)
    return Section("Settings", [
        Table(["", "what the run was started with"], rows), Words(f"Versions: {versions}."),
        Verbatim(yaml.safe_dump(start["config"], allow_unicode=True, width=100),
                 "All settings of the config")])


def _prints(run: Run) -> Iterator[list[str]]:
    for key, weights in run.start["weights"].items():
        yield [key, f"{weights['source']} (sha256 {weights['sha256'] or 'not known'})"]
    if not run.start["weights"]:
        yield ["weights", "none: from random ones"]
    for name, paths in run.start["data"].items():
        for path, found in paths.items():
            yield [f"data {name}", f"{path} ({found})"]
