"""What several test files share: seeds, and data that is not part of the project."""

import functools
import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

# Many tests fork, and what is forked waits for ever for threads that have been at work before.
torch.set_num_threads(1)
# Read when Triton is imported, which parts of torch do too: its kernels then run on a CPU.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")
# Float32 means float32 on a GPU too, where convolutions round their input to 10 bits by default.
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

# Asked for at the start of each run; nothing is installed meanwhile.
_packages = functools.cache(lambda path, find=importlib.metadata.packages_distributions: find())
importlib.metadata.packages_distributions = lambda: _packages(tuple(sys.path))

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items):
    if not os.environ.get("RESNEST_DENSE_LONG"):
        skip = pytest.mark.skip(reason="long: `make matrix` runs it")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _heard():
    """detectron2's set-up of a logger, in an earlier test, keeps its records from all others, and
    writes into streams of that test, which are closed by now; others raise pytest's own level."""
    for handler in logging.root.handlers:
        handler.setLevel(logging.NOTSET)
    for name in [name for name in logging.root.manager.loggerDict if
                 name.partition(".")[0] in ("detectron2", "fvcore", "resnest_dense")]:
        logger = logging.getLogger(name)
        if name.startswith("resnest_dense"):
            logger.propagate, logger.disabled = True, False
        for handler in list(logger.handlers):
            if getattr(getattr(handler, "stream", None), "closed", False):
                logger.removeHandler(handler)


@pytest.fixture(scope="session")
def shared_data():
    """Finds a set of real data beside the checkout, or skips the test."""

    def find(name):
        path = SHARED_DATA / name
        if not path.is_dir():
            pytest.skip(f"the data set {name!r} is not beside the checkout (../shared/data)")
        return path

    return find


@pytest.fixture(scope="module")
def browser():
    """Chromium, headless."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here (.ci/run installs it)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page in it that keeps its requests and what it says; a script of it that fails fails the
    test."""
    page = browser.new_page()
    page.faults, page.requests, page.said = [], [], []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("request", lambda request: page.requests.append(request))
    yield page
    assert not page.faults
    page.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The package as a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # The build leaves files behind.
    wanted = shutil.ignore_patterns(".*", "results", "output", "build", "*.egg-info", "tests")
    shutil.copytree(ROOT, source, ignore=wanted)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
