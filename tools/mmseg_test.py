#!/usr/bin/env python
"""Tests a segmentor, with the habits of MMSegmentation's own tool.

    python tools/mmseg_test.py resnest50_deeplabv3_ade20k output/iter_151560.pth
    python tools/mmseg_test.py CONFIG CHECKPOINT --tta published --show-dir pictures
"""

import sys

from resnest_dense.cli import run_tool
from resnest_dense.mmseg.run.evaluate import make_parser, run

if __name__ == "__main__":
    sys.exit(run_tool(make_parser(), run))
