"""Damaged checkpoints: refused, or told what is missing, or exactly the weights that were saved."""

import io
import pickle
import tempfile
from pathlib import Path

import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from hypothesis import given
from hypothesis import strategies as st
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors.torch import save
from strategies import ODD, damage, tries

import resnest_dense.d2
import resnest_dense.mmseg  # noqa: F401 - both teach their framework to load
from resnest_dense import ResNeSt, ResNeStError, weights
from resnest_dense.architectures import Architecture
from resnest_dense.weights.files import read_checkpoint
from resnest_dense.weights.layouts import LAYOUTS, from_ours

SMALL = Architecture((1, 1, 1, 1), stem_width=2, radix=2, cardinality=2, bottleneck_width=2)
COUNTER = "num_batches_tracked"


def build(seed):
    torch.manual_seed(seed)
    return ResNeSt(SMALL, out_features=["res2"], in_channels=3)


SAVED, STATE = build(1), build(1).state_dict()
LAYOUT = st.sampled_from(["detectron2", "upstream", "mm", "mmpretrain"])
WRAP = st.sampled_from([
    dict, lambda state: {"model": state, "optimizer": {"state": {}}, "iteration": 7},
    lambda state: {"state_dict": state, "meta": {"epoch": 1}},
    lambda state: {f"module.{name}": value for name, value in state.items()}])
FLOATS = (torch.float16, torch.bfloat16, torch.float64)
CASTS = (*FLOATS, torch.int64, torch.int8, torch.bool, torch.complex64)
NAME = st.one_of(st.text(max_size=9), st.sampled_from(
    [*STATE, "x", "res2.0.conv2.conv.weight", "fc.weight", "linear.weight", "res3.0.conv1.weight",
     "res2.1.conv1.weight", "res2.0.conv2_offset.weight", "module.stem.conv1_1.weight",
     "backbone.res2.0.conv3.weight", "layer1.0.conv3.weight", "conv1.0.weight"]))


def broken_value(value):
    """Strategies of what may stand where ``value`` was, and what of it is the same weight."""
    shapes = [value[None], value.flatten(), value[:0], value.new_zeros(()), value.new_zeros(0, 0),
              value.transpose(0, -1) if value.dim() else value, value.repeat(2, *[1] * max(
                  value.dim() - 1, 0)), value[..., None, None]] if value.dim() else [value[None]]
    return st.one_of(
        st.sampled_from(CASTS).map(value.to), st.sampled_from(shapes),
        st.sampled_from((float("nan"), float("inf"))).map(lambda x: torch.full_like(
            value, x if value.is_floating_point() else 0)),
        st.just(value.to("meta")), st.just(value.to_sparse() if value.dim() else value),
        st.just(torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8)), ODD)


@st.composite
def broken_states(draw):
    """The names and values of a checkpoint with some of them changed."""
    state = {name: value.clone() for name, value in STATE.items()}
    original = from_ours(state, LAYOUTS[draw(LAYOUT)],
                         prefix=draw(st.sampled_from(("", "backbone."))))
    state = dict(original)
    for name in draw(st.lists(st.sampled_from([*state]), max_size=3, unique=True)):
        how = draw(st.sampled_from(("drop", "rename", "value", "value", "more")))
        if how == "drop":
            state.pop(name, None)
        elif how == "rename" and name in state:
            new, value = draw(NAME), state.pop(name)
            # Under the name of another of its shape it would be one that nobody can tell.
            if {**STATE, **original}.get(new, value[None]).shape != value.shape:
                state[new] = value
        elif how == "value":
            state[name] = draw(broken_value(torch.clone(original[name])))
        elif how == "more":
            state[draw(NAME)] = draw(st.one_of(st.just(torch.zeros(3)), ODD))
    return draw(WRAP)(state)


def assert_as_saved(net, names):
    """These weights of the network are those that were saved, to the digits of their type."""
    for name, value in net.state_dict().items():
        if name in names and not name.endswith(COUNTER):
            wanted = STATE[name]
            assert any(torch.equal(value, wanted.to(kind).to(wanted)) for kind in
                       (wanted.dtype, *FLOATS)), name


@given(broken_states(), st.booleans())
@tries(150)
def test_a_broken_state_dict_is_refused_or_loaded_as_it_was_saved(state, strict):
    net, before = build(2), build(2).state_dict()
    try:
        report = weights.load(net, state, strict=strict)
    except ResNeStError as error:
        assert str(error) and len(str(error)) < 2000
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
        return
    assert_as_saved(net, report.loaded)
    assert not strict or set(report.loaded) == {n for n in before if not n.endswith(COUNTER)}
    for name, value in net.state_dict().items():
        assert name in report.loaded or name.endswith(COUNTER) or torch.equal(value, before[name])


def files_of(state):
    """The bytes of checkpoints in each format, with the ending of their names."""
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save(state, zipped)
    torch.save({"model": state}, legacy, _use_new_zipfile_serialization=False)
    arrays = {name: value.numpy() for name, value in state.items()}
    with tempfile.TemporaryDirectory() as folder:
        weights.files.write(state, Path(folder, "a.pth"))
        ours = Path(folder, "a.pth").read_bytes()
    return {"zip": zipped.getvalue(), "ours": ours, "legacy": legacy.getvalue(),
            "safetensors": save(state), "pickle": pickle.dumps({"model": arrays}),
            "old pickle": pickle.dumps(arrays, protocol=2)}


FILES = files_of(STATE)
# The other formats have no checksums: a changed byte of a weight is another weight.
CHECKED = ("zip", "ours")


def loaders(path):
    yield lambda: weights.load(build(2), path, strict=False)
    yield lambda: weights.convert(path, "upstream", path.with_name("out.pth"))
    yield lambda: DetectionCheckpointer(build(2)).load(str(path))
    yield lambda: CheckpointLoader.load_checkpoint(str(path))


@pytest.mark.parametrize("kind", FILES)
@given(data=st.data())
@tries(40)
def test_a_damaged_file_is_refused_or_read_as_it_was_written(kind, data):
    content = data.draw(damage(FILES[kind]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sent.safetensors" if kind == "safetensors" else "sent.pth")
        path.write_bytes(content)
        try:
            state = read_checkpoint(path).state
        except ResNeStError as error:
            assert "sent" in str(error) and len(str(error)) < 2000
            for load in loaders(path):
                with pytest.raises(ResNeStError):
                    load()
            return
        if kind in CHECKED:
            assert all(torch.equal(value, STATE[name]) for name, value in state.items()
                       if name in STATE)
            assert state.keys() == STATE.keys()
        for load in loaders(path):
            try:
                load()
            except ResNeStError:
                pass
