"""``python -m resnest_dense.d2 SCRIPT ARGUMENTS...``: a stock script that knows our keys."""

import sys

from resnest_dense.d2.stock_tools import run_script
from resnest_dense.errors import ResNeStError

try:
    run_script(sys.argv[1:])
except ResNeStError as error:
    sys.exit(f"error: {error}")
