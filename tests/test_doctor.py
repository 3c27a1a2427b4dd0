"""The doctor: each known combination is recognised, and a good one is left in peace."""

import pytest

from resnest_dense import doctor
from resnest_dense.cli import main
from resnest_dense.doctor import advise, installed

GOOD = {
    "python": "3.11.7", "torch": "2.11.0+cu130", "torchvision": "0.26.0",
    "torch for torchvision": "2.11.0", "opencv-python": "5.0.0",
    "detectron2": "0.6", "detectron2._C": "yes", "pycocotools": "2.0", "tensorboard": "2.21",
    "mmsegmentation": "1.2.2", "mmengine": "0.10.7", "ftfy": "6", "regex": "2026", "mmcv": "2.1.0",
    "mmcv._ext": "yes", "pkg_resources": "yes", "cuda": "13.0",
}


def problems(**changes):
    return [a.text for a in advise({**GOOD, **changes}) if a.serious]


def test_a_good_combination_has_no_problem():
    assert problems() == []


@pytest.mark.parametrize("changes,words", [
    ({"pkg_resources": None}, "setuptools<82"),
    ({"mmcv": "2.2.0"}, "mmcv-lite==2.1.0"),
    ({"mmcv": None, "mmcv-lite": "2.2.0"}, "mmcv-lite==2.1.0"),
    ({"mmcv-lite": "2.1.0"}, "mmcv and mmcv-lite"),
    ({"opencv-python-headless": "5.0.0"}, "opencv"),
    ({"torch for torchvision": "2.10.0", "torchvision": "0.25.0+cpu"}, "torchvision"),
    ({"opencv-python": None}, "cv2"),
    ({"python": "3.14.0"}, "3.13"),
    ({"torch": "2.3.1", "torch for torchvision": "2.3.1"}, "'torch>=2.4'"),
    ({"sal-detectron2": "0.7.2"}, "uninstall sal-detectron2"),
    ({"pycocotools": None}, "pip install pycocotools"),
    ({"tensorboard": None}, "pip install tensorboard"),
    ({"mmcv": None}, "pip install mmcv-lite==2.1.0"),
    ({"mmcv": "1.7.2"}, "mmcv 2"),
    ({"mmsegmentation": "0.30.0"}, "mmsegmentation>=1.2"),
    ({"mmcv._ext": "broken (undefined symbol)"}, "mmcv's compiled part"),
    ({"regex": None}, "pip install ftfy regex"),
], ids=str)
def test_a_known_problem_is_named_with_its_fix(changes, words):
    (text,) = problems(**changes)
    assert words in text and "Fix: " in text


@pytest.mark.parametrize("changes,words", [
    ({"detectron2": None}, "detectron2 is not installed"),
    ({"mmsegmentation": None}, "builds backbones only"),
    ({"detectron2._C": None}, "without its compiled part"),
    ({"detectron2._C": "broken (libcudart.so.12)"}, "--no-build-isolation"),
    ({"detectron2": None, "sal-detectron2": "0.7.2", "numpy": "2.4.6"}, "SemSegEvaluator"),
    ({"mmcv": None, "mmcv-lite": "2.1.0"}, "no compiled operators"),
    ({"cuda": None}, "on the CPU"),
    ({"torch": None, "torchvision": None}, "exported models run"),
], ids=str)
def test_what_only_limits_is_a_note(changes, words):
    assert problems(**changes) == []
    assert any(words in a.text for a in advise({**GOOD, **changes}))


def test_a_compiled_part_that_cannot_be_loaded_is_broken(tmp_path, monkeypatch):
    (tmp_path / "half_built").mkdir()
    (tmp_path / "half_built" / "__init__.py").touch()
    (tmp_path / "half_built" / "_C.py").write_text("raise ImportError('undefined symbol: x')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, "COMPILED", ("half_built._C",))
    assert installed()["half_built._C"] == "broken (undefined symbol: x)"


def test_a_fork_goes_by_the_name_of_what_it_stands_for(tmp_path, monkeypatch):
    (tmp_path / "mmseg").mkdir()
    (tmp_path / "mmseg" / "__init__.py").touch()
    info = tmp_path / "own_mmsegmentation-1.4.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-mmsegmentation\n"
                                   "Version: 1.4.2\n")
    (info / "top_level.txt").write_text("mmseg\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    found = installed()
    assert found["mmsegmentation"] == "1.4.2 (own-mmsegmentation)"
    assert problems(mmsegmentation=found["mmsegmentation"]) == []


def test_this_environment_is_reported(capsys):
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert f"torch                    {installed()['torch']}" in output
    assert "No known problem" in output


def test_a_torch_that_lacks_something_is_no_missing_name(monkeypatch):
    def import_module(name):
        raise AttributeError("module 'torch' has no attribute 'spring'")

    monkeypatch.setattr("resnest_dense.import_module", import_module)
    with pytest.raises(ImportError, match="no attribute 'spring'. `resnest-dense doctor` says"):
        from resnest_dense import create_backbone  # noqa: F401
