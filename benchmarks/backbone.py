"""Every ResNeSt side by side: same weights, same input, timed in turn in one process.

    python -m benchmarks.backbone --architecture resnest50 --phase eval --size 1 512 800
    python -m benchmarks.backbone --architecture resnest50 --phase train --size 2 320 480
    python -m benchmarks.backbone --phase eval --dtype bfloat16 --compile --parts time

With ``--out FILE.json`` the case is added to that file, in place of an earlier one of the same
kind, and the page beside it, ``FILE.md``, is written anew from all its cases.
"""

import argparse
import dataclasses
import datetime
from collections.abc import Callable, Collection
from pathlib import Path

import torch

from benchmarks.backbone_page import case_table, page
from benchmarks.bounds import ConvolutionsAlone, copy_bandwidth
from benchmarks.case import (
    LAYOUTS,
    Case,
    Row,
    build,
    check,
    draw_input,
    draw_state,
    expected_features,
    step_of,
)
from benchmarks.networks import CANDIDATES, candidates_for
from benchmarks.profile import shares
from benchmarks.record import save_case
from resnest_dense.analysis import describe_machine, in_own_process, peak_growth, time_in_turn

__all__ = ["main", "measure"]

PARTS = ("time", "memory", "shares")


def measure(case: Case, rows: list[Row], *, rounds: int, parts: Collection[str] = PARTS) -> dict:
    """All figures of one case, for JSON."""
    figures = {row: {**dataclasses.asdict(row), "kind": CANDIDATES[row.name].kind} for row in rows}
    result = {**dataclasses.asdict(case), "compiled": any(row.compiled for row in rows)}
    if "memory" in parts:
        for row in rows:
            figures[row]["peak_bytes"] = in_own_process(peak_of_step, case, row)
    if "time" in parts or "shares" in parts:
        state = draw_state(case)
        runs = checked_runs(case, figures, state)
    if "shares" in parts:
        for row, run in runs.items():
            figures[row]["shares"] = shares(run, torch.device(case.device))
    if "time" in parts:
        bounds = bounds_of(case, state, {row.layout for row in rows})
        timings = time_in_turn(runs | bounds, rounds=rounds, device=case.device, warm_up=1)
        for row, timing in timings.items():
            figures.setdefault(row, {**dataclasses.asdict(row), "kind": "bound"})
            figures[row]["seconds"] = timing.seconds
        result |= {"moved_bytes": next(iter(bounds.values())).bytes, "machine": describe_machine(),
                   "copy_bandwidth": copy_bandwidth(case.device),
                   "date": datetime.date.today().isoformat()}
    return result | {"rows": {str(row): figure for row, figure in figures.items()}}


def checked_runs(case: Case, figures: dict[Row, dict], state) -> dict[Row, Callable]:
    """The steps of the rows in ``figures``, which get the difference of what they put out."""
    expected, runs = expected_features(case, state), {}
    for row, figure in figures.items():
        runs[row] = step_of(case, build(case, row, state), draw_input(case, row.layout))
        if figure["kind"] != "scale":
            figure["difference"] = check(case, row, runs[row](), expected)
    return runs


def bounds_of(case: Case, state, layouts: Collection[str]) -> dict[Row, ConvolutionsAlone]:
    """The convolutions alone, wholly in the dtype of ``case`` even where that is autocast."""
    bounds, dtype = {}, getattr(torch, case.dtype)
    for layout in layouts:
        net = build(case, Row("ours", layout), state).to(dtype)
        x = draw_input(case, layout).to(dtype)
        bounds[Row("convolutions alone", layout)] = ConvolutionsAlone(
            net, x, training=case.training)
    return bounds


def peak_of_step(case: Case, row: Row) -> int | None:
    """Bytes that a step needs at its peak beyond network and input."""
    net = build(case, row, draw_state(case))
    return peak_growth(step_of(case, net, draw_input(case, row.layout)), case.device)


def rows_for(case: Case, only: Collection[str] | None, layouts: Collection[str],
             compiled: bool) -> list[Row]:
    """Every network that can compute ``case``, out of ``only``, in every layout."""
    names = [name for name in candidates_for(case.architecture, training=case.training)
             if only is None or name in only]
    return [Row(name, layout, with_compiler) for with_compiler in (False, True)[:1 + compiled]
            for name in names for layout in layouts]


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    if args.quick:
        args.architecture, args.size, args.rounds = "resnest14", (2, 64, 64), 1
    size = args.size or ((2, 320, 480) if args.phase == "train" else (1, 512, 800))
    case = Case(args.architecture, args.phase == "train", args.dtype, tuple(size), args.device,
                args.autocast)
    rows = rows_for(case, args.only, args.layouts, args.compile)
    result = measure(case, rows, rounds=args.rounds, parts=args.parts)
    print(case_table(result))
    if args.out:
        fields = [field.name for field in dataclasses.fields(Case)]
        cases = save_case(args.out, result, (*fields, "compiled"))
        args.out.with_suffix(".md").write_text(page(cases))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="resnest50")
    parser.add_argument("--phase", choices=["eval", "train"], default="eval")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--autocast", action="store_true", help="eval by autocast, not by a cast")
    parser.add_argument("--compile", action="store_true", help="also through torch.compile")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, help="these networks alone")
    parser.add_argument("--size", type=int, nargs=3, metavar=("N", "H", "W"))
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=tuple(LAYOUTS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a small network, to see that it runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    return parser


if __name__ == "__main__":
    main()
