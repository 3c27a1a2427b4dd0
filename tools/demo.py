#!/usr/bin/env python
"""Draws what a detector finds in images or a video, with the habits of detectron2's own demo.

    python tools/demo.py --config-file resnest50_mask_rcnn.yaml --input a.jpg b.jpg --output out \
        --opts MODEL.WEIGHTS output/model_final.pth
    python tools/demo.py --config-file output/config.yaml --video-input street.mp4 --output out
"""

import argparse
import sys

from resnest_dense.cli import run_tool
from resnest_dense.d2.predict.predictions import annotate_detections, open_results
from resnest_dense.d2.predict.predictor import DetectionPredictor
from resnest_dense.data.inputs import find_images
from resnest_dense.data.results import each_image, tell_failures


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config-file", required=True, help="YAML config or LazyConfig: a path, "
                        "or the name of a shipped one")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--input", nargs="+", metavar="FILE", help="images, folders or patterns")
    source.add_argument("--video-input", metavar="FILE", help="a video")
    parser.add_argument("--output", default="predictions", help="folder of pictures and JSON")
    parser.add_argument("--confidence-threshold", type=float, default=0.5)
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="overrides of the "
                        "config: KEY VALUE pairs, or key=value for a LazyConfig")
    return parser


def run(args: argparse.Namespace) -> int:
    images = find_images(args.input or ())
    predictor = DetectionPredictor(args.config_file, overrides=args.opts,
                                   threshold=args.confidence_threshold)
    if not images:
        frames = annotate_detections(predictor, args.video_input, args.output)
        print(f"{frames} frames: see {args.output}")
        return 0
    with open_results(predictor.classes, args.output) as write:
        failures = each_image(images, predictor, write)
    print(f"{len(images) - len(failures)} images: see {args.output}")
    return tell_failures(failures, len(images), args.output)


if __name__ == "__main__":
    sys.exit(run_tool(make_parser(), run))
