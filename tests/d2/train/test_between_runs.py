"""What a run of detectron2 does in the folder of another one, and on a set with other classes."""

import json
import logging
import shutil

import pytest
import torch
from d2_runs import SMALL
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances

from resnest_dense import ResNeStError
from resnest_dense.d2.classes import Classes, read_classes, trained_classes
from resnest_dense.d2.data.checks import check_datasets
from resnest_dense.d2.train import make_parser, read_config, run
from resnest_dense.d2.train.evaluation import build_evaluator
from resnest_dense.d2.train.reordered import reorder_classes
from resnest_dense.training.record import read_record

MINI = ["--config-file", "resnest14_mask_rcnn_mini.yaml"]
NAMES = ("ball", "box", "kite", "star", "ring")


def arguments(tiny, out, *more, train=None, iterations=1):
    return make_parser().parse_args([
        *MINI, "--train-json", str(train or tiny.train_json), "--train-images",
        str(tiny.train_images), *(a for a in more if a.startswith("--")), *SMALL,
        "SOLVER.MAX_ITER", str(iterations), "OUTPUT_DIR", str(out),
        *(a for a in more if not a.startswith("--"))])


def with_categories(source, path, change):
    content = json.loads(source.read_text())
    content["categories"] = change(content["categories"])
    path.write_text(json.dumps(content))
    return path


def renamed(rows):
    return [{**row, "name": f"new {row['name']}"} for row in rows]


def more(rows):
    return [*rows, {"id": 999, "name": "moon"}]


def turned(rows):
    """The same ids under each other's names."""
    return [{**row, "name": other["name"]} for row, other in zip(rows, reversed(rows))]


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    run(arguments(tiny, folder))
    return folder


@pytest.fixture
def out(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def test_what_it_was_started_with_is_kept(finished, tiny):
    start = read_record(finished)
    assert start["config"]["SOLVER"]["MAX_ITER"] == 1 and start["seed"] >= 0
    assert list(start["data"]) == ["own_train"] and start["versions"]["torch"]
    assert [*start["data"]["own_train"]] == [str(tiny.train_json), str(tiny.train_images)]


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.name != "log.txt"}


@pytest.mark.parametrize("change,options,words", [
    (more, [], "5 in .*model_final.pth .*, 6 in .*only in .*: moon.*start anew elsewhere"),
    (renamed, [], "only in .*model_final.pth: ball, box.*only in .*: new ball"),
    (turned, [], "class 0 is 'ball' there and 'ring' here"),
    (list, ["MODEL.FPN.OUT_CHANNELS", "32"], "MODEL.FPN.OUT_CHANNELS 64 -> 32.*MODEL.WEIGHTS"),
])
def test_a_run_that_would_go_on_as_another_changes_nothing(tiny, out, tmp_path, change, options,
                                                           words):
    before = content(out)
    data = with_categories(tiny.train_json, tmp_path / "data.json", change)
    with pytest.raises(ResNeStError, match=words) as caught:
        run(arguments(tiny, out, "--resume", *options, train=data, iterations=2))
    assert content(out) == before and len(str(caught.value)) < 2000


def test_shapes_are_compared_where_nothing_else_is_known(tiny, out):
    (out / "config.yaml").unlink()
    with pytest.raises(ResNeStError, match="is of another model; .* there, .* here"):
        run(arguments(tiny, out, "--resume", "MODEL.FPN.OUT_CHANNELS", "32", iterations=2))


