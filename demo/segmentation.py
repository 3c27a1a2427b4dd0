"""Trains DeepLabV3-ResNeSt-14 on the embedded miniature ADE20K set, on a CPU, in minutes.

    python -m demo.segmentation --out results/demo-seg

Writes the data, the run of MMSegmentation with its checkpoint, a picture of the training curve and
pictures of the validation images with their labels and predictions. Its last line is
``demo-seg: mIoU X, Z s, results in DIR``.
"""

import argparse
import json
import time
from pathlib import Path

import matplotlib
import mmcv
import numpy as np
from matplotlib import pyplot
from mmengine.config import Config
from PIL import Image

from demo.mini_ade import CLASSES, MiniAde, write_mini_ade
from resnest_dense.configs import find_config
from resnest_dense.data.labels.pictures import draw_labels
from resnest_dense.mmseg.run.settings import build_runner


def make_config(data: MiniAde, work_dir: Path, iterations: int) -> Config:
    """The shipped config for ADE20K, cut down to the miniature set and a CPU."""
    cfg = Config.fromfile(find_config("resnest14_deeplabv3_ade20k", "mmseg"))
    crop, size = (96, 96), (128, 128)
    train = [
        dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
        dict(type="RandomFlip", prob=0.5),
        dict(type="RandomResize", scale=size, ratio_range=(0.9, 1.5), keep_ratio=True),
        dict(type="Pad", size=crop, pad_val=dict(img=0, seg=255)),
        dict(type="RandomCrop", crop_size=crop), dict(type="PackSegInputs"),
    ]
    test = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
            dict(type="PackSegInputs")]
    dataset = dict(data_root=str(data.root), metainfo=dict(classes=tuple(CLASSES)))
    loading = dict(num_workers=0, persistent_workers=False)
    cfg.merge_from_dict(dict(
        model=dict(
            data_preprocessor=dict(size=crop), backbone=dict(init_cfg=None),
            decode_head=dict(num_classes=len(CLASSES), channels=64, fusion_dropout=0.1),
            auxiliary_head=dict(num_classes=len(CLASSES), channels=64)),
        train_dataloader=dict(batch_size=8, dataset=dict(dataset, pipeline=train), **loading),
        val_dataloader=dict(dataset=dict(dataset, pipeline=test), **loading),
        test_dataloader=dict(dataset=dict(dataset, pipeline=test), **loading),
        test_evaluator=dict(output_dir=str(work_dir.parent / "predictions"), keep_results=True),
        optim_wrapper=dict(optimizer=dict(lr=0.02)),
        train_cfg=dict(max_iters=iterations, val_interval=iterations),
        default_hooks=dict(logger=dict(interval=10), checkpoint=dict(interval=iterations)),
        work_dir=str(work_dir), log_level="WARNING", launcher="none",
    ))
    cfg.param_scheduler[0].end = iterations
    return cfg


def draw_curve(log: Path, out: Path) -> None:
    """The loss and the pixel accuracy of training, from mmengine's log of scalars."""
    rows = [row for row in map(json.loads, log.read_text().splitlines()) if "loss" in row]
    matplotlib.use("Agg")
    figure, loss = pyplot.subplots(figsize=(6, 4), layout="constrained")
    steps = [row["step"] for row in rows]
    loss.plot(steps, [row["loss"] for row in rows], color="C0")
    loss.set(xlabel="iteration", ylabel="loss")
    accuracy = loss.twinx()
    accuracy.plot(steps, [row["decode.acc_seg"] for row in rows], color="C1")
    accuracy.set(ylabel="pixel accuracy of the batch, %", ylim=(0, 100))
    figure.savefig(out)
    pyplot.close(figure)


def draw_overlays(data: MiniAde, predictions: Path, out: Path) -> None:
    """Of each validation image: its labels on the left, the prediction on the right."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = np.full(256, 255, np.uint8)
    numbers[list(CLASSES.values())] = range(len(CLASSES))
    for path in sorted(predictions.glob("*.png")):
        photo = mmcv.imread(str(data.val_images / f"{path.stem}.jpg"), channel_order="rgb")
        label = numbers[np.asarray(Image.open(data.val_labels / path.name))]
        halves = [draw_labels(photo, labels, list(CLASSES))
                  for labels in (label, np.asarray(Image.open(path)) - 1)]
        picture = Image.new("RGB", (sum(half.width for half in halves),
                                    max(half.height for half in halves)), "white")
        picture.paste(halves[0], (0, 0))
        picture.paste(halves[1], (halves[0].width, 0))
        picture.save(out / path.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("results/demo-seg"))
    parser.add_argument("--iterations", type=int, default=140)
    args = parser.parse_args()
    start = time.monotonic()
    data = write_mini_ade(args.out / "data")
    runner = build_runner(make_config(data, args.out / "run", args.iterations))
    for logger in (runner.logger, *runner.logger.handlers):
        logger.setLevel("INFO")  # only now, after the lines that repeat the whole config
    runner.train()
    score = runner.test()["mIoU"]
    draw_curve(Path(runner.log_dir) / "vis_data" / "scalars.json", args.out / "curve.png")
    draw_overlays(data, args.out / "predictions", args.out / "overlays")
    print(f"demo-seg: mIoU {score:.1f}, {time.monotonic() - start:.0f} s, results in {args.out}")


if __name__ == "__main__":
    main()
