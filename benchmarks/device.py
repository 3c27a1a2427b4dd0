"""The steps of ``benchmarks/device.sh run``, each a process of its own:
``python -m benchmarks.device``.

Every figure goes into one JSON file the moment it is there, under the name of its step; what fails
is recorded with the end of its traceback, and what there is no time for as skipped.
"""

import argparse
import contextlib
import dataclasses
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import attention
from benchmarks.bounds import copy_bandwidth
from benchmarks.case import (
    Case,
    Row,
    build,
    check,
    draw_input,
    draw_state,
    step_of,
)
from benchmarks.profile import kernels
from resnest_dense import ops
from resnest_dense.analysis import describe_machine, peak_growth, time_in_turn
from resnest_dense.ops.selftest import find_fault

__all__ = ["Session", "main"]

LAST = "channels last"


@dataclasses.dataclass
class Session:
    """One step: where its figures go, until when it may start more of them, and on what.

    Args:
        step: its name.
        out: the folder of the record.
        seconds: how long it may take.
        quick: tiny sizes.
        device: "cuda" or "cpu".
    """

    step: str
    out: Path
    seconds: float
    quick: bool
    device: str

    def __post_init__(self):
        self.end = time.monotonic() + self.seconds
        self.path = self.out / "results.json"

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def record(self, name: str, figures: object) -> None:
        """Adds ``figures`` to the file, whole or not at all, and prints them."""
        known = json.loads(self.path.read_text()) if self.path.exists() else {}
        known.setdefault(self.step, {})[name] = figures
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(known, indent=1) + "\n")
        part.replace(self.path)
        shown = figures
        if isinstance(figures, dict):
            shown = {key: value for key, value in figures.items()
                     if key not in ("kernels", "seconds")}
        print(f"{self.step} | {name} | {shown}", flush=True)

    def measure(self, name: str, run: Callable[[], object], *, needs: float = 5) -> object | None:
        """Records what ``run`` returns or how it failed; leaves it where fewer than ``needs``
        seconds are left."""
        if self.left < needs:
            self.record(name, {"skipped": "out of time"})
            return None
        started, figures = time.monotonic(), None
        try:
            figures = run()
            answer = figures if isinstance(figures, dict) else {"value": figures}
            self.record(name, {**answer, "took": round(time.monotonic() - started, 2)})
        except Exception as error:  # noqa: BLE001, the next figures still count
            self.record(name, {"failed": repr(error)[:500],
                               "traceback": traceback.format_exc()[-2000:]})
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        return figures


def checks(session: Session) -> None:
    """The tests of the operators and of whatever differs on a GPU."""
    session.record("machine", {
        "machine": describe_machine(), "cuda": torch.version.cuda, "triton": _version("triton"),
        "torchvision": _version("torchvision")})
    files = ["tests/cuda", "tests/ops", "tests/nn/test_deform.py"]
    if session.quick:
        files = ["tests/ops", "-k", "channels_last_stays or unknown"]
    workers = [] if session.quick else ["-n", "12", "--dist", "worksteal"]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    report = session.out / "checks.txt"
    with report.open("w") as log:
        tests = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-rfE", "--tb=short",
             "--durations=8", *workers, *files], stdout=log, stderr=subprocess.STDOUT,
            env=environment)
        try:
            code = tests.wait(max(session.left - 10, 1))
        except subprocess.TimeoutExpired:
            tests.send_signal(signal.SIGINT)  # It still says what failed until then.
            code = "out of time"
            with contextlib.suppress(subprocess.TimeoutExpired):
                tests.wait(7)
            tests.kill()
    lines = report.read_text().splitlines()
    passed = sum(" PASSED " in line or line.endswith("PASSED") for line in lines)
    session.record("pytest", {"code": code, "passed": passed, "summary": lines[-1:], "failed": [
        line[:400] for line in lines if line.startswith(("FAILED", "ERROR"))]})


def kernel_shares(session: Session) -> None:
    """The kernels' share of a copy's bandwidth, stage by stage."""
    size = (1, 64, 64) if session.quick else (8, 800, 1216)
    device = torch.device(session.device)
    if device.type == "cuda":
        session.measure("self-test", lambda: {
            str(dtype): find_fault(torch.device("cuda", 0), dtype) or "sound"
            for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64)})
    session.measure("copy, GB/s", lambda: copy_bandwidth(device, megabytes=64 if session.quick
                                                         else 1024) / 1e9)
    for dtype in ("float32",) if session.quick else ("bfloat16", "float32", "float16"):
        def rows(dtype: str = dtype) -> dict:
            found = attention.measure(size, getattr(torch, dtype), device,
                                      1 if session.quick else 5)
            return {f"{stage}, {step}, {name}": [round(ms, 5), round(share, 3)]
                    for stage, step, name, ms, share in found}

        session.measure(f"{dtype}: ms, share", rows, needs=8)


