#!/usr/bin/env python
"""Trains a segmentor, with the habits of MMSegmentation's own tool.

    python tools/mmseg_train.py resnest50_deeplabv3_ade20k --work-dir output
    torchrun --nproc-per-node 8 tools/mmseg_train.py CONFIG --launcher pytorch
    python tools/mmseg_train.py CONFIG --train images/train labels/train \
        --val images/val labels/val --classes classes.txt
"""

import sys

from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.run.train import make_parser, run


def main() -> int:
    args = make_parser().parse_args()
    try:
        run(args)
    except ResNeStError as error:
        print(f"mmseg_train.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
