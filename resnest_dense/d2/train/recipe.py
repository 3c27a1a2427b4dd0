"""A config of detectron2 as the recipe of a comparison of backbones."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from resnest_dense.analysis import Analysis
from resnest_dense.comparison.recipe import Member, Recipe, require_learnt
from resnest_dense.configs import find_any_config
from resnest_dense.d2.backbone import SHAPE_KEYS
from resnest_dense.d2.benchmark import DetectorCase
from resnest_dense.d2.predict.analysis import analyze_detector
from resnest_dense.d2.train.main import read_config
from resnest_dense.d2.train.trainer import RESULTS_FILE
from resnest_dense.data.own_files import words_of
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["DetectorRecipe"]

# Which of our builders takes the place of a config's.
_BUILDERS = {f"build_{prefix}{name}{suffix}_backbone": f"build_{prefix}resnest{suffix}_backbone"
             for name in ("resnet", "resnest")
             for prefix, suffix in (("", ""), ("", "_fpn"), ("retinanet_", "_fpn"))}
# Where each score is in detectron2's results.
_SCORES = {"PQ": "panoptic_seg/PQ", "box AP": "bbox/AP", "mask AP": "segm/AP",
           "keypoint AP": "keypoints/AP", "mIoU": "sem_seg/mIoU"}
_METRICS_FILE = "metrics.json"


class DetectorRecipe(Recipe):
    """Of a YAML config.

    Args:
        args: of ``resnest-dense compare``: config, opts and own data.

    Raises:
        ResNeStError: a LazyConfig, one that cannot be used, or one without a set to measure on.
    """

    suffix = ".yaml"

    def __init__(self, args: argparse.Namespace):
        path, form = find_any_config(args.config)
        if form == "lazy":
            raise ResNeStValueError(f"{path} is a LazyConfig, whose model may be anything: give "
                                    "compare the YAML config of that experiment.")
        self._data = words_of(args)
        self._cfg = read_config(argparse.Namespace(**{
            **vars(args), "config_file": str(path), "opts": [*args.opts, "OUTPUT_DIR", args.out]}))
        self._path = path
        self._require()

    def settings(self, member: Member) -> dict[str, Any]:
        cfg = dict(CfgNode.load_cfg(self._config(member).dump()))
        for free in ("SEED", "OUTPUT_DIR"):
            del cfg[free]
        return {"config": cfg, "data": self._data}

    def write(self, member: Member, path: Path) -> None:
        path.write_text(self._config(member).dump())

    def training(self, config: Path, seed: int, out: Path) -> list[str]:
        return self._command(config, out, "--resume", "SEED", str(seed))

    def measuring(self, config: Path, out: Path) -> list[str]:
        return self._command(config, out, "--resume", "--eval-only")

    def scores(self, out: Path) -> dict[str, float]:
        measured = out / RESULTS_FILE
        if measured.is_file():
            found = {f"{task}/{name}": value for task, values in
                     json.loads(measured.read_text()).items() for name, value in values.items()}
        else:
            log = out / _METRICS_FILE
            rows = [json.loads(line) for line in log.read_text().splitlines()]
            found = {key: value for row in rows if row["iteration"] == self._cfg.SOLVER.MAX_ITER
                     for key, value in row.items()}
        return {name: found[key] for name, key in _SCORES.items() if key in found}

    def analyze(self, config: Path) -> Analysis:
        return analyze_detector(config)

    def case(self, config: Path, variant: str, size: tuple[int, int], images: int,
             device: str) -> DetectorCase:
        return DetectorCase(str(config), variant, size, images, device)

    def _require(self) -> None:
        cfg = self._cfg
        if cfg.MODEL.BACKBONE.NAME not in _BUILDERS:
            raise ResNeStValueError(
                f"{self._path}: MODEL.BACKBONE.NAME {cfg.MODEL.BACKBONE.NAME} is no ResNet or "
                f"ResNeSt, in whose place another could be put: {listed(_BUILDERS)}.")
        if not cfg.DATASETS.TRAIN or len(cfg.DATASETS.TEST) != 1:
            raise ResNeStValueError(
                f"{self._path} trains on {listed(cfg.DATASETS.TRAIN) or 'nothing'} and measures on "
                f"{listed(cfg.DATASETS.TEST) or 'nothing'}: a comparison needs data to train on "
                "and one set to measure on (--train-json, --val-json, ... or DATASETS).")

    def _config(self, member: Member) -> CfgNode:
        cfg = self._cfg.clone()
        cfg.defrost()
        model = cfg.MODEL
        model.BACKBONE.NAME = _BUILDERS[model.BACKBONE.NAME]
        model.RESNETS.update(SHAPE_KEYS, ARCHITECTURE=member.network)
        model.WEIGHTS = member.weights
        if not member.weights:
            require_learnt(model.RESNETS.NORM, "MODEL.RESNETS.NORM", member)
            model.BACKBONE.FREEZE_AT = 0  # what is frozen would stay random
        if member.contract:
            wanted = member.contract.scaled(255)
            cfg.INPUT.FORMAT = wanted.channel_order
            model.PIXEL_MEAN, model.PIXEL_STD = list(wanted.mean), list(wanted.std)
        return cfg

    def _command(self, config: Path, out: Path, *words: str) -> list[str]:
        return [sys.executable, "-m", "resnest_dense.d2.train", "--config-file", str(config),
                *self._data, *words, "OUTPUT_DIR", str(out)]
