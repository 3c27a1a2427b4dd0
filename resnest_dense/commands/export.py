"""The command that exports a model."""

import argparse
import sys

from resnest_dense.exporting.table import FORMATS, PRECISIONS

__all__ = ["add_arguments", "add_commands", "run"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``export``."""
    command = commands.add_parser("export", help="write a trained model as a checked file that "
                                  "runs without its framework")
    add_arguments(command)
    command.set_defaults(run=run)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What ``resnest-dense export`` and ``tools/export.py`` take."""
    command.add_argument("config", help="path or shipped name of a config of detectron2 (YAML or "
                         "LazyConfig) or MMSegmentation, or an architecture")
    command.add_argument("checkpoint", help="a path, or a name in the catalog")
    command.add_argument("--format", required=True, choices=list(FORMATS))
    endings = ", ".join(f"{kind.suffix} ({name})" for name, kind in FORMATS.items())
    command.add_argument("--out", required=True, metavar="FILE", help=f"its name ends in {endings}")
    command.add_argument("--images", nargs="+", default=[], metavar="IMAGE", help="files, folders "
                         "or patterns to check it on (default: those of --val, of "
                         "--calibration, or of the config's data set)")
    command.add_argument("--backbone", action="store_true",
                         help="the feature maps alone, of the pyramid where there is one")
    command.add_argument("--preprocess", choices=["outside", "inside"], default="outside",
                         help="inside: the file takes uint8 in RGB")
    command.add_argument("--precision", choices=PRECISIONS, default="float32")
    command.add_argument("--calibration", nargs="+", default=[], metavar="IMAGE", help="of int8: "
                         "images like those that the model will see (default: the config's "
                         "training set)")
    command.add_argument("--val", nargs=2, metavar=("IMAGES", "ANNOTATIONS"),
                         help="a folder, and a COCO-format file or a folder of label PNGs: AP or "
                         "mIoU is measured, and compared with that in float32")
    command.add_argument("--most-loss", type=float, default=0.5, metavar="POINTS",
                         help="what AP or mIoU may lose in lower precision (default: 0.5)")
    command.add_argument("--unfused", dest="fused", action="store_false",
                         help="leave norms as they are")
    command.add_argument("--score-threshold", dest="score", type=float, metavar="S",
                         help="least score of a detection (default: the config's)")
    command.add_argument("--nms-threshold", dest="suppression", type=float, metavar="O",
                         help="greatest overlap of two detections of a class (default: the "
                         "config's)")
    command.add_argument("--detections", type=int, metavar="N",
                         help="the most of an image (default: the config's)")
    command.add_argument("--classes", metavar="FILE", help="COCO-format file with the detector's "
                         "categories (default: classes.json beside the checkpoint, or the data's)")


def run(args: argparse.Namespace) -> int:
    """Exports what the arguments say; 1, and no file, where it differs from its model."""
    from resnest_dense.deployment import CheckError, export

    options = {name: getattr(args, name) for name in (
        "backbone", "preprocess", "precision", "fused", "score", "suppression", "detections",
        "classes")}
    try:
        report = export(args.config, args.checkpoint, args.format, args.out, images=args.images,
                        calibration=args.calibration, val=args.val, most_loss=args.most_loss,
                        **options)
    except CheckError as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    print(f"Written: {args.out}, and what it takes and gives in {args.out}.json")
    return 0
