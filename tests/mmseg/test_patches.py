"""The patches of mmengine and mmcv: what each lets through, and that all can be taken back."""

import os
import pickle
import sys
from importlib.metadata import packages_distributions

import mmcv
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.fileio.handlers import yaml_handler
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.utils.dl_utils import mmcv_full_available
from safetensors.torch import save_file

from resnest_dense import ResNeStError
from resnest_dense.mmseg import patches
from resnest_dense.mmseg.loading import fit_checkpoint


class Reduced:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_the_log_of_a_run_is_read_as_it_was(tmp_path):
    buffer = HistoryBuffer([1.0, 2.0, 4.0], [1, 1, 2])
    numbers = dict(a=np.float64(3.5), b=np.arange(3), c=np.float32(1.5))
    torch.save(dict(message_hub=dict(loss=buffer), **numbers), tmp_path / "run.pth")
    with patches.run_history_allowed():
        read = torch.load(tmp_path / "run.pth", weights_only=True)
    assert read["message_hub"]["loss"].mean() == buffer.mean()
    assert (read["a"], list(read["b"]), read["c"]) == (3.5, [0, 1, 2], 1.5)
    assert CheckpointLoader.load_checkpoint(str(tmp_path / "run.pth"))["a"] == 3.5


@pytest.mark.parametrize("harm", [
    Reduced(os.system, "true"), Reduced(eval, "1"),
    Reduced(getattr, os.path, "join"), Reduced(getattr, HistoryBuffer, "__init__"),
    Reduced(getattr, HistoryBuffer, "_set_default_statistics"),
    Reduced(getattr, np.ndarray, "tofile")], ids=lambda harm: str(harm.call))
def test_a_file_that_would_run_something_is_not_read(harm, tmp_path):
    if harm.call[1][:1] == (os.path,):
        harm = Reduced(getattr, Reduced(__import__, "posixpath"), "join")
    torch.save(dict(state_dict=harm), tmp_path / "bad.pth")
    with patches.run_history_allowed(), pytest.raises((pickle.UnpicklingError, ResNeStError)):
        torch.load(tmp_path / "bad.pth", weights_only=True)


def test_what_mmengine_may_read_is_not_let_in_elsewhere(tmp_path):
    torch.save(dict(log=HistoryBuffer([1.0], [1])), tmp_path / "run.pth")
    CheckpointLoader.load_checkpoint(str(tmp_path / "run.pth"))
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "run.pth", weights_only=True)


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    path = tmp_path / "run.pth"
    weight = torch.rand(40, 50)
    torch.save(dict(state_dict=dict(weight=weight)), path)
    whole = path.read_bytes()
    place = whole.index(weight.numpy().tobytes()) + 100
    for content in (whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:],
                    b"Q" + whole[1:], whole[:-9]):
        path.write_bytes(content)
        with pytest.raises(ResNeStError, match="run.pth is (damaged|not a file of weights)"):
            CheckpointLoader.load_checkpoint(str(path))
    save_file(dict(weight=weight), tmp_path / "run.safetensors")
    with pytest.raises(ResNeStError, match="in a form that mmengine does not read.* convert"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "run.safetensors"))


def test_a_fork_of_mmsegmentation_is_found_by_the_module_it_brings(monkeypatch):
    monkeypatch.setitem(MODULE2PACKAGE, "mmseg", "a-package-that-is-not-installed")
    assert patches.segmentation_package() in packages_distributions()["mmseg"]


def test_the_stand_in_raises_on_use_only():
    from mmcv.ops import soft_nms

    assert "mmcv._ext" in sys.modules and not mmcv_full_available()
    with pytest.raises(ResNeStError, match="'softnms' was called.*mmcv-lite"):
        soft_nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_the_parts_of_mmcv_in_pure_torch_work_beside_the_stand_in():
    from mmcv.ops import point_sample

    image = torch.arange(4.0).view(1, 1, 2, 2)
    assert point_sample(image, torch.tensor([[[0.25, 0.25]]])).item() == 0.0


def test_a_segmentor_with_weights_that_are_no_numbers_is_refused():
    state = dict(weight=torch.full((1, 1), float("nan")), bias=torch.zeros(1))
    with pytest.raises(ResNeStError, match="NaN or infinite values in 1 of 2 tensors .weight"):
        fit_checkpoint(state, torch.nn.Linear(1, 1))


def stands_there():
    """What every patch is put in place of, as it is stored."""
    return {
        "load_checkpoint": vars(CheckpointLoader)["load_checkpoint"],
        "load_state_dict": checkpoint.load_state_dict,
        "init_weights": vars(BaseModel).get("init_weights"),
        "Loader": yaml_handler.Loader,
        "mmseg": MODULE2PACKAGE["mmseg"],
        "mmcv._ext": sys.modules.get("mmcv._ext"),
        "imfrombytes": mmcv.imfrombytes, "transform": LoadImageFromFile.transform,
    }


def test_every_patch_is_taken_back_and_put_in_again():
    patched = stands_there()
    assert {patch.name for patch in patches.PATCHES} <= patched.keys()
    patches.install()  # a second time changes nothing
    assert stands_there() == patched
    patches.uninstall()
    try:
        stock = stands_there()
        for patch in patches.PATCHES:
            assert stock[patch.name] is not patched[patch.name], patch.name
        assert stock["load_checkpoint"].__func__.__module__ == "mmengine.runner.checkpoint"
        assert stock["load_state_dict"].__module__ == "mmengine.runner.checkpoint"
        assert stock["init_weights"] is stock["mmcv._ext"] is None
    finally:
        patches.install()
    assert stands_there() == patched


def test_every_patch_says_why_it_is_there_and_until_when():
    assert all(patch.reason and any(c.isdigit() for c in patch.until) for patch in patches.PATCHES)


def test_torch_is_left_as_it_is():
    hooks = torch.nn.modules.module._global_module_registration_hooks
    assert not hooks and HistoryBuffer not in torch.serialization.get_safe_globals()
