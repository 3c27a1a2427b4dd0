"""What is replaced in detectron2: nothing but the table says, and all of it is taken back."""

import pytest
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import detection_utils
from detectron2.engine import defaults
from forks import run_forked

from resnest_dense.d2 import patches


def here():
    """What stands under every patched name, as it is stored."""
    return [vars(patch.owner)[patch.name] for patch in patches.PATCHES]


@pytest.fixture
def stock():
    """What stands under every patched name without the patches."""
    patches.uninstall()
    yield here()
    patches.install()


def test_uninstall_takes_back_every_patch(stock):
    assert all(value.__module__.startswith("detectron2.") for value in stock)
    patches.install()
    assert here() == [patch.replacement for patch in patches.PATCHES]
    patches.install()  # again: the first values are those that come back
    patches.uninstall()
    assert all(now is before for now, before in zip(here(), stock, strict=True))


def test_patches_are_in_from_the_import_on_and_say_why_and_until_when():
    assert here() == [patch.replacement for patch in patches.PATCHES]
    assert [(patch.owner, patch.name) for patch in patches.PATCHES] == [
        (DetectionCheckpointer, "load"), (DetectionCheckpointer, "_load_file"),
        (defaults, "create_ddp_model"), (detection_utils, "read_image")]
    assert all(patch.reason and patch.until for patch in patches.PATCHES)


COMPARED = """
import inspect, sys
import torch

def callables():
    modules = [m for name, m in list(sys.modules.items())
               if name.partition(".")[0] in ("detectron2", "fvcore", "iopath", "yacs", "torch")]
    classes = {c for m in modules for c in vars(m).values()
               if inspect.isclass(c) and c.__module__.partition(".")[0] != "builtins"}
    # An import adds names to modules, but none to classes.
    return {(str(owner), name): value for owner in (*modules, *classes)
            for name, value in list(vars(owner).items()) if callable(value)}, {*map(str, classes)}

before, classes = callables()
import resnest_dense.d2 as resnest_d2
from resnest_dense.d2 import patches
import resnest_dense.d2.predict.predictions, resnest_dense.d2.train

def changed():
    now, _ = callables()
    return {key for key, value in before.items() if now.get(key) is not value} | {
        key for key in now.keys() - before.keys() if key[0] in classes}

patched = {(str(patch.owner), patch.name) for patch in patches.PATCHES}
assert changed() == patched, changed() ^ patched
patches.uninstall()
assert not changed(), changed()
hooks = {name: value for name, value in vars(torch.nn.modules.module).items()
         if name.startswith("_global_") and name.endswith("hooks")}
assert hooks and not any(hooks.values()), hooks
"""


def test_nothing_else_is_replaced_in_detectron2_and_nothing_in_torch(tmp_path):
    preload = ("detectron2.engine", "detectron2.modeling", "detectron2.evaluation",
               "detectron2.utils.video_visualizer")
    assert run_forked({"all": COMPARED}, preload=preload, cwd=tmp_path) == {"all": ""}
