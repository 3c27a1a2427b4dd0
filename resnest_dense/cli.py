"""The command ``resnest-dense``; its commands are in ``resnest_dense/commands``, a file a group."""

import argparse
import sys

from resnest_dense.commands import about, benchmark, data, labels, models, published, weights
from resnest_dense.errors import ResNeStError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 if it worked, 2 and one line on stderr if the user can mend what is wrong.

    Args:
        arguments: words of the command line; None for those of the process.
    """
    args = _parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except ResNeStError as error:
        print(f"resnest-dense: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="resnest-dense", description="ResNeSt for dense prediction")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (about, benchmark, data, labels, models, weights, published):
        group.add_commands(commands)
    return parser
