"""What the benchmarks of whole models have in common: arguments, record and page."""

import argparse
import dataclasses
import datetime
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from benchmarks.record import save_case
from resnest_dense.analysis import describe_machine
from resnest_dense.analysis.speed import PARTS, Figures, ModelCase, figures_table, measure_models

__all__ = ["run"]

_KEY = ("task", "depth", "size", "images", "dtype", "device")


def run(arguments: list[str] | None, *, task: str, size: tuple[int, int], description: str,
        contestants: Callable[[argparse.Namespace, dict], Mapping[str, ModelCase]]) -> None:
    """Measures and prints; with ``--out`` also records, and writes the page beside the record.

    Args:
        arguments: words of the command line; None for those of the process.
        task: what the models do.
        size: height and width of the images unless the arguments say otherwise.
        description: what the benchmark is.
        contestants: makes the cases, by name, from the arguments and the fields that all share.
    """
    args = _parser(description, size).parse_args(arguments)
    if args.quick:
        args.depth, args.size, args.rounds = 14, (64, 64), 1
    shared = dict(size=tuple(args.size), images=args.images, device=args.device, dtype=args.dtype)
    cases = {name: case for name, case in contestants(args, shared).items()
             if args.only is None or name in args.only}
    figures = measure_models(cases, rounds=args.rounds, parts=args.parts)
    print(figures_table(figures))
    if args.out:
        rows = {name: {key: value for key, value in dataclasses.asdict(found).items()
                       if value is not None} for name, found in figures.items()}
        record = dict(shared, task=task, depth=args.depth, rows=rows, machine=describe_machine(),
                      date=datetime.date.today().isoformat())
        cases = save_case(args.out, record, _KEY)
        args.out.with_suffix(".md").write_text(page(cases))


def page(cases: list[dict]) -> str:
    """All recorded ``cases`` as Markdown."""
    parts = [f"# {cases[0]['task']}\n\nRandom weights, the same for all models of one "
             "config, whose outputs are compared before anything is timed; runs in turn in one "
             "process, medians. Memory is what a training step needs at its peak beyond the model, "
             "in a process of its own.\n"]
    for case in sorted(cases, key=lambda case: [str(case[name]) for name in _KEY]):
        height, width = case["size"]
        table = figures_table({name: Figures(**row) for name, row in case["rows"].items()})
        parts.append(f"## Depth {case['depth']}, {case['images']}x3x{height}x{width}, "
                     f"{case['dtype']}, {case['device']}\n\n{case['machine']}, {case['date']}.\n\n"
                     f"{table}\n")
    return "\n".join(parts)


def _parser(description, size):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--depth", type=int, default=50, choices=[50, 101])
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), default=size)
    parser.add_argument("--images", type=int, default=2, help="in a batch")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--only", nargs="+", metavar="MODEL", help="these models alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small models, to see that they run")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    return parser
