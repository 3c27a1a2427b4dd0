"""The report of a run, from its record to the file."""

from pathlib import Path

from resnest_dense.base.files import beside
from resnest_dense.report.common import checks, costs, curves, settings, state
from resnest_dense.report.detector import detector_sections
from resnest_dense.report.page import Cell, Missing, Page, Section, Table, Verbatim, Words, render
from resnest_dense.report.run import Run
from resnest_dense.report.segmentor import segmentor_sections

__all__ = ["FILE", "make_page", "write_report"]

FILE = "report.html"


def write_report(run: Run, path: Path) -> Path:
    """Writes the report of a run; gives the path.

    Args:
        run: that an adapter has read.
        path: of the file.
    """
    text = render(make_page(run))
    with beside(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def make_page(run: Run) -> Page:
    """The report of a run, as sections."""
    tiles, found = _found(run)
    return Page(run.folder.resolve().name, state(run), tiles, [
        _scores(run), *found, curves(run), costs(run), checks(run), settings(run)])


def _found(run: Run) -> tuple[dict[str, str], list[Section]]:
    if not run.instances:
        return segmentor_sections(run.pixels, run.absent.get("pixels", ""))
    tiles: dict[str, str] = {}
    sections = []
    for files in run.instances:
        own, parts = detector_sections(files)
        several = f" of {files.name}" if len(run.instances) > 1 else ""
        tiles |= {f"{name}{several}": value for name, value in own.items()}
        sections += [Section(f"{part.title}{several}", part.blocks) for part in parts]
    return tiles, sections


def _scores(run: Run) -> Section:
    if run.scored_at is None:
        return Section("Scores", [Missing("Scores", "the log has no validation.")])
    scores = run.scores.items()
    main: list[list[Cell]] = [[name, value] for name, value in scores if "-" not in name]
    single = "\n".join(f"{name} {value:.2f}" for name, value in scores if "-" in name)
    return Section("Scores", [
        Words(f"The last validation, after {run.scored_at:,} {run.unit}, as the log has it."),
        Table(["metric", "%"], main, digits=2),
        *([Verbatim(single, "Of single classes")] if single else [])])
