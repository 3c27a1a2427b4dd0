"""Conversion: the same bits under other names, and what is known of them beside."""

import hashlib
import json

import pytest
import torch

from resnest_dense import (
    Deformable,
    ResNeStError,
    ResNeStValueError,
    create_backbone,
    weights,
)
from resnest_dense.weights import conversion
from resnest_dense.weights.files import read
from resnest_dense.weights.layouts import LAYOUTS

# Layouts that have no names for a ResNeSt: tests/test_parity_family.py.
OF_THE_LINE = ("torchvision", "timm_sk", "caffe2")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def beside(path):
    return json.loads(path.with_name(path.name + ".json").read_text())


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in OF_THE_LINE])
def test_the_round_trip_is_exact_to_the_bit(layout, ending, file14, tmp_path):
    there, back = tmp_path / f"there{ending}", tmp_path / f"back{ending}"
    weights.convert(file14, layout, there)
    assert not same(read(there), read(file14)) or layout == "upstream"
    weights.convert(there, "upstream", back)
    assert same(read(back), read(file14))


def test_what_detectron2_needs_stands_before_the_names(file14, tmp_path):
    """Stock detectron2 matches whole names only (docs/recipes.md 1.3)."""
    names = read(weights.convert(file14, "detectron2", tmp_path / "x.pth"))
    assert all(name.startswith("backbone.bottom_up.") for name in names)


def test_heads_stay_where_their_names_stay_right(tmp_path):
    state = {f"backbone.{k}": v for k, v in create_backbone("resnest14").state_dict().items()}
    state["decode_head.weight"] = torch.rand(3)
    torch.save(state, tmp_path / "whole.pth")
    kept = weights.convert(tmp_path / "whole.pth", "detectron2", tmp_path / "a.pth")
    assert same(read(kept), state) and beside(kept)["left_out"] == []
    alone = weights.convert(tmp_path / "whole.pth", "mm", tmp_path / "b.pth")
    assert beside(alone)["left_out"] == ["decode_head.weight"]
    assert len(read(alone)) == len(state) - 1


def test_what_is_known_travels_along(file14, tmp_path, published):
    entry = published("resnest14", file=file14.name)
    out = weights.convert(file14, "mm", tmp_path / "out.pth")
    known = beside(out)
    assert known["layout"] == "mm" and known["source"] == entry.file
    assert known["architectures"] == ["resnest14"]
    assert known["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    again = weights.convert(out, "detectron2", tmp_path / "again.safetensors")
    report = weights.load(create_backbone("resnest14"), again)
    assert report.contract == entry.contract


def test_networks_that_no_weight_tells_apart_are_all_named(tmp_path):
    state = create_backbone("resnest50_fast_2s1x64d").state_dict()
    out = weights.convert(state, "upstream", tmp_path / "out.pth")
    assert beside(out)["architectures"] == ["resnest50", "resnest50_fast_2s1x64d"]
    assert beside(out)["contract"] is None


def test_what_only_the_catalog_knows_is_kept(file14, tmp_path, published):
    published("DeepLab_ResNeSt50_ADE", file=file14.name, architecture="resnest50")
    out = weights.convert(file14, "mm", tmp_path / "out.pth")
    assert beside(out)["architectures"] == ["resnest50"]  # not what its shapes say
    model = create_backbone("resnest14", output_stride=8, dilated_form="mmseg")
    assert "dilated_form='official'" in str(weights.load(model, out))


def test_what_is_not_a_number_is_converted_too(tmp_path):
    state = create_backbone("resnest14").state_dict()
    state["res2.0.conv1.weight"].fill_(float("nan"))
    assert weights.convert(state, "mm", tmp_path / "out.pth").exists()


def test_a_description_that_cannot_be_read_is_named(file14, tmp_path):
    file14.with_name(file14.name + ".json").write_text('{"contract": 3}')
    with pytest.raises(ResNeStError, match="some14.pth.json does not say what some14.pth is"):
        weights.load(create_backbone("resnest14"), file14)


def test_parts_without_a_name_there_are_an_error(tmp_path):
    state = create_backbone("resnest14", deform=Deformable()).state_dict()
    with pytest.raises(ResNeStError, match="'upstream' has no name for res3.0.conv2_offset"):
        weights.convert(state, "upstream", tmp_path / "out.pth")
    assert not list(tmp_path.iterdir())


def test_unknown_layouts_are_refused_before_work(tmp_path):
    with pytest.raises(ResNeStValueError, match="Unknown layout 'mmseg'"):
        weights.convert(tmp_path / "absent.pth", "mmseg", tmp_path / "out.pth")


@pytest.mark.parametrize("options", [
    {}, {"norm": "GN"}, {"norm": "FrozenBN"}, {"in_channels": 5}, {"norm": ""},
    {"deform": Deformable(("res4", "res5"), modulated=False, groups=2)}], ids=str)
def test_features_are_compared_for_every_kind_of_network(options, tmp_path):
    state = create_backbone("resnest14", **options).state_dict()
    out = weights.convert(state, "detectron2", tmp_path / "out.pth")
    assert beside(out)["same_features"] is True


@pytest.mark.parametrize("part", ["stem.conv1_1.weight", "res5.0.conv3.norm.bias"])
def test_a_part_of_a_network_is_said_to_be_one(part, tmp_path, caplog):
    state = create_backbone("resnest14").state_dict()
    state = {k: v for k, v in state.items() if k != part}
    state.setdefault("stem.conv1.weight", torch.zeros(2, 3))  # a reader asks for a stem
    out = weights.convert(state, "detectron2", tmp_path / "out.pth")
    assert beside(out)["same_features"] is False and "not its features" in caplog.text


def test_a_file_with_other_features_is_removed(file14, tmp_path, monkeypatch):
    answers = iter([{"res5": torch.zeros(2)}, {"res5": torch.ones(2)}])
    monkeypatch.setattr(conversion, "_features_of", lambda backbone: next(answers))
    with pytest.raises(ResNeStError, match="the features res5 differ"):
        weights.convert(file14, "mm", tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()


def test_a_file_that_reads_otherwise_is_removed(file14, tmp_path, monkeypatch):
    def broken(path):
        return {name: tensor + 1 for name, tensor in read(path).items()}

    monkeypatch.setattr(conversion, "read", broken)
    with pytest.raises(ResNeStError, match="reads otherwise than it was written"):
        weights.convert(file14, "mm", tmp_path / "out.pth")
    assert not (tmp_path / "out.pth").exists()
