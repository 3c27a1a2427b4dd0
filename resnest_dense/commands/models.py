"""Commands that run a model on images."""

import argparse

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds ``predict``."""
    command = commands.add_parser("predict", help="run a trained detector or segmentor on images")
    command.add_argument("config", help="path or shipped name; .yaml detects, .py segments")
    command.add_argument("checkpoint", help="a path, or a name in the catalog")
    command.add_argument("images", nargs="+", help="files, folders or patterns")
    command.add_argument("--out", default="predictions", metavar="DIR", help="what is written where")
    command.add_argument("--threshold", type=float, default=0.5, help="least score of a detection")
    command.set_defaults(run=_predict)


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
