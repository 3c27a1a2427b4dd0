#!/usr/bin/env python
"""Trains or evaluates a detector, with the habits of detectron2's own tool.

    python tools/train_net.py --config-file resnest50_faster_rcnn.yaml --num-gpus 8
    torchrun --nproc-per-node 8 tools/train_net.py --config-file resnest50_faster_rcnn.yaml
    python tools/train_net.py --config-file resnest50_faster_rcnn.yaml --eval-only \
        MODEL.WEIGHTS output/model_final.pth
"""

import sys

from resnest_dense.cli import run_tool
from resnest_dense.d2.train import make_parser, run

if __name__ == "__main__":
    sys.exit(run_tool(make_parser(), run))
