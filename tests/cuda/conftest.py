"""Tests that need a GPU. ``RESNEST_DENSE_TEST_DEVICE=cpu`` runs them on a CPU, to see that they
do."""

import os

import pytest
import torch


@pytest.fixture
def device():
    wanted = os.environ.get("RESNEST_DENSE_TEST_DEVICE", "cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device(wanted)