EAGER = ("ours", "official torch", "ResNet of detectron2", "timm", "ours, reference",
         "official detectron2")
PROFILED = {("ours", True), ("official torch", True), ("ours", False), ("official torch", False)}


def backbone(session: Session) -> None:
    """Eager networks in bfloat16 autocast, training and eval; and where the time goes."""
    torch.set_num_threads(min(8, os.cpu_count()))
    cases = {training: _case(session, training=training) for training in (True, False)}
    state = draw_state(cases[True])
    expected = {}
    for training, case in cases.items():
        try:
            expected[training] = expected_of(case, state)
        except RuntimeError as error:
            expected[training] = session.record(f"{_title(case)}: expected",
                                                {"failed": repr(error)[:500]})
    # What the targets compare comes first, should time run out.
    plan = [(training, name) for names in (EAGER[:3], EAGER[3:]) for training in (True, False)
            for name in (*names, *(["ours fused"] if not training and "ours" in names else []))]
    for training, name in plan[:3] if session.quick else plan:
        session.measure(f"{_title(cases[training])}: {name}", functools.partial(
            measure_network, session, cases[training], name, state, expected[training],
            profiled=(name, training) in PROFILED))


def compiled(session: Session) -> None:
    """The same through ``torch.compile``. All are compiled at once, each in a process of its own,
    and then timed one by one while the others wait."""
    from benchmarks.compiled import Worker

    wanted = [("ours", True), ("official torch", True), ("ours fused", False),
              ("official torch", False), ("timm", True), ("timm", False)]
    wanted = wanted[:int(os.environ.get("COMPILED_AT_MOST", len(wanted)))]
    if session.quick:
        wanted = wanted[:1]
    workers = {(name, training): Worker(_case(session, training=training), name)
               for name, training in wanted}
    # What is compiled by then is timed; each takes some seconds.
    until = session.end - (0 if session.quick else 35)
    waiting = dict(workers)
    while waiting and time.monotonic() < until:
        for key, worker in list(waiting.items()):
            if worker.poll(0.2):
                del waiting[key]
    for key in waiting:
        workers[key].stop()
    for (name, training), worker in workers.items():
        title = f"{_title(worker.case)}: {name} compiled"
        if (name, training) in waiting:
            session.record(title, {"skipped": "not compiled in time"})
        else:
            session.measure(title, functools.partial(worker.measure, max(session.left, 1)))
        worker.stop()


def detectors(session: Session) -> None:
    """Faster and Mask R-CNN of the shipped configs: ours, the official wrapper's and ResNet-50."""
    from benchmarks.detector import OfficialDetector
    from resnest_dense.d2.benchmark import DetectorCase

    if session.quick:
        kinds = {"ours": (DetectorCase, "resnest14_mask_rcnn_mini.yaml")}
        shared = dict(size=(64, 64), images=2, device=session.device, dtype="float32")
        methods = {"mini": kinds}
    else:
        shared = dict(size=(800, 1216), images=8, device=session.device, dtype="bfloat16")
        methods = {method: {"ours": (DetectorCase, f"resnest50_{method}.yaml"),
                            "official wrapper": (OfficialDetector, f"resnest50_{method}.yaml"),
                            "ResNet-50": (DetectorCase, f"resnet50_{method}.yaml")}
                   for method in ("faster_rcnn", "mask_rcnn")}
    plan = [(method, training, layout) for method in methods for training in (True, False)
            for layout in ("as built", LAST)]
    for method, training, layout in plan:
        for name, (kind, config) in methods[method].items():
            case = kind(config, **shared)
            phase = "training step" if training else "eval"
            session.measure(f"{method}, {phase}, {layout}: {name}", functools.partial(
                measure_detector, session, case, training, layout, profiled=training
                and layout == LAST and name != "ResNet-50" and method == "faster_rcnn"), needs=8)


def measure_detector(session: Session, case: object, training: bool, layout: str,
                     profiled: bool) -> dict:
    """Images per second, and memory and kernels of the step."""
    model = case.prepare(training=training)
    if layout == LAST:
        model = model.to(memory_format=torch.channels_last)
    run = case.step(model, training=training)
    return measure_run(session, run, images=case.images, profiled=profiled, rounds=5)


