#!/usr/bin/env python
"""Trains or evaluates a detector, with the habits of detectron2's own tool.

    python tools/train_net.py --config-file resnest50_faster_rcnn.yaml --num-gpus 8
    python tools/train_net.py --config-file resnest50_faster_rcnn.yaml --eval-only \
        MODEL.WEIGHTS output/model_final.pth
"""

import sys

from resnest_dense.d2.train import make_parser, run
from resnest_dense.errors import ResNeStError


def main() -> int:
    args = make_parser().parse_args()
    try:
        run(args)
    except ResNeStError as error:
        print(f"train_net.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
