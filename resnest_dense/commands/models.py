"""Commands that run a model on images."""

import argparse

__all__ = ["add_commands"]


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Adds ``predict`` and ``attention``."""
    command = commands.add_parser("predict", help="run a trained detector or segmentor on images")
    command.add_argument("config", help="path or shipped name of a config of detectron2 (YAML or "
                         "LazyConfig) or MMSegmentation")
    command.add_argument("checkpoint", help="a path, or a name in the catalog")
    command.add_argument("inputs", nargs="+", help="images, folders, patterns or videos")
    command.add_argument("--out", default="predictions", metavar="DIR", help="where to write")
    command.add_argument("--threshold", type=float, default=0.5, help="least score of a detection")
    command.add_argument("--device", help="such as cpu or cuda:1 (default: a GPU if there is one)")
    command.add_argument("--classes", metavar="FILE", help="COCO-format file with the detector's "
                         "categories (default: classes.json beside the checkpoint, or the data's)")
    command.set_defaults(run=_predict)

    command = commands.add_parser("attention", help="draw which radix split each channel chose for "
                                  "an image")
    command.add_argument("model", help="an architecture, or a config as for predict")
    command.add_argument("checkpoint", help="a path, or a name in the catalog")
    command.add_argument("image", help="a file")
    command.add_argument("--out", default="attention", metavar="DIR", help="where to write")
    command.add_argument("--device", help="such as cpu or cuda:1 (default: a GPU if there is one)")
    command.set_defaults(run=_attention)


def _predict(args: argparse.Namespace) -> None:
    from resnest_dense.config_kinds import find_any_config
    from resnest_dense.data.media import find_images, split_videos

    stills, videos = split_videos(args.inputs)
    images = find_images(stills)
    if find_any_config(args.config)[1] == "mmseg":
        from resnest_dense.mmseg.run.predict import (
            SegmentationPredictor,
            annotate_segments,
            write_predictions,
        )

        predictor = SegmentationPredictor(args.config, args.checkpoint, device=args.device)
        write, annotate, what = write_predictions, annotate_segments, "labels and overlays"
    else:
        from resnest_dense.d2.predict.predictions import annotate_detections, write_detections
        from resnest_dense.d2.predict.predictor import DetectionPredictor

        predictor = DetectionPredictor(args.config, args.checkpoint, device=args.device,
                                       threshold=args.threshold, classes=args.classes)
        write, annotate = write_detections, annotate_detections
        what = "pictures and detections.json"
    if images:
        write(predictor, images, args.out)
        print(f"{len(images)} images: {what} in {args.out}")
    for video in videos:
        frames = annotate(predictor, video, args.out)
        print(f"{video}, {frames} frames: {video.stem}.mp4 and {video.stem}.json in {args.out}")


def _attention(args: argparse.Namespace) -> None:
    from pathlib import Path

    from resnest_dense.attention import record_attention
    from resnest_dense.attention.figure import write_attention
    from resnest_dense.attention.models import open_model
    from resnest_dense.data.media import find_images, read_rgb

    [path] = find_images([args.image])[:1]
    image = read_rgb(path)
    model, run = open_model(args.model, args.checkpoint, args.device)
    with record_attention(model) as recording:
        run(image)
    for file in write_attention(recording.blocks(), image, Path(args.out), path.stem):
        print(file)
