"""Two processes on two "machines" (agents of torchrun on 127.0.0.1), one of which is lost or hangs.

    python -m benchmarks.processes        # about ten minutes on two cores

Both tools train a tiny network for ever, with the patience that users have. Once a checkpoint is
there, something happens to rank 1; told are the seconds until the other has ended, and its words.
"""

import argparse
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.record import put_section, write_cases
from demo.mini_coco import write_mini_coco
from demo.tiny_labels import CONFIG, write_tiny_labels
from resnest_dense.analysis import describe_machine
from resnest_dense.configs import find_config

RESULTS = Path(__file__).parent / "results"
TORCHRUN = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run"]
_DETECTION = (
    "INPUT.MIN_SIZE_TRAIN (64,) MODEL.RESNETS.WIDTH_PER_GROUP 8 MODEL.RESNETS.STEM_WIDTH 8 "
    "MODEL.FPN.OUT_CHANNELS 16 MODEL.DEVICE cpu SOLVER.IMS_PER_BATCH 2 DATASETS.TEST () "
    "MODEL.RESNETS.NORM SyncBN SOLVER.BASE_LR 0.001 SOLVER.CHECKPOINT_PERIOD 4 "
    "DATALOADER.NUM_WORKERS 1")


def detection(folder, out, iterations):
    data = write_mini_coco(folder / "data", train=8, val=3, size=(96, 64))
    return ["tools/train_net.py", "--config-file", "resnest14_mask_rcnn_mini.yaml", "--train-json",
            data.train_json, "--train-images", data.train_images, *_DETECTION.split(),
            "SOLVER.MAX_ITER", iterations, "OUTPUT_DIR", out]


def segmentation(folder, out, iterations):
    config = folder / "tiny.py"
    if not config.exists():
        images, labels = write_tiny_labels(folder)
        config.write_text(CONFIG.format(base=find_config("resnest14_deeplabv3_ade20k", "mmseg"),
                                        images=images, labels=labels))
    return ["tools/mmseg_train.py", config, "--work-dir", out, "--cfg-options",
            "train_dataloader.batch_size=2", "train_dataloader.num_workers=1",
            f"train_cfg.max_iters={iterations}", "train_cfg.val_interval=1000000",
            "default_hooks.checkpoint.interval=4"]


def start(words, *, log, restarts=0):
    """An agent for each machine."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with open(log, "w") as file:
        return [subprocess.Popen(
            [*TORCHRUN, "--nnodes", "2", "--node-rank", str(rank), "--master-addr", "127.0.0.1",
             "--master-port", str(port), "--nproc-per-node", "1", "--max-restarts", str(restarts),
             *map(str, words)], stdout=file, stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1"}) for rank in range(2)]


def child(pid):
    """The process that another one started first."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def send(pid, number):
    """Gives the number of the process back, so that it can be removed in the end."""
    os.kill(pid, number)
    return pid


def kill(agent):
    return send(child(agent.pid), signal.SIGKILL)


def stop(agent):
    return send(child(agent.pid), signal.SIGSTOP)


def stop_images(agent):
    return send(child(child(agent.pid)), signal.SIGSTOP)


def lose_machine(agent):
    worker = child(agent.pid)
    agent.kill()
    return send(worker, signal.SIGSTOP)  # nobody closes its connections


EVENTS = {"killed (SIGKILL)": kill, "stopped (SIGSTOP)": stop,
          "its loader of images stopped": stop_images, "its torchrun killed, itself stopped":
          lose_machine}


def wait_for(path, agents, log):
    while not path.exists():
        if any(agent.poll() is not None for agent in agents):
            sys.exit(log.read_text()[-3000:])
        time.sleep(0.1)


def lose(tool, what, folder):
    """What becomes of rank 0 once that has happened to rank 1."""
    log, out = folder / "log.txt", folder / f"run {what}"
    agents = start(tool(folder, out, 10**6), log=log)
    try:
        wait_for(out / "last_checkpoint", agents, log)
        time.sleep(2)
        begin = time.monotonic()
        worker = EVENTS[what](agents[1])
        code = agents[0].wait(300)
        seconds = time.monotonic() - begin
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        agents[1].wait(60)
    finally:
        for agent in agents:
            agent.kill()
    lines = [line for line in log.read_text().splitlines() if re.search(r"Rank 1 \(process", line)]
    told = re.search(r"(Iteration \d+ has|Rank 1 \().*", lines[-1])[0] if lines else ""
    for here, shown in ((f"on {socket.gethostname()}", "on HOST"), (f"{sys.base_prefix}/lib/", "")):
        told = told.replace(here, shown)
    return {"tool": tool.__name__, "what": f"rank 1: {what}", "seconds": round(seconds, 1),
            "code": code, "told": told.split(" --resume")[0]}


def restart(tool, folder):
    """Whether a run whose rank 1 was killed ends as one that was left alone."""
    finals = []
    for name, restarts in (("whole", 0), ("killed", 1)):
        log, out = folder / f"{name}.txt", folder / name
        agents = start(tool(folder, out, 30), log=log, restarts=restarts)
        if restarts:
            wait_for(out / "last_checkpoint", agents, log)
            kill(agents[1])
        begin = time.monotonic()
        codes = [agent.wait(400) for agent in agents]
        if any(codes):
            sys.exit(log.read_text()[-3000:])
        final = torch.load(out / (out / "last_checkpoint").read_text().strip(), weights_only=False)
        finals.append(final.get("model") or final["state_dict"])
    same = all(torch.equal(value, finals[1][key]) for key, value in finals[0].items())
    return {"tool": tool.__name__, "what": "rank 1: killed, with --max-restarts 1", "code": 0,
            "seconds": round(time.monotonic() - begin, 1), "told": "goes on without --resume; its "
            f"weights {'are, bit for bit, those' if same else 'are NOT those'} of a run left alone"}


def page(rows):
    lines = ["Two processes under two agents of torchrun on 127.0.0.1, tiny networks, the patience "
             "of 40 s that users have:", "`python -m benchmarks.processes`.", "",
             "| tool | what happened | the other had ended after, s | what it said |",
             "|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['tool']} | {row['what']} | {row['seconds']} | {row['told']} |")
    return "\n".join([*lines, "", f"Machine: {rows[0]['machine']}."])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    rows = []
    for what in (*EVENTS, None):
        for tool in (detection, segmentation):
            with tempfile.TemporaryDirectory(prefix="processes_") as folder:
                row = lose(tool, what, Path(folder)) if what else restart(tool, Path(folder))
            rows.append({**row, "machine": describe_machine()})
            print(rows[-1], flush=True)
            write_cases(args.out / "processes.json", rows)
            put_section(args.out / "reliability.md", "Processes that are lost or hang", page(rows))


if __name__ == "__main__":
    main()
