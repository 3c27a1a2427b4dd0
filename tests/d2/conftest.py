"""A tiny set of the miniature COCO kind, and the tool that trains on it."""

from functools import partial

import pytest
from d2_runs import fork_train_net, start_train_net

from demo.mini_coco import write_mini_coco


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return write_mini_coco(tmp_path_factory.mktemp("tiny"), train=8, val=4, size=(96, 64))


@pytest.fixture
def own_data(tiny):
    """The arguments that name the set."""
    return ["--train-json", str(tiny.train_json), "--train-images", str(tiny.train_images),
            "--val-json", str(tiny.val_json), "--val-images", str(tiny.val_images)]


@pytest.fixture
def train_net(tmp_path):
    """Runs the tool in an empty folder; gives its exit code and what it printed."""
    return partial(fork_train_net, cwd=tmp_path)


@pytest.fixture
def started_train_net(tmp_path):
    """The same in a new interpreter."""

    def run(*arguments):
        process = start_train_net(*arguments, cwd=tmp_path)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    return run
