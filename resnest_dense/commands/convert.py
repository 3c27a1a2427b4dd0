"""The command that turns annotations of other tools into COCO files."""

import argparse

from resnest_dense.data.convert.formats import FORMATS, SHARE

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``convert-data``."""
    command = commands.add_parser("convert-data", help="turn annotations of other tools into "
                                  "COCO files, divide them, check them")
    command.add_argument("source", metavar="IN", help="folder of annotations and images")
    command.add_argument("out", metavar="OUT", help="folder to be made")
    command.add_argument("--from", dest="form", choices=list(FORMATS), default="",
                         help="the format (default: told by the files)")
    command.add_argument("--split", type=float, metavar="SHARE", help="divide anew, this share of "
                         f"the images for training (default: the splits there are, or {SHARE})")
    command.add_argument("--seed", type=int, default=0, help="of the division")
    command.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> int:
    from resnest_dense.data.convert.main import convert

    found = convert(args.source, args.out, form=args.form, share=args.split, seed=args.seed)
    print(found.summary(args.out))
    return int(not found.usable)
