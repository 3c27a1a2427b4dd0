"""Which framework a config is for: told by what it says, not by its suffix."""

import pytest

from resnest_dense import ResNeStError
from resnest_dense.configs import find_any_config, list_configs

LAZY = "from detectron2.config import LazyCall as L\nmodel = L(dict)()\n"


@pytest.mark.parametrize("name,text,kind", [
    ("a.yaml", "_BASE_: b.yaml\nMODEL:\n  WEIGHTS: ''\n", "yaml"),
    ("a.yaml", "dataloader: {}\nmodel:\n  _target_: detectron2.modeling.RetinaNet\n", "lazy"),
    ("a.yaml", "model:\n  type: EncoderDecoder\n", "mmseg"),
    ("a.py", LAZY, "lazy"),
    ("a.py", "from detectron2 import model_zoo\nmodel = model_zoo.get_config('a').model\n", "lazy"),
    ("a.py", "custom_imports = dict(imports=['resnest_dense.mmseg'])\n", "mmseg"),
    ("a.py", "from .common import model, dataloader\nmodel.backbone.depth = 50\n", "lazy"),
    ("a.py", "_base_ = ['b.py']\n", "mmseg"),
    ("a.py", "model = dict(type='EncoderDecoder')\n", "mmseg"),
    ("a.py", "model = {'type': 'EncoderDecoder'}\n", "mmseg"),
    ("a.py", "from mmengine.config import read_base\nwith read_base():\n    from .b import *\n",
     "mmseg"),
])
def test_the_content_decides(tmp_path, name, text, kind):
    (tmp_path / name).write_text(text)
    assert find_any_config(tmp_path / name) == (tmp_path / name, kind)


@pytest.mark.parametrize("framework", ["detectron2", "mmseg"])
def test_every_shipped_config_is_told(framework):
    for name in list_configs(framework):
        path, kind = find_any_config(name)
        expected = "mmseg" if framework == "mmseg" else "lazy" if path.suffix == ".py" else "yaml"
        assert kind == expected == find_any_config(path)[1], name
        # Where a name without suffix is of a YAML and a LazyConfig, it is the YAML.
        assert (find_any_config(name.rpartition(".")[0])[1] == "mmseg") == (kind == "mmseg"), name


@pytest.mark.parametrize("name,text,words", [
    ("a.json", "{}", "a.json is no config"),
    ("a.py", "model = (", "a.py, line 1: no config that can be read"),
    ("resnest50_fastr_rcnn", None, "resnest50_faster_rcnn"),
])
def test_what_is_no_config_is_named(tmp_path, monkeypatch, name, text, words):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ResNeStError, match=words):
        find_any_config(name)
