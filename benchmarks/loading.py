"""Time and memory of loading weights, against ``torch.load`` and ``load_state_dict``.

    python -m benchmarks.loading --architecture resnest269 --repeats 5

Each way has a process of its own for each file. Time is the shortest of loading alone, into a
network that is already built; memory is how far the process grew above what it was before the
network was built, at its highest, in multiples of the file. Targets: time within 1.5 times torch's,
memory at most 2.2 (of which the network is 1).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from resnest_dense import create_backbone, weights
from resnest_dense.analysis import describe_machine

LAYOUTS = ("detectron2", "upstream", "mm")


def by_torch(model, path):
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


WAYS = {"torch": by_torch, "ours": weights.load}


def peak_bytes():
    """The most memory that this process has had so far (Linux alone tells)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def measure(way, architecture, path, repeats):
    """Seconds to load, and how far the process grew from the start, in bytes."""
    create_backbone("resnest14")  # what is allocated once for all is no part of it
    start_bytes = peak_bytes()
    model = create_backbone(architecture)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        WAYS[way](model, path)
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "bytes": peak_bytes() - start_bytes}


def measure_apart(way, path, args):
    """What :func:`measure` gives in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loading", "--architecture", args.architecture,
               "--repeats", str(args.repeats), "--measure", way, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(answer).values()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="resnest269", help="network to load")
    parser.add_argument("--repeats", type=int, default=5, help="loads for each figure")
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        way, path = args.measure
        return print(json.dumps(measure(way, args.architecture, path, args.repeats)))
    print(f"{args.architecture}, the fastest of {args.repeats} loads. {describe_machine()}.\n")
    print("| file | torch s | ours s | ratio | torch memory / file | ours memory / file |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        state = create_backbone(args.architecture).state_dict()
        names = [f"{layout}.pth" for layout in LAYOUTS]
        for name in (*names, "upstream.safetensors", "legacy.pth"):
            print(compare(state, Path(folder, name), args))


def compare(state, path, args):
    """One row of the table: torch reads its own file with our names, of the same age of format."""
    reference = path.with_name("legacy.pth" if path.stem == "legacy" else "reference.pth")
    torch.save(state, reference, _use_new_zipfile_serialization=path.stem != "legacy")
    if path != reference:
        weights.convert(state, path.stem, path)
    torch_s, torch_bytes = measure_apart("torch", reference, args)
    ours_s, ours_bytes = measure_apart("ours", path, args)
    size = path.stat().st_size
    return (f"| {path.name} ({size / 1e6:.0f} MB) | {torch_s:.3f} | {ours_s:.3f} | "
            f"{ours_s / torch_s:.2f} | {torch_bytes / size:.2f} | {ours_bytes / size:.2f} |")


if __name__ == "__main__":
    main()
