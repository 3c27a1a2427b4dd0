"""The command that compares backbones under one recipe."""

import argparse
from pathlib import Path

from resnest_dense.data.own_files import add_arguments, add_classes, add_folders
from resnest_dense.errors import ResNeStValueError

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``compare``."""
    command = commands.add_parser(
        "compare", help="train backbones under one recipe, seed by seed, and tell their "
        "differences from noise",
        description="Trains each backbone with each seed by the framework's own training, one run "
        "a GPU at a time (on a CPU one at all), and writes a table and a plot. The same command "
        "goes on where it was stopped; finished runs are kept.")
    command.add_argument("networks", metavar="A,B,...", help="architectures")
    command.add_argument("--config", required=True, help="the recipe: path or shipped name of a "
                         "config, of detectron2 (YAML) or MMSegmentation")
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each backbone")
    command.add_argument("--out", default="comparison", metavar="DIR", help="runs and results")
    command.add_argument("--rounds", type=int, default=5, metavar="N", help="how often speed is "
                         "timed; 0 leaves speed and memory out")
    start = command.add_mutually_exclusive_group()
    start.add_argument("--from-scratch", action="store_const", dest="weights", const=None,
                       help="all start from random weights (the default: the fair start)")
    start.add_argument("--weights", nargs="*", metavar="NETWORK=SOURCE", help="all start from "
                       "ImageNet weights: the published ones, or those named here")
    command.add_argument("--allow-unlike", action="store_true",
                         help="although those weights were trained by unlike recipes")
    command.add_argument("--opts", nargs="+", default=[], metavar="SETTING",
                         help="override the config: KEY VALUE for detectron2, KEY=VALUE for mmseg")
    add_arguments(command)
    labels = command.add_argument_group("own data of a segmentor")
    add_folders(labels, "train")
    add_folders(labels, "val")
    add_classes(labels)
    command.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> None:
    from resnest_dense.comparison import compare, make_members, write_comparison
    from resnest_dense.frameworks import find_framework

    members = make_members(args.networks.split(","), _sources(args.weights),
                           allow_unlike=args.allow_unlike)
    recipe = find_framework(args.config).recipe(args)
    out = Path(args.out)
    found = compare(recipe, members, config=args.config, seeds=args.seeds, out=out,
                    rounds=args.rounds)
    print(f"\n{found.text()}")
    for path in write_comparison(found, out):
        print(path)


def _sources(words: list[str] | None) -> dict[str, str] | None:
    if words is None:
        return None
    pairs = [word.partition("=") for word in words]
    wrong = [word for word, (_, equals, source) in zip(words, pairs) if not (equals and source)]
    if wrong:
        raise ResNeStValueError(f"--weights {wrong[0]}: write NETWORK=SOURCE, such as "
                                "resnest50=weights/my_resnest50.pth.")
    return {network: source for network, _, source in pairs}
