"""Commands about data sets."""

import argparse

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds ``check-data``."""
    command = commands.add_parser("check-data", help="check a COCO-format set before training")
    command.add_argument("json", help="annotation file")
    command.add_argument("images", help="folder of its images")
    command.add_argument("--masks", action="store_true", help="masks are to be learned")
    command.add_argument("--classes", type=int, metavar="N", help="class count of the config")
    command.set_defaults(run=_check_data)


def _check_data(args: argparse.Namespace) -> int:
    from resnest_dense.data.coco_check import check_coco

    report = check_coco(args.json, args.images, class_count=args.classes, need_masks=args.masks)
    print(report.table())
    return 1 if any(f.severity == "error" for f in report.findings.values()) else 0
