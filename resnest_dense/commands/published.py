"""Commands about what others have published: measured here, and the page of all of it."""

import argparse
from pathlib import Path

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``evaluate-published`` and ``zoo``."""
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

    command = commands.add_parser("zoo", help="write the page of configs, figures and checkpoints")
    command.add_argument("--out", default="MODEL_ZOO.md", metavar="FILE")
    command.set_defaults(run=_zoo)


def _evaluate_published(args: argparse.Namespace) -> int:
    from resnest_dense.doctor import versions_table
    from resnest_dense.frameworks import find_framework
    from resnest_dense.published import compare, wanted_metrics
    from resnest_dense.weights import catalog, fetch

    entry = catalog.get(args.name)
    metrics = wanted_metrics(entry, multi_scale=args.multi_scale)
    checkpoint = fetch(entry)
    out = Path(args.out or Path("published") / args.name.replace("://", "-"))
    framework = find_framework(str(entry.config))
    scores = compare(entry, framework.evaluate_published(entry, checkpoint, metrics, out, args))
    print(f"\n{entry.name} ({entry.title}), {entry.config}, {entry.dataset}")
    print("\n".join(map(str, scores)))
    print(f"\n{versions_table()}")
    return 0 if all(score.agrees for score in scores) else 1


def _zoo(args: argparse.Namespace) -> None:
    from resnest_dense import list_architectures
    from resnest_dense.base.progress import progress
    from resnest_dense.configs import FOLDERS
    from resnest_dense.frameworks import analyze_config
    from resnest_dense.published.zoo import Figures, config_rows, render

    names = [*list_architectures(), *(row for folder in FOLDERS for row in config_rows(folder))]
    figures = {name: Figures.of(analyze_config(name)) for name in progress(names, "networks")}
    Path(args.out).write_text(render(figures), encoding="utf-8")
    print(f"{args.out}: {len(names)} networks and configs")
