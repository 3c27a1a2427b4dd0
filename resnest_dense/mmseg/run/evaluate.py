"""Evaluation of a segmentor, as ``tools/mmseg_test.py`` starts it, and of a published one."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config

from resnest_dense.mmseg.run.predict import find_checkpoint
from resnest_dense.mmseg.run.settings import add_arguments, read_config, running
from resnest_dense.training.processes.launch import find_launch, joined
from resnest_dense.training.processes.watch import watched

__all__ = ["make_parser", "measure_published", "run"]


def make_parser() -> argparse.ArgumentParser:
    """The arguments of MMSegmentation's own tool, and those of own data."""
    parser = argparse.ArgumentParser(description="Tests a segmentor.")
    add_arguments(parser)
    parser.add_argument("checkpoint",
                        help="weights of the whole segmentor: a file, or a name in the catalog")
    parser.add_argument("--out", help="folder for the predicted label PNGs")
    parser.add_argument("--show-dir", help="folder for pictures: labels left, prediction right")
    parser.add_argument("--tta", choices=["config", "mmseg", "published"], nargs="?",
                        const="config", help="test-time augmentation: the config's own (also "
                        "without a value), MMSegmentation's, or that of the published results")
    return parser


def run(args: argparse.Namespace) -> dict[str, float]:
    """The metrics of the test set, as the parsed ``args`` of :func:`make_parser` say.

    Raises:
        ResNeStError: a config, data or checkpoint that cannot be used, before the first image.
    """
    checkpoint = find_checkpoint(args.checkpoint)
    cfg = read_config(args)
    cfg.load_from, cfg.resume = str(checkpoint), False
    if args.out:
        cfg.test_evaluator.update(output_dir=args.out, keep_results=True)
    if args.show_dir:
        cfg.default_hooks.visualization.update(draw=True, interval=1)
        cfg.visualizer.update(save_dir=args.show_dir)
    if args.tta:
        _use_augmentation(cfg, args.tta)
    with (joined(find_launch(), cuda=torch.cuda.is_available()), watched(),
          running(cfg, "test_loop") as runner):
        return runner.test()


def measure_published(config: str, checkpoint: Path, metrics: Iterable[str], *, out: Path,
                      dilated_form: str | None = None, data_root: str | None = None,
                      options: Sequence[str] = ()) -> dict[str, float]:
    """The ``metrics`` of a published checkpoint on its test set, in its publisher's protocol.

    Args:
        config: path or shipped name of the config that the checkpoint belongs to.
        checkpoint: its weights.
        metrics: names of the catalog, in percent: "miou" (one scale), or some of
            "pix_acc_ms_flip" and "miou_ms_flip".
        out: folder of the logs.
        dilated_form: of the checkpoint; "official" ones were tested in sliding windows.
        data_root: the folder of the data set; None for the config's own.
        options: KEY=VALUE settings that override the config.

    Raises:
        ResNeStError: as :func:`run`.
    """
    metrics, options = list(metrics), list(options)
    arguments = [config, str(checkpoint), "--work-dir", str(out)]
    if any(name.endswith("_ms_flip") for name in metrics):
        arguments += ["--tta", "published" if dilated_form == "official" else "mmseg"]
    if data_root:
        options.append(f"test_dataloader.dataset.data_root={data_root}")
    if options:
        arguments += ["--cfg-options", *options]
    results = run(make_parser().parse_args(arguments))
    pixels = "pixAcc" if "pixAcc" in results else "aAcc"  # MMSegmentation's own metric
    return {name: results[pixels if name.startswith("pix_acc") else "mIoU"] for name in metrics}


def _use_augmentation(cfg: Config, kind: str) -> None:
    """Test ``cfg`` with its own augmentation ("config"), the published one, or MMSegmentation's
    ("mmseg": softmax averaged over 0.5 to 1.75 times the test size and flips, whole images)."""
    steps = cfg.test_dataloader.dataset.pipeline
    if kind == "mmseg":
        sizes = [step.scale for step in steps if step.type == "Resize"]
        cfg.tta_model, cfg.tta_pipeline = dict(type="SegTTAModel"), _multi_scale(sizes)
    elif kind == "published":
        own = cfg.get("tta_model") or {}
        if own.get("type") != "resnest_dense.PublishedProtocol":
            cfg.tta_model = dict(type="resnest_dense.PublishedProtocol")
        cfg.tta_pipeline = [step for step in steps if step.type not in ("Resize", "Pad")]
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = dict(**cfg.tta_model, module=cfg.model)


def _multi_scale(sizes: list) -> list[dict]:
    ratios = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    resizes = [dict(type="Resize", keep_ratio=True, **(
        dict(scale=tuple(int(side * r + 0.5) for side in sizes[0])) if sizes
        else dict(scale_factor=r))) for r in ratios]
    flips = [dict(type="RandomFlip", prob=prob, direction="horizontal") for prob in (0.0, 1.0)]
    load, pack = [dict(type="LoadAnnotations")], [dict(type="PackSegInputs")]
    return [dict(type="LoadImageFromFile"),
            dict(type="TestTimeAug", transforms=[resizes, flips, load, pack])]
