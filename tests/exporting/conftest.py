"""Models of every family, made once; checks that are small enough for tests."""

import logging

import pytest
import torch
from exporting_models import DETECTORS, write_detector, write_segmentor

from resnest_dense.exporting import check


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(check, "SIDES", (64, 97, 64, 97))
    monkeypatch.setattr(check, "BATCHES", (1, 3, 3, 1))
    logging.getLogger("fvcore").setLevel(logging.ERROR)


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """Config and checkpoint of a family."""
    folder, made = tmp_path_factory.mktemp("models"), {}

    def get(family):
        if family not in made:
            torch.manual_seed(1)
            write = write_detector if family in DETECTORS else write_segmentor
            made[family] = write(folder / family, family)
        return made[family]

    return get
