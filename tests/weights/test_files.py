"""Reading files: nothing in them runs, and what cannot be used is refused with the remedy."""

import contextlib
import fractions
import os
import pickle
import resource
import zipfile

import numpy as np
import pytest
import torch

from resnest_dense import ResNeStError, ResNeStValueError
from resnest_dense.base.seal import seal as seal_file
from resnest_dense.weights import files
from resnest_dense.weights.files import read, write

STATE = {"a.weight": torch.rand(40, 50), "a.num_batches_tracked": torch.tensor(3)}


@contextlib.contextmanager
def allowed_globals(more):
    """``torch.load`` lets ``more`` in; torch's own context also takes out what was there before."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(more)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def make(folder):
    os.mkdir(folder)


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return make, (str(self.mark),)


def assert_is_state(state):
    assert list(sorted(state)) == list(sorted(STATE))
    for name, tensor in STATE.items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"model": state, "iteration": 7, "optimizer": {"state": {}}},
    lambda state: {"meta": {"epoch": 1, "CLASSES": ("a",)}, "state_dict": state},
    lambda state: {"state_dict": {**state, "epoch": 3}},
])
@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_are_unwrapped(wrap, zipped, tmp_path):
    torch.save(wrap(STATE), tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    assert_is_state(read(tmp_path / "x.pth"))


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_what_is_written_reads_the_same(ending, tmp_path):
    transposed = torch.rand(3, 4).T
    write({**STATE, "t": transposed}, tmp_path / f"x{ending}")
    state = read(tmp_path / f"x{ending}")
    assert torch.equal(state.pop("t"), transposed)
    assert_is_state(state)
    assert os.listdir(tmp_path) == [f"x{ending}"]


def test_another_ending_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ResNeStValueError, match="name the file .pth or .safetensors"):
        write(STATE, tmp_path / "x.bin")
    assert not os.listdir(tmp_path)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    write(STATE, tmp_path / "x.pth")

    def full(state, path):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError):
        write({"b": torch.zeros(1)}, tmp_path / "x.pth")
    monkeypatch.undo()
    assert_is_state(read(tmp_path / "x.pth"))
    assert os.listdir(tmp_path) == ["x.pth"]


@pytest.mark.parametrize("allowed", [[], [np.ndarray, np.dtype, (np.asarray, "builtins.getattr")]])
def test_logs_of_mmengine_are_no_obstacle(allowed, tmp_path):
    logging = pytest.importorskip("mmengine.logging")
    hub = logging.MessageHub("test_files")
    hub.update_scalar("loss", np.float64(1.5))
    torch.save({"state_dict": STATE, "message_hub": hub.state_dict()}, tmp_path / "x.pth")
    with allowed_globals(allowed):
        before = set(torch.serialization.get_safe_globals())
        assert_is_state(read(tmp_path / "x.pth"))
        assert set(torch.serialization.get_safe_globals()) == before


def test_what_the_process_allows_is_not_allowed_here(tmp_path):
    path, mark = tmp_path / "x.pth", tmp_path / "ran"
    torch.save({"a": Code(mark)}, path)
    with allowed_globals([make]):
        with pytest.raises(ResNeStError, match="not opened"):
            read(path)
    assert not mark.exists()


@pytest.mark.parametrize("save", [torch.save, lambda x, path: pickle.dump(x, open(path, "wb"))])
def test_code_is_not_run(save, tmp_path):
    path, mark = tmp_path / "x.pth", tmp_path / "ran"
    save({"state_dict": {"a": Code(mark)}}, path)
    with pytest.raises(ResNeStError, match="not opened. If you trust whoever made it.*torch.save"):
        read(path)
    assert not mark.exists()


@pytest.mark.parametrize("wrap", [lambda arrays: {"model": arrays, "__author__": "x"},
                                  lambda arrays: {"blobs": arrays}, dict])
@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_of_numpy_arrays_are_read(wrap, protocol, tmp_path):
    path = tmp_path / "R-50.pkl"
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    path.write_bytes(pickle.dumps(wrap(arrays), protocol=protocol))
    assert_is_state(read(path))


def test_a_pickle_of_anything_else_is_refused_and_its_recipe_works(tmp_path):
    path = tmp_path / "R-50.pkl"
    path.write_bytes(pickle.dumps({"model": STATE, "made_by": fractions.Fraction(1, 2)}))
    with pytest.raises(ResNeStError, match=r"Python objects \([\w.]+\) and opening it") as caught:
        read(path)
    exec(str(caught.value).partition("in Python: ")[2], {})
    assert_is_state(read(tmp_path / "R-50.plain.pth"))


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: {"model": model, "epoch": 3}])
def test_the_recipe_for_whole_models_works(wrap, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(wrap(model), tmp_path / "whole.pth")
    with pytest.raises(ResNeStError, match="holds Python objects .torch.nn") as caught:
        read(tmp_path / "whole.pth")
    exec(str(caught.value).partition("in Python: ")[2], {})
    found = read(tmp_path / "whole.plain.pth")
    assert all(found[name].equal(value) for name, value in model.state_dict().items())


def test_averages_beside_the_weights_are_told_and_can_be_chosen(tmp_path):
    model, net = ({f"{prefix}{name}": value + i for name, value in STATE.items()}
                  for i, prefix in enumerate(("", "module.")))
    momenta = {"state": {0: {"m": torch.zeros(2)}}, "param_groups": []}
    path = tmp_path / "a.pth"
    torch.save({"model": model, "model_ema": net, "optimizer": momenta, "epoch": 3}, path)
    found = files.read_checkpoint(path)
    assert found.alternatives == ("model_ema",) and "optimizer" in found.others
    assert_is_state(found.state)
    chosen = files.read_checkpoint(path, "model_ema").state
    assert all(chosen[name].equal(value + 1) for name, value in STATE.items())
    with pytest.raises(ResNeStError, match="no part 'ema'. Did you mean 'model_ema'"):
        files.read_checkpoint(path, "ema")
    assert files.split_part(f"{path}#model_ema") == (str(path), "model_ema")
    assert files.split_part(str(path)) == (str(path), "")


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_cut_files_are_refused(kind, share, tmp_path):
    path = tmp_path / ("x.safetensors" if kind == "safetensors" else "x.pth")
    write(STATE, path)
    if kind == "legacy":
        torch.save(STATE, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    with pytest.raises(ResNeStError, match=r"damaged or cut off \(\d+ bytes; .*fetch it again"):
        read(path)


@pytest.mark.parametrize("seal", [False, True])
def test_a_flipped_bit_of_a_weight_is_found(seal, tmp_path):
    path = tmp_path / "x.pth"
    torch.save(STATE, path)
    if seal:
        seal_file(path)
    content = bytearray(path.read_bytes())
    place = content.index(STATE["a.weight"].numpy().tobytes()) + 100
    content[place] ^= 4
    path.write_bytes(content)
    with pytest.raises(ResNeStError, match="damaged or cut off"):
        read(path)


@pytest.mark.parametrize("content", [
    b"\x80\x02}r\xff\xff\xff\x7f.",  # remembers a dict as number 2147483647
    b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x02\x8a\x04\x00"
    b"\x00\x00\x10\x86U\x01ftRs."], ids=["memo", "array"])  # 2 x 268435456 numbers, none there
def test_a_pickle_cannot_take_more_memory_than_it_has_bytes(content, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ResNeStError, match="x.pkl is damaged"):
        read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KB


def test_an_archive_of_many_disks_is_refused_by_what_looks_at_it_first(tmp_path):
    """zipfile raises where it is asked whether it is one."""
    path = tmp_path / "x.pth"
    torch.save(STATE, path)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x06\x07") + 16] = 2  # number of disks
    path.write_bytes(content)
    for look in (read, files.require_whole):
        with pytest.raises(ResNeStError, match="x.pth is damaged or cut off"):
            look(path)


def test_a_file_of_the_old_form_is_one_by_what_torch_looks_at(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    content = bytearray(path.read_bytes())
    content[1] = 0  # the protocol that a pickle names, which nothing depends on
    path.write_bytes(content)
    assert_is_state(read(path))


def test_a_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_is_state(read(tmp_path / "x.pth"))


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", b"version https://git-lfs"])
def test_text_is_refused(content, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(ResNeStError, match="not a file of weights: it starts with"):
        read(tmp_path / "x.pth")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(10_000_000))
    with pytest.raises(ResNeStError, match="unpacks to 10000000.*zip bomb"):
        read(tmp_path / "x.pth")


def test_other_archives_say_what_is_in_them(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("deeplab.pth", b"weights")
    with pytest.raises(ResNeStError, match="archive of deeplab.pth: unpack it"):
        read(tmp_path / "x.zip")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "x.pth")
    with pytest.raises(ResNeStError, match="TorchScript program"):
        read(tmp_path / "x.pth")


@pytest.mark.parametrize("content,said", [
    ({"epoch": 3, "model": {}}, "a dict with epoch, model"), ([1], "a list with no names"),
    ({}, "a dict with nothing")])
def test_a_checkpoint_without_tensors_is_refused(content, said, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ResNeStError, match=f"holds no weights.*{said}"):
        read(tmp_path / "x.pth")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    write(STATE, tmp_path / "x.safetensors")
    monkeypatch.setattr(files, "safetensors", None)
    with pytest.raises(ResNeStError, match="pip install safetensors"):
        read(tmp_path / "x.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ResNeStError, match="no file .*x.pth"):
        read(tmp_path / "x.pth")
