"""Exported models of each format and precision beside PyTorch's eager and compiled ones.

    python -m benchmarks.deployment mask_rcnn --out benchmarks/results/deployment.json

Batches of 1 and of 4 random images; runs in turn in one process, every file by its own runtime. One
file is made by the command, in a process of its own: how long that takes, its check included, and
the memory at its peak are recorded too.
"""

import argparse
import copy
import dataclasses
import datetime
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.record import save_case
from resnest_dense.analysis import Timing, describe_machine, time_in_turn
from resnest_dense.analysis.speed import ModelCase
from resnest_dense.d2.benchmark import DetectorCase
from resnest_dense.exporting.files import open_file, read_model, save_model, write_file
from resnest_dense.exporting.quantize import quantize
from resnest_dense.exporting.subject import Options, Subject
from resnest_dense.exporting.table import FORMATS, PRECISIONS
from resnest_dense.frameworks import export_subject
from resnest_dense.inference.compile import constant_weights
from resnest_dense.mmseg.benchmark import SegmentorCase

__all__ = ["main"]

TASKS: dict[str, ModelCase] = {
    "faster_rcnn": DetectorCase("resnest50_faster_rcnn"),
    "mask_rcnn": DetectorCase("resnest50_mask_rcnn"),
    "deeplabv3": SegmentorCase("resnest50_deeplabv3_ade20k", size=(512, 512))}
# Spread of random weights, so that proposals have an order and things are found, as in training.
SPREAD = {"cls_score.weight": 0.3, "objectness_logits.weight": 0.3, "anchor_deltas.weight": 0.01}
PICTURES = 4  # to calibrate on
BATCHES = (1, 4)
EAGER, COMPILED = "PyTorch, fused", "PyTorch, fused and compiled"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--config", help="another config, of a smaller model")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these rows alone")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--note", default="", help="of what else the machine does")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args(arguments)
    case = TASKS[args.task]
    case = dataclasses.replace(case, config=args.config or case.config,
                               size=tuple(args.size or case.size))
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(case, Path(folder), args)
    record = dict(task=args.task, config=case.config, size=case.size, machine=describe_machine(),
                  note=args.note, date=datetime.date.today().isoformat(), **figures)
    print(page([record]))
    if args.out:
        cases = save_case(args.out, record, ("task", "size"))
        args.out.with_suffix(".md").write_text(page(cases))


def measure(case: ModelCase, folder: Path, args: argparse.Namespace) -> dict:
    """Files, the export's cost and times."""
    checkpoint, pictures = folder / "model.pth", draw_pictures(case.size, folder / "pictures")
    torch.save(draw_model(case).state_dict(), checkpoint)
    classes = write_classes(case, folder)
    command = [case.config, str(checkpoint), "--format", "onnx", *classes, "--images",
               *map(str, pictures), "--out", str(folder / "float32.onnx")]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "resnest_dense", "export", *command], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    export = dict(seconds=time.perf_counter() - start, cpu_seconds=used.ru_utime + used.ru_stime,
                  peak_bytes=1024 * used.ru_maxrss)
    subject = export_subject(case.config, str(checkpoint),
                             Options(classes=classes[-1] if classes else None))
    runs = {EAGER: _in_torch(subject.graph)}
    rows: dict[str, dict] = {EAGER: {}}
    for format in ("onnx", "openvino"):
        for precision in PRECISIONS:
            name, path = _name(format, precision), folder / f"{precision}{FORMATS[format].suffix}"
            if args.only and name not in args.only:
                continue
            if not path.exists():
                _write(subject, format, precision, path, pictures)
            runs[name] = open_file(subject, format, path)
            rows[name] = {"bytes": sum(file.stat().st_size for file in (
                path, path.with_suffix(".bin")) if file.exists())}
    compiled = copy.deepcopy(subject.graph)
    compiled.model.get_submodule("backbone").compile()
    for images in args.batches:
        given = {"images": np.random.default_rng(0).normal(
            0, 1, (images, 3, *case.size)).astype(np.float32),
            "sizes": np.array([case.size] * images)}
        given = {name: given[name] for name in subject.inputs}
        chosen = dict(runs)
        if images == 1 and COMPILED in (args.only or [COMPILED]):
            # One shape is compiled; another one would take as long again, and be as fast.
            chosen[COMPILED] = _in_torch(compiled)
        timings = time_in_turn({name: partial(run, given) for name, run in chosen.items()},
                               rounds=args.rounds, device="cpu", warm_up=int(images == 1))
        for name, timing in timings.items():
            rows.setdefault(name, {})[f"seconds of {images}"] = timing.seconds
        print(f"{images} images: {[tuple(one.shape) for one in runs[EAGER](given)]}", flush=True)
    return dict(rows=rows, export=export)


