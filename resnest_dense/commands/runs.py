"""Commands on the folders that training leaves."""

import argparse
import json
from pathlib import Path

from resnest_dense.errors import clipped

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``report`` and ``diff-runs``."""
    command = commands.add_parser("report", help="what a training run has learned, on one page: "
                                  "curves, scores, errors, calibration, costs, settings")
    command.add_argument("folder", help="of the run (OUTPUT_DIR, --work-dir, --out)")
    command.add_argument("--out", metavar="FILE", help="where to write (default: report.html in "
                         "that folder)")
    command.set_defaults(run=_report)
    command = commands.add_parser("diff-runs", help="what two training runs were started with "
                                  "otherwise: config, seed, versions, commit, weights, data")
    command.add_argument("one", help="folder of a run")
    command.add_argument("other", help="folder of another run")
    command.add_argument("--json", action="store_true", help="as JSON, values in full")
    command.set_defaults(run=_diff_runs)


def _report(args: argparse.Namespace) -> None:
    from resnest_dense.frameworks import read_run
    from resnest_dense.report.write import FILE, write_report

    folder = Path(args.folder)
    print(write_report(read_run(folder), Path(args.out) if args.out else folder / FILE))


def _diff_runs(args: argparse.Namespace) -> None:
    from resnest_dense.training.record import differences, read_record

    one, other = read_record(args.one), read_record(args.other)
    found = differences(one, other)
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for folder, record in ((args.one, one), (args.other, other)):
        print(f"{folder}: {record['time']}, {' '.join(record['command'])}")
    if not found:
        print("They were started alike: config, seed, versions, commit, weights and data.")
    for key, values in found.items():
        shown = ["not there" if value is None else clipped(value) or "''" for value in values]
        print(key, *(f"  {text}" for text in shown), sep="\n")
