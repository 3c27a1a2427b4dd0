"""The user's own COCO-format files: what a run takes from them, and what it refuses."""

import json
import shutil

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from PIL import Image

from resnest_dense import ResNeStError
from resnest_dense.d2.config import get_cfg
from resnest_dense.d2.data.checks import check_datasets
from resnest_dense.d2.train import make_parser, read_config, run
from resnest_dense.d2.train.trainer import Trainer


def arguments(tiny):
    return ["--config-file", "resnest50_mask_rcnn.yaml", "--train-json", str(tiny.train_json),
            "--train-images", str(tiny.train_images), "--val-json", str(tiny.val_json),
            "--val-images", str(tiny.val_images)]


def check(args):
    cfg = read_config(make_parser().parse_args(args))
    check_datasets(cfg, (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST))
    return cfg


def test_class_count_and_sets_come_from_the_file(tiny):
    cfg = check(arguments(tiny))
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == cfg.MODEL.RETINANET.NUM_CLASSES == 5
    assert cfg.DATASETS.TRAIN == ("own_train",) and cfg.DATASETS.TEST == ("own_val",)


def test_class_names_come_from_the_file(tiny):
    check(arguments(tiny))
    assert len(DatasetCatalog.get("own_train")) == 8
    assert MetadataCatalog.get("own_train").thing_classes == ["ball", "box", "kite", "star", "ring"]


def edit(change):
    def apply(folder, tiny):
        path = folder / "train.json"
        content = json.loads(tiny.train_json.read_text())
        change(content)
        path.write_text(json.dumps(content))
        return path
    return apply


def unknown_category(content):
    content["annotations"][0]["category_id"] = 99


def negative_box(content):
    content["annotations"][0]["bbox"][2] = -5


def missing_image(content):
    content["images"][0]["file_name"] = "gone.jpg"


def other_size(content):
    content["images"][0]["width"] += 7


def no_masks(content):
    for annotation in content["annotations"]:
        annotation["segmentation"] = []


def other_classes(content):
    content["categories"][0]["name"] = "teapot"


def truncated(folder, tiny):
    path = folder / "train.json"
    path.write_text(tiny.train_json.read_text()[:200])
    return path


@pytest.mark.parametrize("broken,words", [
    (edit(unknown_category), "99"), (edit(negative_box), "-5"), (edit(missing_image), "gone.jpg"),
    (edit(other_size), "103"), (edit(no_masks), "mask"), (edit(other_classes), "teapot"),
    (truncated, "train.json"),
], ids=lambda v: getattr(v, "__name__", v))
def test_broken_files_are_refused_by_name_before_training(tiny, tmp_path, broken, words):
    args = arguments(tiny)
    args[3] = str(broken(tmp_path, tiny))
    with pytest.raises(ResNeStError, match=words) as caught:
        check(args)
    assert "train.json" in str(caught.value)


def test_an_unreadable_image_is_refused(tiny, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(tiny.train_images, images)
    first = sorted(images.iterdir())[0]
    first.write_bytes(first.read_bytes()[:100])
    args = arguments(tiny)
    args[5] = str(images)
    with pytest.raises(ResNeStError, match=first.name):
        check(args)
    Image.new("RGB", (96, 64)).save(first)
    check(args)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_with_a_mark_at_its_beginning_is_checked_and_loaded(tiny, tmp_path, encoding):
    path, args = tmp_path / "marked.json", arguments(tiny)
    path.write_text(tiny.train_json.read_text(), encoding=encoding)
    args[3] = str(path)
    check([*args, "OUTPUT_DIR", str(tmp_path)])
    assert len(DatasetCatalog.get("own_train")) == 8
    assert path.read_text(encoding=encoding) == tiny.train_json.read_text()


@pytest.mark.parametrize("keys,words", [
    ({"MODEL.PIXEL_MEAN": "[1., 2., 3., 4.]"}, "PIXEL_MEAN has 4 values, and .* 3 channels"),
    ({"INPUT.FORMAT": "L"}, "PIXEL_MEAN has 3 values, and .* 1 channels")])
def test_channels_that_do_not_fit_the_network_are_refused(tiny, keys, words):
    with pytest.raises(ResNeStError, match=words):
        check([*arguments(tiny), *(word for pair in keys.items() for word in pair)])


def test_a_set_to_evaluate_on_is_not_trained_on(tiny):
    args = make_parser().parse_args([*arguments(tiny)[:2], *arguments(tiny)[6:]])
    with pytest.raises(ResNeStError, match="nothing to train on: give --train-json"):
        run(args)


def test_a_set_without_annotations_is_predicted_but_not_measured(tiny, tmp_path):
    # As COCO's test-dev: an evaluation server has its annotations.
    content = json.loads(tiny.val_json.read_text())
    del content["annotations"]
    (tmp_path / "image_info.json").write_text(json.dumps(content))
    register_coco_instances("test-dev", {}, str(tmp_path / "image_info.json"), str(tiny.val_images))
    args = ["--config-file", "resnest14_mask_rcnn_mini.yaml", "DATASETS.TEST", "('test-dev',)",
            "MODEL.ROI_HEADS.NUM_CLASSES", "5", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0",
            "OUTPUT_DIR", str(tmp_path)]
    cfg = read_config(make_parser().parse_args(args))
    check_datasets(cfg, cfg.DATASETS.TEST)
    content["images"][0]["width"] += 1
    (tmp_path / "image_info.json").write_text(json.dumps(content))
    with pytest.raises(ResNeStError, match="image has another size"):
        check_datasets(cfg, cfg.DATASETS.TEST)
    content["images"][0]["width"] -= 1
    (tmp_path / "image_info.json").write_text(json.dumps(content))
    assert not Trainer.test(cfg, Trainer.build_model(cfg))
    assert json.loads((tmp_path / "inference/coco_instances_results.json").read_text())


def test_records_of_a_function_are_left_to_the_user():
    DatasetCatalog.register("made", lambda: [])
    MetadataCatalog.get("made").set(evaluator_type="coco", thing_classes=["ball"])
    check_datasets(get_cfg(), ("made",))
