"""Small networks and files of theirs that the tests of the weights share."""

from dataclasses import replace

import pytest
import torch
from peers import official_network

from resnest_dense.weights import catalog


@pytest.fixture(scope="session")
def official14():
    """The official torch network with one block a stage, in eval mode."""
    torch.manual_seed(0)
    return official_network("resnest14").eval()


@pytest.fixture
def file14(official14, tmp_path):
    """A file of its weights."""
    path = tmp_path / "some14.pth"
    torch.save(official14.state_dict(), path)
    return path


@pytest.fixture
def published(monkeypatch):
    """Lets the catalog hold one entry of ours: that of ``like``, with other values for fields."""

    def hold(like, **fields):
        entry = replace(catalog.get(like), **fields)
        monkeypatch.setattr(catalog, "_catalog", lambda: {entry.name: entry})
        return entry

    return hold


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """No test touches the user's folder of weights, or goes through a proxy."""
    monkeypatch.setenv("RESNEST_DENSE_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("no_proxy", "*")
