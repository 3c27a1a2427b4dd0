"""What the OUTPUT_DIR of a detector's run says, for its report."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from resnest_dense.report.logs import Message, curve, last_row, read_log, read_rows
from resnest_dense.report.run import InstanceFiles, Run
from resnest_dense.training.record import read_records

__all__ = ["read_run"]

_SAID = re.compile(r"Preflight, |Data set |AP of \S+ is that of| has no object of ")
_LOSS = re.compile(r"(^|_)loss")
# With several sets the name of the set comes first.
_SCORE = re.compile(r"(?:bbox|segm|keypoints|panoptic_seg|sem_seg)(?:_TTA)?/[^/]+$")
_SHOWN = ("AP", "AP50", "PQ", "mIoU")  # as curves
_CLOCK = re.compile(r"Evaluation of (\S+): (network .*? for \d+ images)")
_TOTAL = re.compile(r"Total training time: (\S+)")
_MEMORY = re.compile(r"max_mem: (\d+M)")


def read_run(folder: Path) -> Run:
    """The run of a detector.

    Raises:
        ResNeStError: a folder without one.
    """
    records = read_records(folder)
    start = records[-1]
    cfg, rows, log = start["config"], read_rows(folder / "metrics.json"), read_log(
        folder / "log.txt")
    keys = sorted({key for row in rows for key in row})
    scores = [key for key in keys if _SCORE.search(key)]
    scored_at, last = last_row(rows, "iteration", scores)
    trained = [int(row["iteration"]) + 1 for row in rows if "total_loss" in row]
    return Run(
        folder, "detectron2", start, len(records), max(trained, default=0),
        cfg["SOLVER"]["MAX_ITER"], "iterations",
        {"Losses": {key: curve(rows, key, "iteration") for key in keys if _LOSS.search(key)},
         "Learning rate": {"lr": curve(rows, "lr", "iteration")},
         "Validation, %": {key: curve(rows, key, "iteration") for key in scores
                           if key.rpartition("/")[2] in _SHOWN}},
        {key: value for key, value in last.items() if key in scores}, scored_at,
        [*{message.subject: message for message in log if _SAID.search(message.text)}.values()],
        _costs(rows, log, cfg), [*_sets(folder, start)],
        absent={"pixels": "of semantic labels detectron2 keeps the scores alone."})


def _costs(rows: list[dict], log: list[Message], cfg: Mapping[str, Any]
           ) -> dict[str, str | None]:
    def last(pattern: re.Pattern[str]) -> re.Match[str] | None:
        return next((found for message in reversed(log)
                     if (found := pattern.search(message.text))), None)

    times = [median(values) for key in ("time", "data_time")
             if (values := [row[key] for row in rows if key in row])]
    images = cfg["SOLVER"]["IMS_PER_BATCH"]
    total, memory, clock = map(last, (_TOTAL, _MEMORY, _CLOCK))
    return {
        "Training step": None if len(times) < 2 else f"{times[0]:.3f} s for {images} images, of it "
        f"{times[1]:.3f} s waiting for data; {images / times[0]:.1f} images/s (medians)",
        "Training time": total and total[1],
        "Memory of the GPU": memory and memory[1],
        "Evaluation": clock and f"{clock[1]}: {clock[2]}"}


def _sets(folder: Path, start: Mapping[str, Any]) -> Iterator[InstanceFiles]:
    names, test = start["config"]["DATASETS"]["TEST"], start["config"]["TEST"]
    limit, root = test["DETECTIONS_PER_IMAGE"], start.get("cwd", "")
    for name in names:
        paths = start["data"].get(name, {})
        truth = next((path for path in paths if path.endswith(".json")), None)
        others = [path for path in paths if not path.endswith(".json")]
        if truth and others:  # annotations come first, the folder of the images next
            parts = [name] if len(names) > 1 else []
            yield InstanceFiles(
                name, Path(root, truth), Path(root, others[0]),
                folder.joinpath("inference", *parts, "coco_instances_results.json"),
                paths[truth], max(100, limit) if limit >= 0 else 10**6,
                test["KEYPOINT_OKS_SIGMAS"])
