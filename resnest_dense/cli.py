"""The command ``resnest-dense``: one function a command, each imports what it needs when it runs."""

import argparse
import sys

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

    command = commands.add_parser("architectures", help="the named networks and their sizes")
    command.set_defaults(run=_architectures)

    command = commands.add_parser("doctor", help="what is installed, and fixes of known problems")
    command.set_defaults(run=_doctor)

    command = commands.add_parser("configs", help="names of the shipped configs")
    command.add_argument("framework", choices=["detectron2", "mmseg"])
    command.set_defaults(run=_configs)

    command = commands.add_parser("check-data", help="check a COCO-format set before training")
    command.add_argument("json", help="annotation file")
    command.add_argument("images", help="folder of its images")
    command.add_argument("--masks", action="store_true", help="masks are to be learned")
    command.add_argument("--classes", type=int, metavar="N", help="class count of the config")
    command.set_defaults(run=_check_data)

    command = commands.add_parser("predict", help="run a trained detector or segmentor on images")
    command.add_argument("config", help="path or shipped name; .yaml detects, .py segments")
    command.add_argument("checkpoint", help="a path, or a name in the catalog")
    command.add_argument("images", nargs="+", help="files, folders or patterns")
    command.add_argument("--out", default="predictions", metavar="DIR", help="what is written where")
    command.add_argument("--threshold", type=float, default=0.5, help="least score of a detection")
    command.set_defaults(run=_predict)

    _add_weights(commands.add_parser("weights", help="published weights: find, fetch, convert"))
    return parser


def _add_weights(parser: argparse.ArgumentParser) -> None:
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
    from resnest_dense.configs import list_configs

    print("\n".join(list_configs(args.framework)))


def _check_data(args: argparse.Namespace) -> int:
    from resnest_dense.data.coco_check import check_coco

    report = check_coco(args.json, args.images, class_count=args.classes, need_masks=args.masks)
    print(report.table())
    return 1 if any(f.severity == "error" for f in report.findings.values()) else 0


def _predict(args: argparse.Namespace) -> None:
    from resnest_dense.data.images import find_images

    images = find_images(args.images)
    if _segments(args.config):
        from resnest_dense.mmseg.predict import SegmentationPredictor, write_predictions

        write_predictions(SegmentationPredictor(args.config, args.checkpoint), images, args.out)
        print(f"{len(images)} images: labels and overlays in {args.out}")
    else:
        from resnest_dense.d2.predictor import DetectionPredictor, write_detections

        predictor = DetectionPredictor(args.config, args.checkpoint, threshold=args.threshold)
        found = write_detections(predictor, images, args.out)
        print(f"{len(found)} detections in {len(images)} images: pictures and detections.json in "
              f"{args.out}")


def _segments(config: str) -> bool:
    from resnest_dense.configs import list_configs

    return config.endswith(".py") or f"{config}.py" in list_configs("mmseg")


def _weights_list(args: argparse.Namespace) -> None:
    from resnest_dense.weights import catalog

    for name in catalog.names():
        entry = catalog.get(name)
        print(f"{name:60} {entry.architecture:24} {'dead' if entry.dead else ''}")


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

    def show(done: int, total: int | None) -> None:
        whole = f" of {total / 1e6:.1f}" if total else ""
        print(f"\r{done / 1e6:.1f}{whole} MB", end="", file=sys.stderr, flush=True)

    path = fetch(args.name, progress=show)
    print(file=sys.stderr)
    print(path)


def _weights_verify(args: argparse.Namespace) -> None:
    from resnest_dense.weights import verify

    print(f"{args.path} is {verify(args.path).name}")


def _weights_convert(args: argparse.Namespace) -> None:
    from resnest_dense.weights import convert

    print(f"Written: {convert(args.source, args.to, args.out)}")


