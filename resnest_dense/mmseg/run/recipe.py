"""A config of MMSegmentation as the recipe of a comparison of backbones."""

import argparse
import copy
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from resnest_dense.analysis import Analysis
from resnest_dense.comparison.recipe import Member, Recipe, require_learnt
from resnest_dense.errors import ResNeStValueError
from resnest_dense.mmseg.benchmark import SegmentorCase
from resnest_dense.mmseg.run.analysis import analyze_segmentor
from resnest_dense.mmseg.run.settings import read_config
from resnest_dense.mmseg.run.train import make_parser

__all__ = ["SegmentorRecipe"]

_OURS = "resnest_dense.ResNeSt"
_SCORE = "mIoU"


class SegmentorRecipe(Recipe):
    """Of a config whose backbone is ours.

    Args:
        args: of ``resnest-dense compare``: config, opts and own data.

    Raises:
        ResNeStError: one that cannot be used, has another backbone or begins with the weights of a
            whole segmentor.
    """

    suffix = ".py"

    def __init__(self, args: argparse.Namespace):
        options = make_parser().parse_args(
            [args.config, "--work-dir", args.out,
             *(["--cfg-options", *args.opts] if args.opts else [])])
        for name in ("train", "val", "classes", "reduce_zero_label"):
            setattr(options, name, getattr(args, name))
        self._cfg = read_config(options)
        name, model = self._cfg.filename, self._cfg.model
        if model.backbone.get("type") != _OURS:
            raise ResNeStValueError(
                f"{name}: model.backbone is {model.backbone.get('type')!r}, in whose place no other"
                f" could be put: take a config with type={_OURS!r}, as the shipped ones of ResNeSt "
                "have.")
        for key, value in (("load_from", self._cfg.get("load_from")),
                           ("model.pretrained", model.get("pretrained"))):
            if value:
                raise ResNeStValueError(f"{name}: {key} is {value!r}, and each backbone starts from"
                                        " what --weights says: set it None.")
        if not self._cfg.get("train_dataloader") or not self._cfg.get("val_dataloader"):
            raise ResNeStValueError(f"{name} has no train_dataloader or no val_dataloader: a "
                                    "comparison trains and measures.")

    def settings(self, member: Member) -> dict[str, Any]:
        cfg = self._config(member).to_dict()
        del cfg["work_dir"]
        cfg.get("randomness", {}).pop("seed", None)
        return json.loads(json.dumps(cfg, default=str))

    def write(self, member: Member, path: Path) -> None:
        self._config(member).dump(path)

    def training(self, config: Path, seed: int, out: Path) -> list[str]:
        return self._command("train", config, "--work-dir", str(out), "--resume", "--cfg-options",
                             f"randomness.seed={seed}")

    def measuring(self, config: Path, out: Path) -> list[str]:
        checkpoint = (out / "last_checkpoint").read_text().strip()
        return self._command("test", config, checkpoint, "--work-dir", str(out))

    def scores(self, out: Path) -> dict[str, float]:
        last = self._cfg.train_cfg.get("max_iters") or self._cfg.train_cfg.max_epochs
        rows = [row for path in sorted(out.glob("*/vis_data/scalars.json"))
                for row in map(json.loads, path.read_text().splitlines()) if row["step"] == last]
        rows += [json.loads(path.read_text()) for path in sorted(out.glob("*/*.json"))]
        return _find(rows)

    def analyze(self, config: Path) -> Analysis:
        return analyze_segmentor(config)

    def case(self, config: Path, variant: str, size: tuple[int, int], images: int,
             device: str) -> SegmentorCase:
        return SegmentorCase(str(config), variant, size, images, device)

    def _config(self, member: Member) -> Config:
        cfg = copy.deepcopy(self._cfg)
        backbone = cfg.model.backbone
        backbone.architecture, backbone.init_cfg = member.network, None
        if member.weights:
            backbone.init_cfg = dict(type="Pretrained", checkpoint=member.weights)
        else:
            require_learnt((backbone.get("norm_cfg") or {}).get("type", ""),
                           "model.backbone.norm_cfg.type", member)
            backbone.update(frozen_stages=-1, norm_eval=False)  # what is frozen stays random
        if member.contract:
            wanted = member.contract.scaled(255)
            cfg.model.data_preprocessor.update(mean=list(wanted.mean), std=list(wanted.std),
                                               bgr_to_rgb=wanted.channel_order == "RGB")
        return cfg

    def _command(self, tool: str, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "resnest_dense.mmseg.run", tool, *map(str, words)]


def _find(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    found = [row[_SCORE] for row in rows if _SCORE in row]
    return {_SCORE: found[-1]} if found else {}
