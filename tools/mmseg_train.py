#!/usr/bin/env python
"""Trains a segmentor, with the habits of MMSegmentation's own tool.

    python tools/mmseg_train.py resnest50_deeplabv3_ade20k --work-dir output
    torchrun --nproc-per-node 8 tools/mmseg_train.py CONFIG
    python tools/mmseg_train.py CONFIG --train images/train labels/train \
        --val images/val labels/val --classes classes.txt
"""

import sys

from resnest_dense.cli import run_tool
from resnest_dense.mmseg.run.train import make_parser, run

if __name__ == "__main__":
    sys.exit(run_tool(make_parser(), run))
