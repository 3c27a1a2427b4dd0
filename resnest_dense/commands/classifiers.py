"""Commands that run a classifier."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``classify`` and ``evaluate-imagenet``."""
    command = commands.add_parser("classify", help="the likeliest classes of images")
    command.add_argument("images", nargs="+", help="images, folders or patterns")
    command.add_argument("--top", type=int, default=3, metavar="N", help="how many classes")
    command.add_argument("--json", metavar="FILE", help="write them there too")
    _add_model(command)
    command.set_defaults(run=_classify)

    command = commands.add_parser("evaluate-imagenet", help="top-1 and top-5 on a folder with one "
                                  "folder a class, beside the published figure")
    command.add_argument("folder", help="such as ImageNet's val/")
    command.add_argument("--batch", type=int, default=32, metavar="N", help="images at a time")
    _add_model(command)
    command.set_defaults(run=_evaluate)


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", default="resnest50",
                         help="a path, or a name in the catalog (default: resnest50)")
    command.add_argument("--architecture", help="the network, where the weights do not tell")
    command.add_argument("--classes", metavar="FILE", help="class names, one a line (default: "
                         "ImageNet's)")
    command.add_argument("--device", help="such as cpu or cuda:1 (default: a GPU if there is one)")


def _classify(args: argparse.Namespace) -> int:
    import json
    from pathlib import Path

    from resnest_dense.base.files import beside
    from resnest_dense.data.inputs import ImageFile, find_images
    from resnest_dense.data.results import each_image, tell_failures
    from resnest_dense.imagenet import open_classifier

    images = find_images(args.images)
    classifier = open_classifier(args.weights, architecture=args.architecture,
                                 classes=args.classes, device=args.device)
    rows = []
    width = max(len(file.name) for file in images)
    print(f"{'image':{width}}      %  class")

    def write(best: list[tuple[str, float]], image: "np.ndarray", file: ImageFile,
              number: int) -> None:
        rows.append({"image": file.name, "classes": [
            {"name": name, "probability": round(share, 6)} for name, share in best]})
        for place, (name, share) in enumerate(best):
            print(f"{'' if place else file.name:{width}}  {100 * share:5.1f}  {name}")

    failures = each_image(images, lambda image: classifier.best(classifier([image])[0], args.top),
                          write)
    if args.json:
        with beside(Path(args.json)) as part:
            part.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return tell_failures(failures, len(images), Path(args.json).parent if args.json else ".")


def _evaluate(args: argparse.Namespace) -> None:
    from resnest_dense.imagenet import evaluate_folder, open_classifier
    from resnest_dense.weights import catalog

    classifier = open_classifier(args.weights, architecture=args.architecture,
                                 classes=args.classes, device=args.device)
    found = evaluate_folder(classifier, args.folder, batch=args.batch)
    prepare = classifier.prepare
    print(f"{classifier.name} ({classifier.architecture}), {found.images} images, centre at "
          f"{prepare.crop}x{prepare.crop}, {prepare.interpolation}: top-1 {found.top1:.2f}, "
          f"top-5 {found.top5:.2f}")
    entry = catalog.find(classifier.name)
    if entry is not None and "top1" in entry.metrics:
        print(f"published: top-1 {entry.metrics['top1']:.2f} ({entry.title}), difference "
              f"{found.top1 - entry.metrics['top1']:+.2f}")