def test_a_finished_run_says_so_and_a_new_one_asks(tiny, out, capsys):
    assert trained_classes(out / "model_final.pth").names == read_classes(out).names == NAMES
    before = content(out)
    run(arguments(tiny, out, "--resume"))
    assert "is finished: 1 of 1 iterations" in capsys.readouterr().out
    with pytest.raises(ResNeStError, match="model_final.pth: give --resume .* or --overwrite"):
        run(arguments(tiny, out))
    wrong = "MODEL.PIXEL_MEAN", "[0.4, 0.4, 0.4]", "MODEL.PIXEL_STD", "[0.2, 0.2, 0.2]"
    with pytest.raises(ResNeStError, match="MODEL.PIXEL_MEAN"):
        run(arguments(tiny, out, "--overwrite", *wrong))
    assert content(out) == before
    run(arguments(tiny, out, "--overwrite", "MODEL.FPN.OUT_CHANNELS", "32"))
    assert "OUT_CHANNELS: 32" in (out / "config.yaml").read_text()
    state = torch.load(out / "model_final.pth")["model"]
    assert {len(value) for name, value in state.items()
            if "fpn_lateral" in name and value.ndim == 4} == {32}


def perfect(path, classes, cfg, name, trained, folder):
    """The AP of predictions that are the ground truth, numbered as the model's classes are."""
    truth = json.loads(path.read_text())
    names = {row["id"]: row["name"] for row in truth["categories"]}
    evaluator = build_evaluator(cfg, name, str(folder), trained)
    evaluator.reset()
    for image in truth["images"]:
        own = [a for a in truth["annotations"]
               if a["image_id"] == image["id"] and not a.get("iscrowd")]
        boxes = torch.tensor([a["bbox"] for a in own]).view(-1, 4).float()
        boxes[:, 2:] += boxes[:, :2]
        evaluator.process([{"image_id": image["id"]}], [{"instances": Instances(
            (image["height"], image["width"]), pred_boxes=Boxes(boxes), scores=torch.ones(len(own)),
            pred_classes=torch.tensor([classes.index(names[a["category_id"]]) for a in own],
                                      dtype=torch.long))}])
    return evaluator.evaluate()["bbox"]["AP"]


@pytest.mark.parametrize("known", [True, False])
def test_a_set_in_another_order_is_measured_by_name(tiny, tmp_path, known, caplog):
    path = with_categories(tiny.val_json, tmp_path / "val.json", turned)
    cfg = read_config(make_parser().parse_args([
        *MINI, "--val-json", str(path), "--val-images", str(tiny.val_images)]))
    trained = Classes((1, 2, 3, 4, 5), NAMES) if known else None
    with caplog.at_level(logging.INFO):
        found = perfect(path, NAMES, cfg, "own_val", trained, tmp_path)
    assert (found > 99) == known == ("mapped to it by name" in caplog.text)
    with pytest.raises(ResNeStError, match="4 in the model .*only in .*val.json: ring"):
        build_evaluator(cfg, "own_val", str(tmp_path), Classes((1, 2, 3, 4), NAMES[:4]))


def test_all_outputs_of_a_panoptic_network_are_mapped():
    seen = []

    class Recorder:
        def process(self, inputs, outputs):
            seen.extend(outputs)

    MetadataCatalog.get("turned").set(thing_classes=["b", "a"], stuff_classes=["things", "y", "x"])
    reordered = reorder_classes(Recorder(), Classes((1, 2), ("a", "b"), (0, 1, 2), (
        "things", "x", "y")), "turned")
    scores, places = torch.arange(3.).view(3, 1, 1), torch.zeros(1, 1)
    segments = [{"id": 1, "isthing": True, "category_id": 0},
                {"id": 2, "isthing": False, "category_id": 1}]
    reordered.process([{}], [{
        "instances": Instances((1, 1), pred_classes=torch.tensor([0, 1, 1])),
        "sem_seg": scores, "panoptic_seg": (places, segments)}])
    assert seen[0]["instances"].pred_classes.tolist() == [1, 0, 0]
    assert seen[0]["sem_seg"].flatten().tolist() == [0, 2, 1]
    assert [s["category_id"] for s in seen[0]["panoptic_seg"][1]] == [1, 2]
    assert [s["category_id"] for s in segments] == [0, 1]


