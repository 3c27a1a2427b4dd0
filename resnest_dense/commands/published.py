"""The command that measures a published checkpoint and compares."""

import argparse
import os
from pathlib import Path

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds ``evaluate-published``."""
    command = commands.add_parser(
        "evaluate-published", help="measure a published detector or segmentor, and compare",
        description="Fetches a checkpoint, evaluates it with the config that it belongs to, "
        "compares with the published metrics and prints the environment. Exits with 1 where they "
        "differ by more than 0.1.")
    command.add_argument("name", help="a name in the catalog")
    command.add_argument("--data", metavar="DIR", help="the folder that holds coco/, or that of "
                         "the segmentation set; default: DETECTRON2_DATASETS, or the config's")
    command.add_argument("--multi-scale", action="store_true",
                         help="the result with flips and scales, where both were published")
    command.add_argument("--num-gpus", type=int, default=1, metavar="N", help="for detectors")
    command.add_argument("--out", metavar="DIR",
                         help="predictions and logs (default: published/NAME)")
    command.add_argument("--opts", nargs=argparse.REMAINDER, default=[], metavar="SETTING",
                         help="override the config: KEY VALUE for detectron2, KEY=VALUE for mmseg")
    command.set_defaults(run=_evaluate_published)


def _evaluate_published(args: argparse.Namespace) -> int:
    from resnest_dense.doctor import versions_table
    from resnest_dense.weights import catalog, fetch
    from resnest_dense.weights.published_scores import compare, wanted_metrics

    entry = catalog.get(args.name)
    metrics = wanted_metrics(entry, multi_scale=args.multi_scale)
    checkpoint = fetch(entry)
    measure = _measure_detector if entry.config.endswith(".yaml") else _measure_segmentor
    scores = compare(entry, measure(entry, checkpoint, metrics, args))
    print(f"\n{entry.name} ({entry.title}), {entry.config}, {entry.dataset}")
    print("\n".join(map(str, scores)))
    print(f"\n{versions_table()}")
    return 0 if all(score.agrees for score in scores) else 1


def _measure_detector(entry, checkpoint: Path, metrics, args: argparse.Namespace) -> dict:
    if args.data:
        os.environ["DETECTRON2_DATASETS"] = args.data  # detectron2 reads it when it is imported

    from resnest_dense.d2.train import measure_published

    return measure_published(entry.config, checkpoint, metrics, out=_folder(args),
                             num_gpus=args.num_gpus, options=args.opts)


def _measure_segmentor(entry, checkpoint: Path, metrics, args: argparse.Namespace) -> dict:
    from resnest_dense.mmseg.run.evaluate import measure_published

    return measure_published(entry.config, checkpoint, metrics, out=_folder(args),
                             data_root=args.data, options=args.opts,
                             dilated_form=entry.options.get("dilated_form"))


def _folder(args: argparse.Namespace) -> Path:
    return Path(args.out or Path("published") / args.name.replace("://", "-"))
