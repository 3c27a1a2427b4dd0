"""``python -m resnest_dense.mmseg.run train|test ARGUMENTS...``: ``tools/mmseg_train.py`` and
``tools/mmseg_test.py``, where they are not."""

import sys

from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.run import evaluate, train

_TOOLS = {"train": train, "test": evaluate}

if __name__ == "__main__":  # workers of data loaders import it too
    tool = _TOOLS[sys.argv.pop(1)]
    try:
        tool.run(tool.make_parser().parse_args())
    except ResNeStError as error:
        sys.exit(f"error: {error}")
