"""No file that anyone sends runs code, wherever one is loaded; only configs in Python are code by
design. Each payload would make a file."""

import pickle
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.model_zoo import get_config_file
from mmengine.runner.checkpoint import CheckpointLoader

from resnest_dense import ResNeStError, create_backbone, weights
from resnest_dense.base.files import inside
from resnest_dense.base.plain_yaml import PlainLoader
from resnest_dense.cli import main
from resnest_dense.d2.config import get_cfg, load_lazy_config, load_yaml_config
from resnest_dense.mmseg.config import load_config
from resnest_dense.weights import transfer

NET = create_backbone("resnest14")


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path):
    yield tmp_path / "it ran"
    assert not (tmp_path / "it ran").exists()


LOADERS = {
    "weights.load": lambda path: weights.load(NET, path),
    "create_backbone": lambda path: create_backbone("resnest14", weights=path),
    "weights.convert": lambda path: weights.convert(path, "detectron2", path.with_name("out.pth")),
    "detectron2": lambda path: DetectionCheckpointer(NET).load(str(path)),
    "mmengine": lambda path: CheckpointLoader.load_checkpoint(str(path)),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("place", ["alone", "among weights", "in the meta data"])
def test_a_torch_file(loader, place, marker, tmp_path):
    state = NET.state_dict()
    torch.save({"alone": Payload(marker), "among weights": {**state, "x": Payload(marker)},
                "in the meta data": {"state_dict": state, "meta": Payload(marker)}}[place],
               tmp_path / "sent.pth")
    with pytest.raises(ResNeStError, match="sent.pth"):
        LOADERS[loader](tmp_path / "sent.pth")


@pytest.mark.parametrize("loader", ["weights.load", "detectron2"])
@pytest.mark.parametrize("content", [Payload, lambda marker: {"model": {"x": Payload(marker)}}])
def test_a_pickle(loader, content, marker, tmp_path):
    (tmp_path / "sent.pkl").write_bytes(pickle.dumps(content(marker)))
    with pytest.raises(ResNeStError, match="sent.pkl"):
        LOADERS[loader](tmp_path / "sent.pkl")


TAGS = ['!!python/object/apply:os.mkdir ["{}"]', '!!python/object/new:os.mkdir ["{}"]',
        '!!python/object/apply:eval ["__import__(\'os\').mkdir(\'{}\')"]',
        "!!python/object/apply:eval [\"[].__class__.__base__.__subclasses__()\"]",
        '!!python/name:os.mkdir', '!!python/module:os']


@pytest.mark.parametrize("tag", TAGS)
def test_tags_of_yaml(tag, marker, tmp_path):
    sent = tmp_path / "sent.yaml"
    for opening, load in (("SOLVER:\n  MAX_ITER: ", load_yaml_config),
                          ("SOLVER:\n  MAX_ITER: ", lambda path: get_cfg().merge_from_file(path)),
                          ("model:\n  _target_: ", load_lazy_config),
                          ("model:\n  type: ", load_config)):
        sent.write_text(opening + tag.format(marker) + "\n")
        with pytest.raises(ResNeStError, match=r"sent.yaml, line [12]"):
            load(str(sent))
    # Also where a command asks of which framework a config is.
    assert main(["analyze", str(sent)]) == 2


def test_the_one_sum_of_detectron2_s_own_files_is_computed(tmp_path):
    cfg = load_yaml_config(get_config_file("COCO-Detection/retinanet_R_50_FPN_1x.yaml"))
    assert cfg.MODEL.ANCHOR_GENERATOR.SIZES == [
        [x, x * 2 ** (1.0 / 3), x * 2 ** (2.0 / 3)] for x in (32, 64, 128, 256, 512)]
    (tmp_path / "own.yaml").write_text("model: {type: X, scale: !!python/tuple [4, 8]}")
    assert load_config(tmp_path / "own.yaml").model.scale == (4, 8)


@pytest.mark.parametrize("text", [
    "2 ** 2 ** 99", "9 ** 99", "[0] * 9", "abs(1)", "x", "1 if 1 else 2", "[x for x in 3]",
    "[x for x in [1] if x]", "1 / 0", "'a'", "(", "(lambda: 0)()", "[1][0]"])
def test_no_more_than_sums(text):
    with pytest.raises(yaml.YAMLError, match="write its value"):
        yaml.load(f'!!python/object/apply:eval ["{text}"]', PlainLoader)


@pytest.mark.parametrize("name", ["../a.png", "/tmp/a.png", "a/../../b.png"])
def test_names_in_annotations_stay_in_their_folder(name, tmp_path):
    with pytest.raises(ResNeStError, match="leads out of"):
        inside(tmp_path, name)
    assert inside(tmp_path, "a/../b.png").resolve() == tmp_path / "b.png"


@pytest.mark.parametrize("old,new,words", [
    ("https://8.8.8.8/a.pth", "http://8.8.8.8/a.pth", "another scheme"),
    ("http://8.8.8.8/a.pth", "ftp://8.8.8.8/a.pth", "another scheme"),
    ("http://8.8.8.8/a.pth", "http://127.0.0.1/a.pth", "private host"),
    ("http://8.8.8.8/a.pth", "http://[::1]/a.pth", "private host"),
    ("https://8.8.8.8/a.pth", "https://192.168.0.7/a.pth", "private host"),
    ("https://8.8.8.8/a.pth", "https://169.254.169.254/latest", "private host"),
    ("http://8.8.8.8/a.pth", "https://8.8.4.4/a.pth", ""),
    ("http://127.0.0.1:8/a.pth", "http://127.0.0.1:9/a.pth", "")])
def test_where_an_address_may_lead(old, new, words):
    def follow():
        return transfer.Redirects().redirect_request(
            urllib.request.Request(old), None, 302, "Found", {}, new)

    if words:
        with pytest.raises(urllib.error.URLError, match=words):
            follow()
    else:
        assert follow().full_url == new


def test_an_archive_that_grows(tmp_path):
    with zipfile.ZipFile(tmp_path / "sent.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.pth", bytes(10_000_000))
    with pytest.raises(transfer.AddressFailed, match="10000000 bytes"):
        transfer.unpack(tmp_path / "sent.zip", "a.pth", tmp_path / "a.pth",
                        digests=transfer.Digests("sha256"))
