"""Commands about data sets."""

import argparse

from resnest_dense.data.own_files import add_arguments, add_classes, add_folders

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``check-data`` and ``show-data``."""
    _add_check(commands.add_parser("check-data", help="check a COCO-format set before training"))
    _add_show(commands.add_parser("show-data", help="draw what a config is trained on"))


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("json", help="annotation file")
    parser.add_argument("images", help="folder of its images")
    parser.add_argument("--masks", action="store_true", help="masks are to be learned")
    parser.add_argument("--keypoints", type=int, metavar="N", help="so many keypoints are learned")
    parser.add_argument("--classes", type=int, metavar="N",
                        help="class count of the config (of a panoptic one: of its things)")
    parser.add_argument("--panoptic", metavar="DIR",
                        help="the annotation file is a panoptic one; its PNGs are in DIR")
    parser.add_argument("--instances", metavar="FILE",
                        help="with --panoptic: instance annotations of the same images")
    parser.add_argument("--stuff", metavar="DIR",
                        help="with --panoptic: semantic labels, where they are not to be derived")
    parser.set_defaults(run=_check_data)


def _add_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="path or shipped name")
    parser.add_argument("--out", default="shown", metavar="DIR", help="folder for the pictures")
    parser.add_argument("--count", type=int, default=16, metavar="N", help="number of pictures")
    parser.add_argument("--opts", nargs="+", default=[], metavar="KEY VALUE",
                        help="settings of a detector's config to override (LazyConfig: KEY=VALUE)")
    add_arguments(parser)
    labels = parser.add_argument_group("own data of a segmentor")
    add_folders(labels, "train")
    add_classes(labels)
    parser.set_defaults(run=_show_data)


def _check_data(args: argparse.Namespace) -> int:
    from resnest_dense.data.coco.check import check_coco
    from resnest_dense.data.panoptic.check import check_panoptic

    reports, instances = [], args.json
    if args.panoptic:
        instances = args.instances
        reports.append(check_panoptic(args.json, args.panoptic, args.images,
                                      thing_count=args.classes, instances_json=instances,
                                      stuff_root=args.stuff))
    if instances:
        reports.append(check_coco(instances, args.images, class_count=args.classes,
                                  need_masks=args.masks or bool(args.panoptic),
                                  keypoints=args.keypoints))
    print("\n\n".join(report.table() for report in reports))
    return int(any(report.errors for report in reports))


def _show_data(args: argparse.Namespace) -> int:
    from resnest_dense.data.results import tell_failures
    from resnest_dense.frameworks import find_framework

    pictures, failures = find_framework(args.config).show_data(args)
    print(f"{len(pictures)} pictures in {args.out}")
    return tell_failures(failures, len(pictures) + len(failures), args.out)
