"""Tiny training runs of each framework, for `benchmarks.reliability` and `benchmarks.endurance`."""

import warnings
from dataclasses import replace
from pathlib import Path

import torch

from demo.mini_coco import write_mini_coco
from demo.tiny_labels import CONFIG, write_tiny_labels
from resnest_dense import architectures
from resnest_dense.configs import find_config
from resnest_dense.d2.train import make_parser as detection_parser
from resnest_dense.d2.train import run as run_detection
from resnest_dense.mmseg.run import evaluate
from resnest_dense.mmseg.run import train as segmentation

warnings.filterwarnings("ignore")
_SMALL = {"SOLVER.IMS_PER_BATCH": 2, "INPUT.MIN_SIZE_TRAIN": "(64,)", "INPUT.MIN_SIZE_TEST": 64,
          "MODEL.RESNETS.WIDTH_PER_GROUP": 8, "MODEL.RESNETS.STEM_WIDTH": 8,
          "MODEL.FPN.OUT_CHANNELS": 32, "MODEL.BACKBONE.FREEZE_AT": 0,
          "MODEL.DEVICE": "cpu", "SEED": 7}
_SEGMENTATION = CONFIG + '''
model["backbone"].update(architecture="resnest_tiny")
train_pipeline.insert(-1, dict(type="PhotoMetricDistortion"))
train_cfg.update(max_iters=30, val_interval=10)
param_scheduler[0].update(end=30)
default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=10))
custom_hooks = [dict(type="resnest_dense.PreflightHook"), dict(type="EMAHook")]
randomness = dict(seed=7)
'''


class Detection:
    """A detector of a shipped config, made small, with evaluation and precise batch norms."""

    framework = "detectron2"

    def __init__(self, name, config, *, iterations=40, period=3, **options):
        self.name, self.config, self.options = name, config, options
        self.iterations, self.period = iterations, period

    def prepare(self, folder):
        self.data = write_mini_coco(folder / "data", train=12, val=3, size=(96, 64))

    def train(self, out, *, resume, workers):
        self._run(out, workers, *(["--resume"] if resume else []))

    def evaluate(self, out, trained, *, workers):
        self._run(out, workers, "--eval-only", weights=trained / "model_final.pth")

    def _run(self, out, workers, *words, weights="''"):
        data = self.data
        settings = {**_SMALL, "SOLVER.MAX_ITER": self.iterations, "OUTPUT_DIR": out,
                    "SOLVER.CHECKPOINT_PERIOD": self.period, "TEST.EVAL_PERIOD": 10,
                    "DATALOADER.NUM_WORKERS": workers, **self.options,
                    "MODEL.WEIGHTS": weights}
        run_detection(detection_parser().parse_args([
            "--config-file", self.config, "--train-json", str(data.train_json),
            "--train-images", str(data.train_images), "--val-json", str(data.val_json),
            "--val-images", str(data.val_images), *words,
            *(str(word) for pair in settings.items() for word in pair)]))

    def state(self, out):
        best = out / "model_best.pth"  # none while nothing is found, and AP is no number
        return {"final": torch.load(out / "model_final.pth"),
                "best": torch.load(best) if best.exists() else None}


class Segmentation:
    """A small DeepLabV3 with a moving average of its weights, and validation."""

    name, framework, period = "mmseg deeplabv3", "MMSegmentation", 3

    def __init__(self, *options, iterations=30):
        self.options, self.iterations = options, iterations

    def prepare(self, folder):
        architectures._ARCHITECTURES["resnest_tiny"] = replace(
            architectures.get_architecture("resnest14"), bottleneck_width=8, stem_width=8)
        images, labels = write_tiny_labels(folder)
        self.config = folder / "tiny.py"
        self.config.write_text(_SEGMENTATION.format(
            base=find_config("resnest14_deeplabv3_ade20k", "mmseg"), images=images, labels=labels))
        segmentation.read_config(self._arguments(folder, False, 0))  # the first reading is slow

    def _arguments(self, out, resume, workers):
        return segmentation.make_parser().parse_args([
            str(self.config), "--work-dir", str(out), *(["--resume"] if resume else []),
            "--cfg-options", f"train_dataloader.num_workers={workers}", *self.options])

    def train(self, out, *, resume, workers):
        segmentation.run(self._arguments(out, resume, workers))

    def evaluate(self, out, trained, *, workers):
        evaluate.run(evaluate.make_parser().parse_args([
            str(self.config), str(trained / f"iter_{self.iterations}.pth"), "--work-dir", str(out),
            "--cfg-options", f"test_dataloader.num_workers={workers}"]))

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
