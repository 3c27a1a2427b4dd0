"""``python -m resnest_dense.d2.train ARGUMENTS...``: ``tools/train_net.py``, where it is not."""

import sys

from resnest_dense.d2.train import make_parser, run
from resnest_dense.errors import ResNeStError

if __name__ == "__main__":  # processes that it starts import it too
    try:
        run(make_parser().parse_args())
    except ResNeStError as error:
        sys.exit(f"error: {error}")