@pytest.mark.parametrize("limit,words", [(100, "up to 150 objects, which cannot all be found"),
                                         (200, "at most 200 detections an image")])
def test_the_ap_says_its_limit_and_follows_the_config(tmp_path, limit, words, caplog):
    rows = [{"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 64,
             "bbox": [i % 15 * 10, i // 15 * 10, 8, 8]} for i in range(150)]
    path = tmp_path / "crowded.json"
    path.write_text(json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": 150, "height": 100}],
        "categories": [{"id": 1, "name": "seed"}, {"id": 2, "name": "weed"}], "annotations": rows}))
    cfg = read_config(make_parser().parse_args([
        *MINI, "--val-json", str(path), "--val-images", str(tmp_path),
        "TEST.DETECTIONS_PER_IMAGE", str(limit)]))
    with caplog.at_level(logging.INFO):
        found = perfect(path, ["seed", "weed"], cfg, "own_val", None, tmp_path)
    assert (found > 99) == (limit == 200) and words in caplog.text
    assert "no object of 1 of its 2 classes, which the mean AP leaves out: weed" in caplog.text


def test_several_training_files_are_learned_as_one(tiny, tmp_path, caplog):
    first = with_categories(tiny.train_json, tmp_path / "a.json", list)
    # Another file has them under other ids, lacks one and brings one.
    second = json.loads(tiny.val_json.read_text())
    ids = {row["id"]: 50 - i for i, row in enumerate(second["categories"])}
    second["categories"] = [{**row, "id": ids[row["id"]]} for row in second["categories"]]
    for one in second["annotations"]:
        one["category_id"] = ids[one["category_id"]]
    second["categories"][0]["name"] = "moon"
    (tmp_path / "b.json").write_text(json.dumps(second))
    with caplog.at_level(logging.INFO):
        cfg = read_config(make_parser().parse_args([
            *MINI, "--train-json", str(first), "--train-images", str(tiny.train_images),
            "--train-json", str(tmp_path / "b.json"), "--train-images", str(tiny.val_images)]))
    assert cfg.DATASETS.TRAIN == ("own_train", "own_train_2")
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 6
    assert "b.json has no category ball" in caplog.text
    assert "a.json has no category moon" in caplog.text
    check_datasets(cfg, cfg.DATASETS.TRAIN)
    names = MetadataCatalog.get("own_train_2").thing_classes
    assert names == MetadataCatalog.get("own_train").thing_classes == [*NAMES, "moon"]
    there = {row["id"]: row["name"] for row in second["categories"]}
    found = sorted(names[one["category_id"]] for record in DatasetCatalog.get("own_train_2")
                   for one in record["annotations"])
    assert found == sorted(there[one["category_id"]] for one in second["annotations"])


def test_files_without_their_companions_are_refused(tiny):
    with pytest.raises(ResNeStError, match="2 of json, 3 of images"):
        read_config(make_parser().parse_args([
            *MINI, *["--train-json", str(tiny.train_json)] * 2, *["--train-images", "."] * 3]))


def test_a_val_set_of_other_classes_is_refused_in_few_words(tiny, tmp_path):
    def many(rows):
        return [*rows, *({"id": 100 + i, "name": f"object class {i}"} for i in range(400))]

    train = with_categories(tiny.train_json, tmp_path / "train.json", many)
    val = with_categories(train, tmp_path / "val.json", lambda rows: [
        {**row, "name": row["name"].replace("class 201", "klass 201")} for row in rows])
    cfg = read_config(make_parser().parse_args([
        *MINI, "--train-json", str(train), "--train-images", str(tiny.train_images),
        "--val-json", str(val), "--val-images", str(tiny.train_images)]))
    with pytest.raises(ResNeStError, match="train.json: object class 201; .*object klass 201") as e:
        check_datasets(cfg, ("own_train", "own_val"))
    assert len(str(e.value)) < 2000
