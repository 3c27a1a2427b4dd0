"""Tiny training runs of each framework that `benchmarks.reliability` kills."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from demo.mini_coco import write_mini_coco
from resnest_dense import architectures
from resnest_dense.configs import find_config
from resnest_dense.d2.train import make_parser as detection_parser
from resnest_dense.d2.train import run as run_detection
from resnest_dense.mmseg.run import train as segmentation

warnings.filterwarnings("ignore")
architectures._ARCHITECTURES["resnest_tiny"] = replace(
    architectures.get_architecture("resnest14"), bottleneck_width=8, stem_width=8)
_SMALL = {"SOLVER.IMS_PER_BATCH": 2, "INPUT.MIN_SIZE_TRAIN": "(64,)", "INPUT.MIN_SIZE_TEST": 64,
          "MODEL.RESNETS.WIDTH_PER_GROUP": 8, "MODEL.RESNETS.STEM_WIDTH": 8,
          "MODEL.FPN.OUT_CHANNELS": 32, "MODEL.WEIGHTS": "''", "MODEL.BACKBONE.FREEZE_AT": 0,
          "MODEL.DEVICE": "cpu", "SEED": 7}
_SEGMENTATION = '''
_base_ = ["{base}"]
model = dict(
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(architecture="resnest_tiny", init_cfg=None),
    decode_head=dict(channels=16, num_classes=3), auxiliary_head=dict(channels=16, num_classes=3))
train_pipeline = [
    dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5), dict(type="RandomCrop", crop_size=(32, 32)),
    dict(type="PhotoMetricDistortion"), dict(type="resnest_dense.RandomGaussianBlur"),
    dict(type="PackSegInputs")]
test_pipeline = [
    dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
data = dict(
    _delete_=True, type="resnest_dense.FolderDataset", images="{images}", labels="{labels}",
    classes=("dark", "middle", "light"))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(data, pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(data, pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.002))
train_cfg = dict(max_iters=30, val_interval=10)
tta_model = dict(base_size=40, crop_size=24, scales=(0.5, 1.0))
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=30, by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=10))
custom_hooks = [dict(type="resnest_dense.PreflightHook"), dict(type="EMAHook")]
randomness = dict(seed=7)
'''


class Detection:
    """A detector of a shipped config, made small, with evaluation and precise batch norms."""

    framework, iterations, period = "detectron2", 40, 3

    def __init__(self, name, config, **options):
        self.name, self.config, self.options = name, config, options

    def prepare(self, folder):
        self.data = write_mini_coco(folder / "data", train=12, val=3, size=(96, 64))

    def train(self, out, *, resume, workers):
        data = self.data
        settings = {**_SMALL, "SOLVER.MAX_ITER": self.iterations, "OUTPUT_DIR": out,
                    "SOLVER.CHECKPOINT_PERIOD": self.period, "TEST.EVAL_PERIOD": 10,
                    "DATALOADER.NUM_WORKERS": workers, **self.options}
        run_detection(detection_parser().parse_args([
            "--config-file", self.config, "--train-json", str(data.train_json),
            "--train-images", str(data.train_images), "--val-json", str(data.val_json),
            "--val-images", str(data.val_images), *(["--resume"] if resume else []),
            *(str(word) for pair in settings.items() for word in pair)]))

    def state(self, out):
        return {"final": torch.load(out / "model_final.pth"),
                "best": torch.load(out / "model_best.pth")}


class Segmentation:
    """A small DeepLabV3 with a moving average of its weights, and validation."""

    name, framework, iterations, period = "mmseg deeplabv3", "MMSegmentation", 30, 3

    def prepare(self, folder):
        rng = np.random.default_rng(0)
        images, labels = folder / "images", folder / "labels"
        images.mkdir(), labels.mkdir()
        for i in range(6):
            label = rng.integers(0, 3, (5, 6)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            noise = rng.integers(0, 40, (*label.shape, 3))
            picture = (label[..., None] * 90 + noise).astype(np.uint8)
            Image.fromarray(picture).save(images / f"{i}.png")
            Image.fromarray(label).save(labels / f"{i}.png")
        self.config = folder / "tiny.py"
        self.config.write_text(_SEGMENTATION.format(
            base=find_config("resnest14_deeplabv3_ade20k", "mmseg"), images=images, labels=labels))
        segmentation.read_config(self._arguments(folder, False, 0))  # the first reading is slow

    def _arguments(self, out, resume, workers):
        return segmentation.make_parser().parse_args([
            str(self.config), "--work-dir", str(out), *(["--resume"] if resume else []),
            "--cfg-options", f"train_dataloader.num_workers={workers}"])

    def train(self, out, *, resume, workers):
        segmentation.run(self._arguments(out, resume, workers))

    def state(self, out):
        path = Path(out, f"iter_{self.iterations}.pth")
        content = torch.load(path, weights_only=False)
        known = content["message_hub"]["runtime_info"]
        [best] = Path(out).glob("best_*.pth")
        kept = ("state_dict", "ema_state_dict", "optimizer", "param_schedulers")
        return {"score": known["best_score"], **{key: content[key] for key in kept},
                "best": torch.load(best, weights_only=False)["state_dict"]}


CASES = {case.name: case for case in (
    Detection("detectron2 mask_rcnn", "resnest14_mask_rcnn_mini.yaml",
              **{"TEST.PRECISE_BN.ENABLED": True, "TEST.PRECISE_BN.NUM_ITER": 2}),
    Detection("detectron2 retinanet", "resnest14_retinanet.yaml",
              **{"INPUT.MAX_SIZE_TRAIN": 96, "SOLVER.BASE_LR": 0.001,
                 "MODEL.RETINANET.NUM_CONVS": 1, "TEST.PRECISE_BN.NUM_ITER": 2}),
    Segmentation())}
