"""Commands that run a model on images."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from resnest_dense.errors import ResNeStValueError

if TYPE_CHECKING:
    import numpy as np

    from resnest_dense.analysis import BlockAttention
    from resnest_dense.frameworks import Predictor
    from resnest_dense.runtime.files import ExportedPredictor

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``predict`` and ``attention``."""
    command = commands.add_parser("predict", help="run a trained detector or segmentor on images")
    command.add_argument("model", help="an exported model (.onnx, .xml); or path or shipped name "
                         "of a config of detectron2 (YAML or LazyConfig) or MMSegmentation, and "
                         "then a checkpoint: a path, or a name in the catalog")
    command.add_argument("inputs", nargs="+", metavar="[CHECKPOINT] INPUT",
                         help="images, folders, patterns or videos")
    command.add_argument("--out", default="predictions", metavar="DIR", help="where to write")
    command.add_argument("--threshold", type=float, default=0.5, help="least score of a detection")
    command.add_argument("--device", help="such as cpu or cuda:1 (default: a GPU if there is one)")
    command.add_argument("--classes", metavar="FILE", help="COCO-format file with the detector's "
                         "categories (default: classes.json beside the checkpoint, or the data's)")
    command.set_defaults(run=_predict)

    command = commands.add_parser("attention", help="draw which radix split each channel chose for "
                                  "images")
    command.add_argument("model", help="an architecture, or a config as for predict")
    command.add_argument("checkpoint", help="a path, or a name in the catalog")
    command.add_argument("images", nargs="+", help="images, folders or patterns")
    command.add_argument("--out", default="attention", metavar="DIR", help="where to write")
    command.add_argument("--device", help="such as cpu or cuda:1 (default: a GPU if there is one)")
    command.set_defaults(run=_attention)


def _predict(args: argparse.Namespace) -> int:
    from resnest_dense.data.inputs import find_images, split_videos
    from resnest_dense.data.results import attempt, each_image, tell_failures
    from resnest_dense.runtime.session import SUFFIXES

    exported = args.model.endswith(SUFFIXES)
    checkpoint, inputs = ("", args.inputs) if exported else (args.inputs[0], args.inputs[1:])
    if not inputs:
        raise ResNeStValueError(f"{args.model} is no exported model: give a checkpoint, and images "
                                "after it.")
    stills, videos = split_videos(inputs)
    images = find_images(stills)
    predictor = _open(args, checkpoint)
    failures: dict[str, str] = {}
    if images:
        with predictor.open_results(args.out) as write:
            failures = each_image(images, predictor.run, write)
        print(f"{len(images) - len(failures)} images: {predictor.written} in {args.out}")
    for video in videos:
        with attempt(str(video), failures):
            frames = predictor.annotate(video, args.out)
            print(f"{video}, {frames} frames: {video.stem}.mp4 and {video.stem}.json in {args.out}")
    return tell_failures(failures, len(images) + len(videos), args.out)


def _open(args: argparse.Namespace, checkpoint: str) -> "Predictor | ExportedPredictor":
    options = {"device": args.device, "threshold": args.threshold}
    if checkpoint:
        from resnest_dense.frameworks import find_framework

        return find_framework(args.model).open(args.model, checkpoint, classes=args.classes,
                                               **options)
    from resnest_dense.runtime.files import ExportedPredictor

    if args.classes:
        raise ResNeStValueError(f"{args.model} brings its classes with it: leave out --classes.")
    return ExportedPredictor(args.model, **options)


def _attention(args: argparse.Namespace) -> int:
    from resnest_dense.analysis import record_attention
    from resnest_dense.analysis.attention_figure import write_attention
    from resnest_dense.data.inputs import ImageFile, find_images
    from resnest_dense.data.results import each_image, tell_failures
    from resnest_dense.frameworks import open_model

    images = find_images(args.images)
    model, run = open_model(args.model, args.checkpoint, args.device)

    def record(image: "np.ndarray") -> "list[BlockAttention]":
        with record_attention(model) as recording:
            run(image)
        return recording.blocks()

    def write(blocks: "list[BlockAttention]", image: "np.ndarray", file: ImageFile,
              number: int) -> None:
        for path in write_attention(blocks, image, Path(args.out), file.stem):
            print(path)

    return tell_failures(each_image(images, record, write), len(images), args.out)
