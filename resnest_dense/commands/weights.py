"""Commands about published weights."""

import argparse
import json

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``weights`` with its actions."""
    parser = commands.add_parser("weights", help="published weights: find, fetch, convert")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="names in the catalog").set_defaults(run=_weights_list)

    action = actions.add_parser("show", help="all that is known of a file")
    action.add_argument("name")
    action.set_defaults(run=_weights_show)

    action = actions.add_parser("get", help="fetch a file, and print where it is")
    action.add_argument("name", help="a name in the catalog, or an address")
    action.set_defaults(run=_weights_get)

    action = actions.add_parser("verify", help="check a file by its published hash")
    action.add_argument("path")
    action.set_defaults(run=_weights_verify)

    action = actions.add_parser("convert", help="write a file in another layout")
    action.add_argument("source", help="a name in the catalog, a path or an address")
    action.add_argument("--to", required=True, metavar="LAYOUT",
                        help="detectron2, upstream, timm, mm, mmpretrain or encoding")
    action.add_argument("--out", required=True, metavar="FILE", help="a .pth or .safetensors")
    action.set_defaults(run=_weights_convert)


def _weights_list(args: argparse.Namespace) -> None:
    from resnest_dense.weights import catalog

    for name in catalog.names():
        entry = catalog.get(name)
        print(f"{name:66} {entry.architecture:24} {entry.layout:11} {entry.dataset:15} "
              f"{'dead' if entry.dead else ''}".rstrip())


def _weights_show(args: argparse.Namespace) -> None:
    from dataclasses import fields

    from resnest_dense.weights import catalog

    entry = catalog.get(args.name)
    for field in fields(entry):
        value = getattr(entry, field.name)
        if field.name == "addresses":
            value = "\n               ".join(value)
        if value not in (None, "", {}, False):
            print(f"{field.name:14} {value}")


def _weights_get(args: argparse.Namespace) -> None:
    from resnest_dense.weights import fetch

    print(fetch(args.name))


def _weights_verify(args: argparse.Namespace) -> None:
    from resnest_dense.weights import verify

    print(f"{args.path} is {verify(args.path).name}")


def _weights_convert(args: argparse.Namespace) -> None:
    from resnest_dense.weights import convert

    path = convert(args.source, args.to, args.out)
    about = json.loads(path.with_name(f"{path.name}.json").read_text())
    print(f"Written: {path}, and what is known of it in {path.name}.json")
    if about["left_out"]:
        print(f"Left out, as layout {args.to} has no names for them: {len(about['left_out'])} "
              f"entries, from {about['left_out'][0]}")
    print("The features of an image are the same." if about["same_features"] else
          "A part of a ResNeSt: its weights are the same, features were not compared.")
