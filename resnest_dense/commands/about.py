"""Commands that tell what there is: networks, configs, the environment."""

import argparse
import re

from resnest_dense.errors import ResNeStValueError

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``architectures``, ``doctor``, ``configs`` and ``analyze``."""
    command = commands.add_parser("architectures", help="the named networks and their sizes")
    command.set_defaults(run=_architectures)

    command = commands.add_parser("doctor", help="what is installed, and fixes of known problems")
    command.set_defaults(run=_doctor)

    command = commands.add_parser("configs",
                                  help="names of the shipped configs, or the path of one")
    command.add_argument("framework", choices=["detectron2", "mmseg"])
    command.add_argument("name", nargs="?",
                         help="print where this one is, for the frameworks' tools")
    command.set_defaults(run=_configs)

    command = commands.add_parser("analyze", help="parameters, multiply-adds and activations of "
                                  "the parts of a model")
    command.add_argument("config", help="path or shipped name of a config of detectron2 or "
                         "MMSegmentation, or an architecture")
    command.add_argument("--size", metavar="HxW", help="of the image in pixels (default: a "
                         "detector's test size, a segmentor's crop, 224x224 for an architecture)")
    command.set_defaults(run=_analyze)


def _architectures(args: argparse.Namespace) -> None:
    import torch

    from resnest_dense import create_backbone, get_architecture, list_architectures

    for name in list_architectures():
        with torch.device("meta"):
            net = create_backbone(name)
        architecture = get_architecture(name)
        count = sum(p.numel() for p in net.parameters()) / 1e6
        print(f"{name:24} {count:6.2f} M parameters, blocks {architecture.blocks}, "
              f"radix {architecture.radix}, cardinality {architecture.cardinality}")


def _doctor(args: argparse.Namespace) -> None:
    from resnest_dense.doctor import report

    print(report())


def _configs(args: argparse.Namespace) -> None:
    from resnest_dense.configs import find_config, list_configs

    names = list_configs(args.framework)
    print(find_config(args.name, args.framework) if args.name else "\n".join(names))


def _analyze(args: argparse.Namespace) -> None:
    from resnest_dense.frameworks import analyze_config

    print(analyze_config(args.config, _read_size(args.size) if args.size else None).table())


def _read_size(text: str) -> tuple[int, int]:
    """Height and width out of a text such as "800x1333", each at least 32 pixels."""
    match = re.fullmatch(r"(\d+)[x,](\d+)", text)
    if match is None or min(map(int, match.groups())) < 32:
        raise ResNeStValueError(f"The size {text!r} is not HEIGHTxWIDTH, such as 800x1333, with "
                                "sides of at least 32 pixels.")
    return int(match[1]), int(match[2])
