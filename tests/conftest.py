"""What several test files share: networks of other people and data that is not part of the project."""

from pathlib import Path

import pytest
import torch

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data():
    """Finds a set of real data beside the checkout, or skips the test."""

    def find(name):
        path = SHARED_DATA / name
        if not path.is_dir():
            pytest.skip(f"the data set {name!r} is not beside the checkout (../shared/data)")
        return path

    return find
