"""What the runner adds to the graph of an exported file: its own steps, from pixels to results.

    python -m benchmarks.runner mask_rcnn onnx        # a minute; float32, random weights, one image

The time inside of the runtime is taken from each call of the runner, so that both are of the same
moment. Everything that scores at all is a result, 100 boxes with masks in a detector: the most that
there is to do.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.deployment import TASKS, draw_model, draw_pictures
from resnest_dense.analysis import describe_machine
from resnest_dense.exporting.files import write_file
from resnest_dense.exporting.subject import Options
from resnest_dense.exporting.table import FORMATS
from resnest_dense.frameworks import export_subject
from resnest_dense.runtime.runner import Runner
from resnest_dense.runtime.session import Session, open_session


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("format", choices=("onnx", "openvino"))
    parser.add_argument("--calls", type=int, default=5)
    args = parser.parse_args()
    case = TASKS[args.task]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "model.pth")
        torch.save(draw_model(case).state_dict(), checkpoint)
        subject = export_subject(case.config, str(checkpoint), Options())
        path = Path(folder, f"model{FORMATS[args.format].suffix}")
        write_file(subject, args.format, path)
        picture = np.asarray(Image.open(
            draw_pictures(case.size, Path(folder, "pictures"))[0]).reduce(2))
        whole, inside = measure(open_session(path), picture, args.calls)
    ratios = [both / graph for both, graph in zip(whole, inside)]
    print(f"{case.config} by {FORMATS[args.format].runtime}, {describe_machine()}: "
          f"{statistics.median(whole):.3f} s, of which {statistics.median(inside):.3f} s in the "
          f"runtime: {statistics.median(ratios):.3f} times as long "
          f"({min(ratios):.3f} to {max(ratios):.3f}).")


def measure(session: Session, picture: np.ndarray, calls: int) -> tuple[list[float], list[float]]:
    """Seconds of each call of the runner, and of the runtime in it."""
    whole, inside = [], []

    def run(arrays):
        start = time.perf_counter()
        found = session.run(arrays)
        inside.append(time.perf_counter() - start)
        return found

    runner = Runner(Session(session.contract, run), threshold=None)
    for _ in range(calls + 1):  # the first one warms up
        start = time.perf_counter()
        runner(picture)
        whole.append(time.perf_counter() - start)
    return whole[1:], inside[1:]


if __name__ == "__main__":
    main()
