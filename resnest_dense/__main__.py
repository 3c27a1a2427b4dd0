"""``python -m resnest_dense``: the same as ``resnest-dense``."""

import sys

from resnest_dense.cli import main

sys.exit(main())