def demo(session: Session) -> None:
    """The demo's training, in mixed precision on a GPU."""
    folder = Path(tempfile.mkdtemp())
    amp = session.device == "cuda"
    options = ["SOLVER.MAX_ITER", "4", "TEST.EVAL_PERIOD", "0"] if session.quick else []

    def train() -> dict:
        done = subprocess.run(
            [sys.executable, "-m", "demo.detection", "--out", str(folder),
             "SOLVER.AMP.ENABLED", str(amp), *options], capture_output=True, text=True,
            timeout=max(session.left - 2, 1))
        lines = (done.stdout + done.stderr).splitlines()
        return {"code": done.returncode, "tail": lines[-12:]}

    session.measure("mini COCO", train)


def rest(session: Session) -> None:
    """What is left: other sizes, another depth, other types, and cuDNN's search for the fastest."""
    small = (2, 64, 64)
    plans = [
        ("16x512x512", dict(size=(16, 512, 512)),
         ("ours", "official torch", "ResNet of detectron2")),
        ("float16", dict(dtype="float16"), ("ours", "official torch")),
        ("float32", dict(dtype="float32"), ("ours", "official torch")),
        ("resnest101", dict(architecture="resnest101"), ("ours", "official torch")),
        ("cudnn.benchmark", {}, ("ours", "official torch", "ResNet of detectron2")),
    ]
    for title, changes, names in plans:
        torch.backends.cudnn.benchmark = title == "cudnn.benchmark"
        case = dataclasses.replace(_case(session, training=True), **changes)
        if session.quick:
            case = dataclasses.replace(_case(session, training=True), size=small)
            names = names[:1]
        state = draw_state(case)
        for name in names:
            session.measure(f"{title}, {_title(case)}: {name}", functools.partial(
                measure_network, session, case, name, state, None), needs=10)


def _case(session: Session, *, training: bool) -> Case:
    if session.quick:
        return Case("resnest14", training, "float32", (2, 64, 64), session.device, not training)
    return Case("resnest50", training, "bfloat16", (8, 800, 1216), session.device, not training)


def _title(case: Case) -> str:
    return f"{case.architecture}, {'training step' if case.training else 'eval'}"


def expected_of(case: Case, state: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The feature maps of ours in float32 by the definition, on the device of ``case``; no
    backward, whose memory would be twice that of any network that is timed."""
    plain = dataclasses.replace(case, dtype="float32", autocast=False)
    torch.backends.cudnn.allow_tf32 = False
    with ops.forced("reference"), torch.no_grad():
        features = build(plain, Row("ours", LAST), state)(draw_input(plain, LAST))
    torch.backends.cudnn.allow_tf32 = True
    return features


def measure_network(session: Session, case: Case, name: str, state: dict[str, torch.Tensor],
                    expected: tuple[torch.Tensor, ...] | None, *, profiled: bool = False) -> dict:
    """Time, memory and difference of one network, eager."""
    name, _, implementation = name.partition(", ")
    row = Row(name, LAST)
    with ops.forced(implementation or None):
        run = step_of(case, build(case, row, state), draw_input(case, LAST))
        found = {}
        if expected is not None and name != "ResNet of detectron2":
            try:
                found["difference"] = check(case, row, run(), expected)
            except RuntimeError as error:
                found["difference"] = str(error)
        return found | measure_run(session, run, images=case.size[0], profiled=profiled)


def measure_run(session: Session, run: Callable[[], object], *, images: int, profiled: bool = False,
                rounds: int = 7) -> dict:
    """Milliseconds, images per second, peak memory above what is held; on request its kernels."""
    device = torch.device(session.device)
    figures = {"peak_mb": None if session.quick else round((peak_growth(run, device) or 0) / 1e6)}
    [timing] = time_in_turn({"run": run}, rounds=1 if session.quick else rounds, device=device,
                            warm_up=1).values()
    figures |= {"ms": round(1e3 * timing.median, 3), "low_ms": round(1e3 * timing.low, 3),
                "high_ms": round(1e3 * timing.high, 3),
                "images_per_second": round(images / timing.median, 2)}
    if profiled:
        figures["kernels"] = kernels(run, device)
    return figures


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


STEPS = {"checks": checks, "kernels": kernel_shares, "backbone": backbone, "detectors": detectors,
         "compiled": compiled, "demo": demo, "rest": rest}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, required=True, help="folder of results.json")
    parser.add_argument("--seconds", type=float, default=600, help="for this step")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    args = parser.parse_args(arguments)
    session = Session(args.step, args.out, args.seconds, args.quick, args.device)
    started = time.monotonic()
    try:
        STEPS[args.step](session)
    except Exception as error:  # noqa: BLE001, recorded like the figures
        session.record("failed", {"failed": repr(error)[:500],
                                  "traceback": traceback.format_exc()[-3000:]})
    session.record("took", round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
