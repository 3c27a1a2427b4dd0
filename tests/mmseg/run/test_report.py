"""What the folder of a segmentor's run says: of this run alone, with what is lacking."""

import json
import os

from resnest_dense.mmseg.run.report import read_run
from resnest_dense.report.write import make_page
from resnest_dense.training.record import RECORD

TIME = "2026-01-02T03:04:05+00:00"


def write_rows(folder, name, rows, *, seconds):
    """The log of one start, last written so long after the first start of the run."""
    path = folder / name / "vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    log = folder / name / f"{name}.log"
    log.write_text("2026/01/02 03:04:05 - mmengine - INFO - training set: 4 images\n  ignored: 1%\n"
                   f"2026/01/02 03:04:06 - mmengine - WARNING - Preflight, norms: {name}\n")
    for file in (path, log):
        os.utime(file, (1767323045 + seconds,) * 2)


def row(iteration, loss):
    return dict(iter=iteration, step=iteration, loss=loss, lr=0.1, time=2.0, data_time=0.5)


def test_a_run_that_was_killed_and_went_on(tmp_path):
    start = dict(time=TIME, command=["mmseg_train.py"], seed=1, versions={}, commit=None, data={},
                 weights={}, config=dict(train_cfg=dict(type="IterBasedTrainLoop", max_iters=60),
                                         train_dataloader=dict(batch_size=4)))
    (tmp_path / RECORD).write_text(2 * f"{json.dumps(start)}\n")
    write_rows(tmp_path, "a", [row(10, 9.0), row(20, 9.0)], seconds=-60)  # of a run before
    write_rows(tmp_path, "b", [row(10, 3.0), row(20, 2.0), dict(step=20, mIoU=30.5, time=0.25)],
               seconds=30)
    write_rows(tmp_path, "c", [row(20, 1.5), row(30, 1.0)], seconds=90)
    (tmp_path / "iter_35.pth").write_bytes(b"cut off")
    run = read_run(tmp_path)
    assert run.panels["Losses"] == {"loss": {10: 3.0, 20: 1.5, 30: 1.0}}
    assert run.panels["Validation, %"] == {"mIoU": {20: 30.5}}
    assert (run.done, run.wanted, run.unit, run.starts) == (35, 60, "iterations", 2)
    assert (run.scored_at, run.scores) == (20, {"mIoU": 30.5})
    assert [message.text for message in run.messages] == [
        "training set: 4 images\n  ignored: 1%", "Preflight, norms: c"]
    assert "2.000 s for 4 images" in run.costs["Training step"]
    assert run.costs["Evaluation"] == "0.250 s an image" and run.costs["Memory of the GPU"] is None
    page = make_page(run)
    assert page.state.startswith("Not finished: 35 of 60 iterations, started 2 times")
    (why,) = [why for why, whats in page.missing().items() if "IoU by class" in whats]
    assert "no config" in why and "Calibration" in page.missing()[why]
    (tmp_path / "config.py").write_text("model = dict()\n")
    (why,) = read_run(tmp_path).absent.values()
    assert "no checkpoint that is whole" in why and "iter_35.pth" in why
