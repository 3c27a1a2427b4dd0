"""What several test files share: seeds, and data that is not part of the project."""

import logging
import os
from pathlib import Path

import pytest
import torch

# Read when Triton is imported, which parts of torch do too: its kernels then run on a CPU.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
# Float32 means float32 on a GPU too, where convolutions round their input to 10 bits by default.
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _heard():
    """detectron2's set-up of a logger, in an earlier test, keeps its records from all others."""
    logging.getLogger("resnest_dense").propagate = True


@pytest.fixture(scope="session")
def shared_data():
    """Finds a set of real data beside the checkout, or skips the test."""

    def find(name):
        path = SHARED_DATA / name
        if not path.is_dir():
            pytest.skip(f"the data set {name!r} is not beside the checkout (../shared/data)")
        return path

    return find
