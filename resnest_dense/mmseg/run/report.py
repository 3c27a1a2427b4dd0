"""What the work dir of a segmentor's run says, and what its weights do on the validation set, for
its report."""

import re
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.runner import Runner
from torch import Tensor

from resnest_dense.base.progress import progress
from resnest_dense.config_errors import explained
from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.config import load_config
from resnest_dense.mmseg.parts.checkpoints import checkpoints_in
from resnest_dense.mmseg.run.settings import running
from resnest_dense.report.logs import curve, last_row, read_log, read_rows
from resnest_dense.report.measures.pixels import PixelScores
from resnest_dense.report.run import Run
from resnest_dense.training.checkpoints import is_whole
from resnest_dense.training.record import read_records

__all__ = ["measure", "read_run"]

_SAID = re.compile(r"Preflight, |(training|validation|test) set\b")
_LOSS = re.compile(r"(^|[._])loss")
_METRICS = ("mIoU", "mAcc", "aAcc", "pixAcc")
_STEPS = {"max_iters": ("iter", "iterations"), "max_epochs": ("epoch", "epochs")}


def read_run(folder: Path) -> Run:
    """The run of a segmentor, whose best weights (the last ones, where none are the best) go over
    the validation set once.

    Raises:
        ResNeStError: a folder without one.
    """
    records = read_records(folder)
    cfg = records[-1]["config"]
    since = datetime.fromisoformat(records[0]["time"]).timestamp()
    rows = [row for path in _since(folder.glob("*/vis_data/scalars.json"), since)
            for row in read_rows(path)]
    log = [message for path in _since(folder.glob("*/*.log"), since) for message in read_log(path)]
    trained = [row for row in rows if "loss" in row]
    limit = next((key for key in _STEPS if key in (cfg.get("train_cfg") or {})), "max_iters")
    step, unit = _STEPS[limit]
    scored_at, last = last_row(rows, "step", _METRICS)
    keys = sorted({key for row in rows for key in row})
    pixels, why = None, ""
    try:
        pixels = measure(folder)
    except ResNeStError as error:
        why = str(error)
    return Run(
        folder, "MMSegmentation", records[-1], len(records), _done(folder, trained, step),
        (cfg.get("train_cfg") or {}).get(limit), unit,
        {"Losses": {key: curve(trained, key, "iter") for key in keys if _LOSS.search(key)},
         "Learning rate": {"lr": curve(trained, "lr", "iter")},
         "Validation, %": {key: curve(rows, key, "step") for key in _METRICS if key in keys}},
        {key: last[key] for key in _METRICS if key in last}, scored_at,
        [*{message.subject: message for message in log if _SAID.match(message.text)}.values()],
        _costs(rows, trained, cfg), pixels=pixels, absent={"pixels": why} if why else {})


def measure(folder: Path) -> PixelScores:
    """What the weights in a work dir do on the validation set of its config, which is gone through
    as training does.

    Raises:
        ResNeStError: no weights, no config, or data that is not there any more.
    """
    configs = sorted(folder.glob("*.py"), key=lambda path: path.stat().st_mtime)
    if not configs:
        raise ResNeStError(f"{folder} holds no config, as training leaves one there.")
    weights = _weights(folder)
    cfg = load_config(configs[-1])
    # Nothing of this is a run of its own: what mmengine writes is not kept.
    with tempfile.TemporaryDirectory() as work, explained(configs[-1]):
        cfg.update(load_from=str(weights), resume=False, launcher="none", work_dir=work,
                   log_level="ERROR")
        with running(cfg, "val_loop") as runner:
            runner.load_or_resume()
            return _go_through(runner, weights.name)


def _go_through(runner: Runner, source: str) -> PixelScores:
    loader = runner.val_dataloader
    dataset = loader.dataset
    found = PixelScores(tuple(dataset.metainfo["classes"]), source,
                        palette=dataset.metainfo.get("palette"), ignore=dataset.ignore_index)
    runner.model.eval()
    for batch in progress(loader, "batches of the validation set"):
        with torch.no_grad():
            samples = runner.model.val_step(batch)
        for sample in samples:
            truth, labels = sample.gt_sem_seg.data[0], sample.pred_sem_seg.data[0]
            found.add(sample.img_path, *(part.cpu().numpy() for part in (
                truth, labels.long(), _confidence(sample.seg_logits.data, labels))))
    return found


def _confidence(scores: Tensor, labels: Tensor) -> Tensor:
    """The probability (H, W) of the class that each pixel has been given."""
    if len(scores) > 1:
        return scores.softmax(0).amax(0)
    return torch.where(labels > 0, scores[0], 1 - scores[0])  # a probability already


def _weights(folder: Path) -> Path:
    best = sorted(folder.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    return next((path for path in best[::-1] if is_whole(path)), None) or (
        checkpoints_in(folder).last_whole())


def _done(folder: Path, trained: Iterable[Mapping], step: str) -> int:
    """The steps that are in the log, or in a checkpoint where that has more."""
    saved = [int(found[1]) for path in checkpoints_in(folder).find()
             if (found := re.fullmatch(rf"{step}_(\d+)", path.stem))]
    return max([*saved, *(int(row[step]) for row in trained if step in row)], default=0)


def _since(paths: Iterable[Path], time: float) -> list[Path]:
    """In order, without what a run has left in whose place this one is."""
    return sorted(path for path in paths if path.stat().st_mtime >= time)


def _costs(rows: list[dict], trained: list[dict], cfg: Mapping[str, Any]) -> dict[str, str | None]:
    images = cfg["train_dataloader"]["batch_size"]
    step, wait, memory = ([row[key] for row in trained if key in row]
                          for key in ("time", "data_time", "memory"))
    validated = [row["time"] for row in rows if "loss" not in row and "time" in row]
    return {
        "Training step": f"{median(step):.3f} s for {images} images a process, of it "
        f"{median(wait):.3f} s waiting for data; {images / median(step):.1f} images/s a process "
        "(medians)" if step and wait else None,
        "Memory of the GPU": f"{max(memory)} MB" if memory else None,
        "Evaluation": f"{validated[-1]:.3f} s an image" if validated else None}