def draw_model(case: ModelCase) -> nn.Module:
    """A model of random weights, that finds something."""
    torch.manual_seed(0)
    model = case.build()
    for name, value in model.named_parameters():
        for part, deviation in SPREAD.items():
            if name.endswith(part):
                nn.init.normal_(value, 0, deviation)
    return model


def draw_pictures(size: tuple[int, int], folder: Path) -> list[Path]:
    """Smooth random pictures of a height and width."""
    generator, paths = np.random.default_rng(0), []
    folder.mkdir()
    for number in range(PICTURES):
        coarse = Image.fromarray(generator.integers(256, size=(9, 13, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.png")
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def write_classes(case: ModelCase, folder: Path) -> list[str]:
    """Names for a detector's classes, as an argument of the command."""
    if not isinstance(case, DetectorCase):
        return []
    count = case.read_config().MODEL.ROI_HEADS.NUM_CLASSES
    path = folder / "classes.json"
    path.write_text(json.dumps({"categories": [{"id": number, "name": str(number)}
                                               for number in range(1, count + 1)]}))
    return ["--classes", str(path)]


def _name(format: str, precision: str) -> str:
    return f"{FORMATS[format].runtime}, {precision}"


def _in_torch(graph: nn.Module) -> Callable[[dict], tuple]:
    def run(arrays: dict) -> tuple:
        with torch.no_grad(), constant_weights():
            return graph(*map(torch.from_numpy, arrays.values()))

    return run


def _write(subject: Subject, format: str, precision: str, path: Path, pictures: list[Path]) -> None:
    contract = dataclasses.replace(subject.contract, precision=precision)
    if precision == "int8":
        full = path.with_name(f"float32{path.suffix}")
        if not full.exists():
            write_file(subject, format, full)
        model = read_model(full)
        save_model(quantize(model, subject, pictures), contract, path)
    else:
        write_file(dataclasses.replace(subject, contract=contract), format, path)


def page(cases: list[dict]) -> str:
    """All recorded ``cases`` as Markdown."""
    parts = ["# Exported models\n\nRandom weights, random images. Seconds are medians of rounds in "
             "which all take turns in one process; \"times eager\" is the median of the ratios "
             "round by round, above 1 where a file is faster than PyTorch's fused model: the "
             "exported graph's own code, which for detectors suppresses class by class and is not "
             "as fast as detectron2's.\n"]
    for case in cases:
        height, width = case["size"]
        export = case["export"]
        lines = [f"## {case['config']}, {height}x{width}", "",
                 " ".join(filter(None, (f"{case['machine']}, {case['date']}.", case["note"]))), "",
                 f"Export to ONNX, check included: {export['seconds']:.0f} s by the clock, "
                 f"{export['cpu_seconds']:.0f} s of processor time, "
                 f"{export['peak_bytes'] / 1e9:.1f} GB at its peak.", "",
                 "| | MB | 1 image, s | times eager | 4 images, s | times eager |",
                 "|---|---|---|---|---|---|"]
        for name, row in case["rows"].items():
            cells = [f"{row['bytes'] / 1e6:.0f}" if "bytes" in row else "-"]
            for images in BATCHES:
                key = f"seconds of {images}"
                if key not in row:
                    cells += ["-", "-"]
                    continue
                timing, eager = (Timing(tuple(case["rows"][of][key])) for of in (name, EAGER))
                cells += [f"{timing.median:.2f}", f"{timing.speedup_over(eager):.2f}"]
            lines.append(f"| {' | '.join([name, *cells])} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
