"""The command ``resnest-dense``; its commands are in ``resnest_dense/commands``, a file a group.

The tools of the repository (``tools/``) start by :func:`run_tool`, which treats errors the same.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from resnest_dense.base.progress import be_quiet
from resnest_dense.commands import (
    about,
    benchmark,
    classifiers,
    comparison,
    convert,
    data,
    export,
    labels,
    models,
    published,
    runs,
    serve,
    train,
    weights,
)
from resnest_dense.errors import ResNeStError, log_traceback, name_extra

__all__ = ["main", "make_parser", "run_tool"]

_INTERRUPTED, _TERMINATED = 130, 143  # what a shell gives for one that SIGINT or SIGTERM ended
_CLOSED = 141  # and for one whose output nobody reads any more


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command of ``resnest-dense``.

    Args:
        arguments: words of the command line; None for those of the process.

    Returns:
        0 if it worked; 2, and one line on stderr, if the user can mend what is wrong.
    """
    return run_tool(make_parser(), lambda args: args.run(args), arguments)


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``resnest-dense``; ``run`` of what it parses is the function of a command."""
    parser = argparse.ArgumentParser(prog="resnest-dense",
                                     description="ResNeSt for dense prediction")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (about, benchmark, data, convert, labels, train, models, classifiers, comparison,
                  runs, export, serve, weights, published):
        group.add_commands(commands)
    for command in commands.choices.values():  # behind the name of a command too
        _add_switches(command, default=argparse.SUPPRESS)
    return parser


def run_tool(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], object],
             arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for; the traceback of an error is logged at level DEBUG.

    Args:
        parser: gets ``-v``, which prints that log, and ``-q``, which hides progress.
        run: gets the parsed arguments; an int that it returns is the exit code.
        arguments: words of the command line; None for those of the process.

    Returns:
        The exit code: 0; 2, and one line on stderr, after an error that the user can mend; 130
        after Ctrl-C, 143 after SIGTERM; 141 where nobody reads what is printed.
    """
    _add_switches(parser)
    words = sys.argv[1:] if arguments is None else arguments
    try:
        args = parser.parse_args(words)
        be_quiet(args.quiet)
        code = run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has enough of it; what is left of it would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED
    except (ResNeStError, OSError, ModuleNotFoundError) as error:
        known = name_extra(error) if isinstance(error, ModuleNotFoundError) else str(error)
        if known is None:
            raise
        log_traceback("%s", error)
        if {"-v", "--verbose"} & {*words}:
            traceback.print_exception(error)
        print(f"{parser.prog}: {known}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        return _TERMINATED if "SIGTERM" in error.args else _INTERRUPTED
    return code if isinstance(code, int) else 0


def _add_switches(parser: argparse.ArgumentParser, default: object = False) -> None:
    parser.add_argument("-v", "--verbose", action="store_true", default=default,
                        help="print the traceback of an error")
    parser.add_argument("-q", "--quiet", action="store_true", default=default,
                        help="show no progress (nor is it shown where stderr is no terminal)")
