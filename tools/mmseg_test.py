#!/usr/bin/env python
"""Tests a segmentor, with the habits of MMSegmentation's own tool.

    python tools/mmseg_test.py resnest50_deeplabv3_ade20k output/iter_151560.pth
    python tools/mmseg_test.py CONFIG CHECKPOINT --tta published --show-dir pictures
"""

import sys

from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.run.evaluate import make_parser, run


def main() -> int:
    args = make_parser().parse_args()
    try:
        run(args)
    except ResNeStError as error:
        print(f"mmseg_test.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
