"""Which framework a config is for."""

import pytest

from resnest_dense.configs import framework_of, list_configs


@pytest.mark.parametrize("framework", ["detectron2", "mmseg"])
def test_shipped_names(framework):
    for name in list_configs(framework):
        assert framework_of(name) == framework, name
        assert framework_of(name.rpartition(".")[0]) == framework, name


@pytest.mark.parametrize("name,text,framework", [
    ("own.yaml", "MODEL: {}", "detectron2"),
    ("lazy.py", "from detectron2.config import LazyCall as L", "detectron2"),
    ("lazy.py", "import detectron2.model_zoo", "detectron2"),
    ("lazy.py", "from resnest_dense.d2 import ResNeStBackbone", "detectron2"),
    ("own.py", "_base_ = ['mmseg::fcn.py']", "mmseg"),
    ("own.py", "custom_imports = dict(imports=['resnest_dense.mmseg'])", "mmseg"),
])
def test_files(tmp_path, name, text, framework):
    path = tmp_path / name
    path.write_text(text)
    assert framework_of(str(path)) == framework
