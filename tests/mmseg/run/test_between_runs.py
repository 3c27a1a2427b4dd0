"""What a run of MMSegmentation does in the folder of another one, and on a set of other classes."""

import shutil

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from resnest_dense import ResNeStError
from resnest_dense.mmseg.run import evaluate, train
from resnest_dense.mmseg.run.predict import SegmentationPredictor
from resnest_dense.mmseg.run.settings import read_config
from resnest_dense.training.record import read_record

CLASSES = '"dark", "middle", "light"'


def train_in(folder, config, *arguments, options=()):
    options = ["train_cfg.max_iters=1", "default_hooks.checkpoint.interval=1", *options]
    train.run(train.make_parser().parse_args(
        [str(config), "--work-dir", str(folder), *arguments, "--cfg-options", *options]))


@pytest.fixture
def finished(config, tmp_path):
    train_in(tmp_path / "run", config)
    return tmp_path / "run"


def content(folder):
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_runs_in_a_used_folder(config, finished, capsys):
    before, text = content(finished), config.read_text()
    assert {"iter_1.pth", "tiny.py", "last_checkpoint"} <= {path.name for path in before}
    start = read_record(finished)
    assert start["config"]["train_cfg"]["max_iters"] == 1 and start["seed"] >= 0
    assert any("names and sizes" in found for found in start["data"]["train"].values())
    with pytest.raises(ResNeStError, match="iter_1.pth: give --resume .* or --overwrite"):
        train_in(finished, config)
    for classes, words in (('"dark", "middle", "white"', "iter_1.pth: light; .*data: white"),
                           ('"middle", "dark", "light"', "class 0 is 'dark' there and 'middle'"),
                           (CLASSES + ', "none"', "data: none.*start anew elsewhere.*load_from=")):
        config.write_text(text.replace(CLASSES, classes))
        with pytest.raises(ResNeStError, match=words):
            train_in(finished, config, "--resume")
    config.write_text(text.replace("channels=16", "channels=8", 1))
    with pytest.raises(ResNeStError, match="model.decode_head.channels 16 -> 8"):
        train_in(finished, config, "--resume")
    checkpoint = torch.load(finished / "iter_1.pth", weights_only=False)
    del checkpoint["meta"]["cfg"]
    torch.save(checkpoint, finished / "iter_1.pth")
    with pytest.raises(ResNeStError, match="weights do not fit.*Go on with"):
        train_in(finished, config, "--resume")
    (finished / "iter_1.pth").write_bytes(before[finished / "iter_1.pth"])
    config.write_text(text)
    capsys.readouterr()
    train_in(finished, config, "--resume")
    assert "is finished: 1 of train_cfg.max_iters=1" in capsys.readouterr().out
    assert content(finished) == before and sum(path.is_dir() for path in finished.iterdir()) == 1


def test_runs_of_one_process_write_their_own_records(config, tmp_path):
    for name in ("one", "two"):
        train_in(tmp_path / name, config)
    for name in ("one", "two"):
        [log], [scalars] = (list((tmp_path / name).glob(f"*/{kind}")) for kind in (
            "*.log", "vis_data/scalars.json"))
        assert f"{tmp_path / name}" in log.read_text() and "decode.loss_ce" in scalars.read_text()


def test_a_run_is_overwritten_once_the_new_one_has_passed_its_checks(config, finished):
    before, text = content(finished), config.read_text()
    config.write_text(text.replace("dict(size=(32, 32))",
                                   "dict(size=(32, 32), mean=[9] * 4, std=[1] * 4)"))
    with pytest.raises(ResNeStError, match="data_preprocessor.mean"):
        train_in(finished, config, "--overwrite")
    assert content(finished) == before
    config.write_text(text)
    options = ["default_hooks.checkpoint.interval=2", "train_cfg.max_iters=2"]
    train_in(finished, config, "--overwrite", options=options)
    assert [path.name for path in finished.glob("iter_*")] == ["iter_2.pth"]
    assert Config.fromfile(finished / "tiny.py").train_cfg.max_iters == 2


def test_a_set_in_another_order_is_tested_by_name(config, finished, folders, tmp_path):
    text = config.read_text()
    checkpoint = shutil.copy(finished / "iter_1.pth", tmp_path / "alone.pth")

    def test(*arguments):
        return evaluate.run(evaluate.make_parser().parse_args(
            [str(config), str(checkpoint), "--work-dir", str(tmp_path / "test"), *arguments]))

    state = torch.load(checkpoint, weights_only=False)
    state["state_dict"]["decode_head.conv_seg.bias"][1] += 0.1  # predictions of several classes
    torch.save(state, checkpoint)
    plain = {kind: test(*kind) for kind in ((), ("--tta", "published"))}
    order = [2, 0, 1]  # of the classes: the labels are renumbered with them
    for path in folders[1].iterdir():
        labels = Image.open(path)
        turned = labels.point([order.index(i) if i < 3 else i for i in range(256)])
        turned.save(path)
    config.write_text(text.replace(CLASSES, '"light", "dark", "middle"'))
    for kind, scores in plain.items():
        assert test(*kind) == pytest.approx(scores)
    assert "mapped by name" in "".join(p.read_text() for p in (tmp_path / "test").rglob("*.log"))
    config.write_text(text.replace(CLASSES, '"light", "dark", "white"'))
    with pytest.raises(ResNeStError, match="only in the checkpoint: middle.*only in .*: white"):
        test()
    with pytest.raises(ResNeStError, match="only in alone.pth: middle.*beside its checkpoints"):
        SegmentationPredictor(config, checkpoint, device="cpu")
    train_in(tmp_path / "fine-tuned", config, options=[f"load_from={checkpoint}"])


def test_a_validation_set_of_other_classes_is_refused(config, tmp_path):
    config.write_text(config.read_text() + 'val_dataloader.update(dataset=dict(data, classes=('
                      '"middle", "dark", "light"), pipeline=test_pipeline))\n')
    with pytest.raises(ResNeStError, match="'dark' there and 'middle' here.*metainfo="):
        train_in(tmp_path / "run", config)


def test_several_training_folders_are_one_set(config, folders, tmp_path):
    (tmp_path / "classes.txt").write_text("dark\nmiddle\nlight\n")
    pair = [*map(str, folders)]
    args = train.make_parser().parse_args([
        str(config), "--train", *pair, "--train", *pair, "--val", *pair,
        "--classes", str(tmp_path / "classes.txt")])
    init_default_scope("mmseg")
    cfg = read_config(args)
    assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 12
    assert len(DATASETS.build(cfg.val_dataloader.dataset)) == 6
