"""Long runs in one process, whose memory and file handles are sampled and must not grow.

    python -m benchmarks.endurance        # of each framework about six minutes on one idle core

Of each framework a tiny training of 2,000 iterations, with a worker that loads images, a checkpoint
every 100 and an evaluation every 200 iterations, and 50 evaluations of its last checkpoint, each as
its tool makes it, in a process each. The slope is that of a line through what the process and its
workers hold (resident set) behind the first quarter; of the handles, the medians of the second and
of the last quarter have to be the same.
"""

import argparse
import json
import os
import sys
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import put_section, save_case
from benchmarks.reliability import ended_well, fork
from benchmarks.reliability_cases import Detection, Segmentation
from resnest_dense.analysis import describe_machine
from resnest_dense.training.batches import ResumableLoader

RESULTS = Path(__file__).parent / "results"
_MOST = 1.0  # MB per 100 iterations, or per evaluation
_EVERY = 10  # iterations between samples
_TIMES = 50  # evaluations


def sample():
    """What this process and its workers hold: MB of memory, and file handles."""
    pids = [os.getpid(), *(int(pid) for task in Path("/proc/self/task").iterdir()
                           for pid in (task / "children").read_text().split())]
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return (pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids))


class Training:
    """A training that writes a sample of every few of its iterations."""

    unit = "100 iterations"

    def __init__(self, case, iterations):
        self.case, self.iterations = case, iterations

    def train(self, out, *, resume, workers):
        samples, stock = [], ResumableLoader.__iter__

        def watched(loader):
            for number, batch in zip(count(), stock(loader)):
                if batch is not None and number % _EVERY == 0:
                    samples.append((number / 100, *sample()))
                yield batch

        ResumableLoader.__iter__ = watched
        self.case.train(out, resume=resume, workers=workers)
        (out / "samples.json").write_text(json.dumps(samples))


class Evaluations:
    """Evaluations of a checkpoint, one after another, with a sample behind each."""

    unit = "evaluation"

    def __init__(self, case, trained, times):
        self.case, self.trained, self.times = case, trained, times

    def train(self, out, *, resume, workers):
        samples = []
        for number in range(self.times):
            self.case.evaluate(out, self.trained, workers=workers)
            samples.append((number, *sample()))
        (out / "samples.json").write_text(json.dumps(samples))


def watch(name, case, out):
    """Runs a case in a process of its own; its figures."""
    ended_well(fork(case, out, resume=False, workers=1, log=f"{out}.log"), out, wait=True)
    place, memory, handles = map(np.array, zip(*json.loads((out / "samples.json").read_text())))
    quarter = len(place) // 4
    row = {"unit": case.unit, "length": round(float(place[-1]), 1), "samples": len(place),
           "slope": round(float(np.polyfit(place[quarter:], memory[quarter:], 1)[0]), 3),
           "memory": [round(float(memory[at]), 1) for at in (0, quarter, -1)],
           "handles": [float(np.median(handles[part])) for part in (
               slice(quarter, 2 * quarter), slice(-quarter, None))]}
    print(f"{name}: {row}", flush=True)
    return row


def page(cases):
    lines = ["Long runs in one process (`python -m benchmarks.endurance`, part of `make soak`): "
             "resident memory of the process",
             "and its worker at the first sample, after a quarter and at the end, and the slope "
             "behind that quarter; file handles",
             "(median of the second and of the last quarter).", "",
             "| run | length | memory, MB | slope, MB | handles |", "|---|---|---|---|---|"]
    for case in cases:
        [row] = case["rows"].values()
        length = (f"{100 * row['length'] + _EVERY:,.0f} iterations" if "iter" in row["unit"]
                  else f"{row['length'] + 1:.0f} evaluations")
        memory = ", ".join(f"{value:.0f}" for value in row["memory"])
        handles = " and ".join(f"{value:g}" for value in row["handles"])
        lines.append(f"| {case['case']} | {length} | {memory} | {row['slope']:+.2f} per "
                     f"{row['unit']} | {handles} |")
    return "\n".join([*lines, "", f"Machine: {cases[0]['machine']}."])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--times", type=int, default=_TIMES, help="of evaluation")
    parser.add_argument("--frameworks", nargs="+", default=["detectron2", "mmseg"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    made = {
        "detectron2": lambda: Detection(
            "", "resnest14_mask_rcnn_mini.yaml", iterations=args.iterations, period=100,
            **{"TEST.EVAL_PERIOD": 200, "TEST.PRECISE_BN.ENABLED": False}),
        "mmseg": lambda: Segmentation(f"iterations={args.iterations}", "train_cfg.val_interval=200",
                                      "default_hooks.checkpoint.interval=100",
                                      iterations=args.iterations)}
    grown = []
    for framework in args.frameworks:
        with tempfile.TemporaryDirectory(prefix="endurance_") as folder:
            case, folder = made[framework](), Path(folder)
            case.prepare(folder)
            for what, run in (("training", Training(case, args.iterations)),
                              ("evaluation", Evaluations(case, folder / "training", args.times))):
                name = f"{framework} {what}"
                row = watch(name, run, folder / what)
                cases = save_case(args.out / "endurance.json", {
                    "case": name, "machine": describe_machine(), "rows": {"run": row}}, ("case",))
                put_section(args.out / "reliability.md", "Long runs", page(cases))
                if row["slope"] > _MOST or row["handles"][1] > row["handles"][0]:
                    grown.append(f"{name} grows: {row}")
    sys.exit("\n".join(grown) or None)


if __name__ == "__main__":
    main()
