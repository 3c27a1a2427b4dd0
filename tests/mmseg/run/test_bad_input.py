"""What cannot work ends in one clear error before the first iteration."""

import traceback

import numpy as np
import pytest
import torch
from PIL import Image

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.mmseg.run import evaluate, train


def start(config, tmp_path, *options):
    train.run(train.make_parser().parse_args(
        [str(config), "--work-dir", str(tmp_path / "run"), *options]))


def recolour(folders):
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(folders[1] / "3.png")


def empty(folders):
    [path.unlink() for path in folders[0].iterdir()]


def unpair(folders):
    (folders[1] / "2.png").unlink()


def shrink(folders):
    Image.fromarray(np.zeros((20, 24), np.uint8)).save(folders[1] / "1.png")


def exceed(folders):
    Image.fromarray(np.full((40, 48), 77, np.uint8)).save(folders[1] / "0.png")


@pytest.mark.parametrize("spoil,said", [
    (recolour, "(?s)colours, not class numbers.*3.png"), (empty, "No image in"),
    (unpair, "have no label in .*2.png"), (shrink, "(?s)differ in size.*24x20.*48x40"),
    (exceed, "(?s)beyond the classes.*77, and there are 3 classes")])
def test_labels(spoil, said, config, folders, tmp_path):
    spoil(folders)
    with pytest.raises(ResNeStError, match=said):
        start(config, tmp_path)


@pytest.mark.parametrize("options,said", [
    (["model.decode_head.num_classes=4"], "num_classes=4, and the training set has 3 classes"),
    (["modle.pretrained=x"], "Did you mean 'model'"),
    (["model.backbone.depht=50"], "unexpected keyword argument 'depht'"),
    (["model.backbone.architecture=resnest51"], "Did you mean 'resnest"),
    (["optim_wrapper.optimizer.learning_rate=1"], "unexpected keyword argument 'learning_rate'"),
    (["param_scheduler.0.powr=1"], "unexpected keyword argument 'powr'"),
    (["default_hooks.logger.intervall=1"], "unexpected keyword argument 'intervall'"),
    (["val_evaluator.metric=mIoU"], "unexpected keyword argument 'metric'"),
    (["train_pipeline.2.prob=1"], "'train_pipeline.2.prob' .* has no effect"),
    (["train_dataloader.dataset.img_sufix=.jpg"], "unexpected keyword argument 'img_sufix'")])
def test_settings(options, said, config, tmp_path):
    with pytest.raises(ResNeStError, match=said):
        start(config, tmp_path, "--cfg-options", *options)


def test_a_misspelt_setting_in_a_config(config, tmp_path):
    config.write_text(config.read_text() + "\noptim_wraper = dict(clip_grad=None)\n")
    with pytest.raises(ResNeStError, match="nothing reads 'optim_wraper'.*'optim_wrapper'"):
        start(config, tmp_path)


def test_a_config_that_is_not_there(tmp_path):
    with pytest.raises(ResNeStError, match="resnest50_deeplabv3_ade20k"):
        start("resnest50_deeplabv3_ade20", tmp_path)


def test_a_data_set_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ResNeStError, match="data/ade/ADEChallengeData2016.*Put the data set there"):
        start("resnest14_deeplabv3_ade20k", tmp_path, "--cfg-options",
              "model.backbone.init_cfg=None")


def test_labels_are_checked_whatever_hooks_a_config_has(config, folders, tmp_path):
    exceed(folders)
    config.write_text(config.read_text() + "\ncustom_hooks = []\n")
    with pytest.raises(ResNeStError, match="beyond the classes"):
        start(config, tmp_path)


def test_an_error_in_code_of_the_user_says_what_it_is_and_keeps_its_traceback(config, tmp_path,
                                                                              monkeypatch):
    (tmp_path / "own_hook.py").write_text("""
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class OwnHook(Hook):
    def __init__(self):
        self.limit = {}["x"]
""")
    monkeypatch.syspath_prepend(tmp_path)
    config.write_text(config.read_text() + """
custom_imports = dict(imports=["resnest_dense.mmseg", "own_hook"])
custom_hooks = [dict(type="OwnHook")]
""")
    with pytest.raises(ResNeStError, match="tiny.py: KeyError: 'x' .-v shows") as refused:
        start(config, tmp_path)
    frames = traceback.extract_tb(refused.value.__cause__.__traceback__)
    assert frames[-1].line == 'self.limit = {}["x"]'


def test_own_data_without_classes(config, folders, tmp_path):
    with pytest.raises(ResNeStError, match="--classes"):
        start(config, tmp_path, "--train", str(folders[0]), str(folders[1]))


@pytest.mark.parametrize("state,said", [
    (dict(a=torch.zeros(1)), "holds no ResNeSt"),
    (create_backbone("resnest14").state_dict(), "holds a backbone only"),
    ({f"backbone.{k}": v for k, v in create_backbone("resnest26").state_dict().items()} | {
        "decode_head.x": torch.zeros(1), "auxiliary_head.x": torch.zeros(1)}, "another network")])
def test_a_checkpoint_of_something_else(state, said, config, tmp_path):
    torch.save(dict(state_dict=state), tmp_path / "other.pth")
    arguments = [str(config), str(tmp_path / "other.pth"), "--work-dir", str(tmp_path / "run")]
    with pytest.raises(ResNeStError, match=said):
        evaluate.run(evaluate.make_parser().parse_args(arguments))


def test_a_checkpoint_that_is_not_there(config, tmp_path):
    with pytest.raises(ResNeStError, match="No checkpoint"):
        evaluate.run(evaluate.make_parser().parse_args([str(config), "nowhere.pth"]))
