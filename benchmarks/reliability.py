"""Training runs that are killed at random moments, each resumed and compared with one that was not.

    python -m benchmarks.reliability --kills 100        # of each case; minutes to half an hour

One process imports the frameworks and forks the runs, so that a kill costs seconds. A run is killed
by SIGKILL: a third of the kills wait for a checkpoint to be half written, the others come at any
moment, also while it starts. It is resumed with another number of data workers, until it ends; then
another one begins, until the kills are used up. Weights, optimizer and what else is in the last
checkpoint must be those of the run that was left alone, bit for bit.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import load_cases, put_section, write_cases
from benchmarks.reliability_cases import CASES
from resnest_dense.analysis import describe_machine

RESULTS = Path(__file__).parent / "results"


def fork(case, out, *, resume, workers, log):
    """Starts or resumes a run in a process of its own; returns its number."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        with open(log, "a") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
        case.train(out, resume=resume, workers=workers)
        status = 0
    except BaseException as error:
        print(f"ended by {type(error).__name__}: {error}", flush=True)
    finally:
        sys.stdout.flush()
        os._exit(status)


def ended_well(pid, out, *, wait=False):
    """None while a run goes on, True when it has ended; stops where it has failed."""
    done, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    if not done:
        return None
    if status:
        text = "".join(Path(f"{out}.log").read_text().splitlines(keepends=True)[-40:])
        raise SystemExit(f"{text}\n{out.name} ended with status {status}.")
    return True


def half_written(out, since):
    """Whether a checkpoint is being written; what an earlier kill has left is none."""
    with contextlib.suppress(FileNotFoundError):
        return any(part.stat().st_size and part.stat().st_mtime_ns > since
                   for part in out.glob("*.pth.part"))
    return False


def last_noted(out):
    note = out / "last_checkpoint"
    return note.stat().st_mtime_ns if note.exists() else 0


def kill_at_random(pid, out, rng, period):
    """Lets a run write none to two checkpoints, and go on for a random time or until the next one
    is half written; returns how it ended, "done" or the kind of the kill."""
    begin, noted, left = time.time_ns(), last_noted(out), rng.choice((0, 1, 1, 2))
    writing, until = rng.random() < 1 / 3, None
    while ended_well(pid, out) is None:
        time.sleep(0.002)
        if (now := last_noted(out)) != noted:
            noted, left, until = now, left - 1, None
        if left > 0:
            continue
        if writing and half_written(out, begin):
            time.sleep(rng.uniform(0, 0.05))
            break
        until = until or time.monotonic() + rng.uniform(0, 2 * period)
        if not writing and time.monotonic() > until:
            break
    else:
        return "done"
    half = half_written(out, begin)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "in a checkpoint" if half else "elsewhere"


def compare(one, other, path=""):
    """Names of what is not the same, bit for bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{path}: other keys"]
        return [name for key in one for name in compare(one[key], other[key], f"{path}/{key}")]
    elif isinstance(one, (list, tuple)):
        return [name for i, pair in enumerate(zip(one, other, strict=True))
                for name in compare(*pair, f"{path}/{i}")]
    else:
        same = bool(np.all(one == other))
    return [] if same else [path]


def soak(case, kills, folder, rng):
    """Kills runs of a case that many times; yields what was seen after each run that ended."""
    case.prepare(folder)
    whole, begin = folder / "whole", time.monotonic()
    pid = fork(case, whole, resume=False, workers=0, log=f"{whole}.log")
    ended_well(pid, whole, wait=True)
    period = (time.monotonic() - begin) * case.period / case.iterations
    wanted = case.state(whole)
    seen = {"in a checkpoint": 0, "elsewhere": 0}
    different, run = [], 0
    while run == 0 or sum(seen.values()) < kills:
        out, how = folder / f"killed_{run}", ""
        while how != "done":
            # Without a checkpoint there is nothing to go on from; --resume begins then.
            pid = fork(case, out, resume=bool(how), workers=rng.choice((0, 0, 1, 2)),
                       log=f"{out}.log")
            if sum(seen.values()) >= kills:
                ended_well(pid, out, wait=True)
                break
            how = kill_at_random(pid, out, rng, period)
            if how != "done":
                seen[how] += 1
                print(f"{case.name}: kill {sum(seen.values())}, {how}, at "
                      f"{last_name(out)}", flush=True)
        differences = compare(wanted, case.state(out))
        different += [f"run {run}: {name}" for name in differences]
        run += 1
        print(f"{case.name}: run {run} ended, {len(differences)} differences", flush=True)
        shutil.rmtree(out)
        yield {"case": case.name, "framework": case.framework, "iterations": case.iterations,
               "period": case.period, "kills": sum(seen.values()), "how": dict(seen), "runs": run,
               "different": different, "minutes": round((time.monotonic() - begin) / 60, 1),
               "machine": describe_machine()}


def last_name(out):
    note = out / "last_checkpoint"
    return Path(note.read_text()).name if note.exists() else "the beginning"


def page(rows):
    lines = ["# Reliability", "",
             "Runs killed by SIGKILL at random moments and resumed, against one of the same seed "
             "that was left alone:", "`make soak`, which runs `python -m benchmarks.reliability` "
             "(CPU, tiny networks and images).", "",
             "| case | iterations, checkpoint every | kills | of them in mid-write | runs ended | "
             "not bit-identical | minutes |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['case']} | {row['iterations']}, {row['period']} | {row['kills']} | "
                     f"{row['how']['in a checkpoint']} | {row['runs']} | {len(row['different'])} | "
                     f"{row['minutes']} |")
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    return "\n".join([*lines, "", f"Machine: {machines}."])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="of each case")
    parser.add_argument("--cases", nargs="+", default=[*CASES], choices=[*CASES])
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    path = args.out / "reliability.json"
    rows = {row["case"]: row for row in load_cases(path)}
    for name in args.cases:
        with tempfile.TemporaryDirectory(prefix="reliability_") as folder:
            for row in soak(CASES[name], args.kills, Path(folder), random.Random(args.seed)):
                rows[name] = row
                write_cases(path, [*rows.values()])
                put_section(args.out / "reliability.md", "", page([*rows.values()]))
                if row["different"]:
                    sys.exit(f"{name} is not bit-identical: {row['different'][:5]}")


if __name__ == "__main__":
    main()
