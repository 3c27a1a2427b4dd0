"""Commands about label PNGs: the check before training, and scores of predictions."""

import argparse

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``check-labels`` and ``score-labels``."""
    command = commands.add_parser("check-labels",
                                  help="check images and label PNGs before training")
    command.add_argument("images", help="folder of images")
    command.add_argument("labels", help="folder of label PNGs with the same names")
    _add_classes(command)
    command.set_defaults(run=_check_labels)

    command = commands.add_parser("score-labels",
                                  help="pixel accuracy and mean IoU of predicted label PNGs")
    command.add_argument("predictions", help="folder of predicted PNGs")
    command.add_argument("labels", help="folder of label PNGs with the same names")
    _add_classes(command)
    command.set_defaults(run=_score_labels)


def _add_classes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--classes", required=True, metavar="FILE",
                         help="class names: one a line, or JSON")
    command.add_argument("--reduce-zero-label", action="store_true",
                         help="0 is no class and 1 the first one, as in ADE20K")


def _check_labels(args: argparse.Namespace) -> int:
    from resnest_dense.data.labels.check import check_labels
    from resnest_dense.data.labels.folder import find_orphans, find_pairs, read_classes

    classes = read_classes(args.classes).names
    report = check_labels(find_pairs(args.images, args.labels), classes, name=args.labels,
                          reduce_zero_label=args.reduce_zero_label)
    for orphan in find_orphans(args.images, args.labels):
        report.add("orphan", str(orphan))
    print(report.table())
    total = max(report.pixels.sum(), 1)
    for name, pixels in zip(classes, report.pixels):
        print(f"  {name:24} {100 * pixels / total:6.2f} % of the labelled pixels")
    print(f"  ignored: {report.ignored:.2%} of all pixels")
    return 1 if report.errors else 0


def _score_labels(args: argparse.Namespace) -> None:
    from resnest_dense.data.labels.folder import read_classes
    from resnest_dense.data.labels.scores import describe_coverage, score_folders

    classes = read_classes(args.classes).names
    scores = score_folders(args.predictions, args.labels, len(classes),
                           reduce_zero_label=args.reduce_zero_label)
    for name, iou in zip(classes, scores.iou):
        print(f"{name:24} {'not seen' if iou != iou else f'{iou:8.6f}'}")
    print(describe_coverage(scores.labelled, classes, ignored=scores.ignored))
    print(f"pixAcc {scores.pixel_accuracy:.6f}, mAcc {scores.mean_accuracy:.6f}, "
          f"mIoU {scores.mean_iou:.6f}, mIoU with classes not seen as 0 {scores.mean_iou_all:.6f}")
