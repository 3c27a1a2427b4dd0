"""Keypoints of the user's own files: what is taken from the category, training and evaluation."""

import json
import math

import pytest
import torch
from d2_runs import SMALL
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.builtin_meta import (
    COCO_PERSON_KEYPOINT_FLIP_MAP,
    COCO_PERSON_KEYPOINT_NAMES,
)
from detectron2.data.detection_utils import create_keypoint_hflip_indices
from detectron2.structures import Boxes, Instances
from torch import nn

from resnest_dense import ResNeStError
from resnest_dense.d2.data.checks import check_datasets
from resnest_dense.d2.data.keypoints import flip_map, keypoint_metadata
from resnest_dense.d2.train import make_parser, read_config
from resnest_dense.d2.train.trainer import Trainer, evaluate

NAMES = ["left_end", "right_end", "middle"]
MODEL = ["MODEL.MASK_ON", "False", "MODEL.KEYPOINT_ON", "True",
         "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS", "(32,)"]
SIGMAS = ["TEST.KEYPOINT_OKS_SIGMAS", "[0.1, 0.1, 0.05]"]


@pytest.fixture(scope="module")
def marked(tiny, tmp_path_factory):
    """The arguments of a set whose objects have three points each, the last of some hidden."""
    folder, arguments = tmp_path_factory.mktemp("marked"), []
    for split in ("train", "val"):
        content = json.loads(getattr(tiny, f"{split}_json").read_text())
        for category in content["categories"]:
            category.update(keypoints=NAMES, skeleton=[[1, 3], [3, 2]])
        for entry in content["annotations"]:
            x, y, w, h = entry["bbox"]
            row, seen = math.floor(y + h / 2), 0 if entry["iscrowd"] else 2
            entry["keypoints"] = [math.floor(x), row, seen, math.ceil(x + w) - 1, row, seen,
                                  math.floor(x + w / 2), row, min(seen, 1 + entry["id"] % 2)]
            entry["num_keypoints"] = 3 if seen else 0
        path = folder / f"{split}.json"
        path.write_text(json.dumps(content))
        arguments += [f"--{split}-json", str(path), f"--{split}-images",
                      str(getattr(tiny, f"{split}_images"))]
    return arguments


def config(*arguments):
    return read_config(make_parser().parse_args(
        ["--config-file", "resnest14_mask_rcnn_mini.yaml", *map(str, arguments)]))


def test_keypoints_train_and_are_measured(marked, tmp_path):
    settings = [*SMALL, *MODEL, *SIGMAS, "SOLVER.MAX_ITER", 2, "OUTPUT_DIR", tmp_path]
    cfg = config(*marked, *settings)
    check_datasets(cfg, (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST))
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    row = json.loads((tmp_path / "metrics.json").read_text().splitlines()[-1])
    assert {"keypoints/AP", "bbox/AP"} <= set(row)
    # The set to evaluate on is enough for that.
    cfg = config(*marked[4:], *settings, "MODEL.WEIGHTS", tmp_path / "model_final.pth")
    assert evaluate(cfg)["bbox"]["AP"] == pytest.approx(row["bbox/AP"], abs=1e-3)


def test_names_mirror_images_and_skeleton_come_from_the_category(marked, caplog):
    with caplog.at_level("INFO", "resnest_dense"):
        cfg = config(*marked, *MODEL, *SIGMAS)
    assert "these change places: left_end and right_end." in caplog.text
    assert cfg.MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS == 3
    metadata = MetadataCatalog.get("own_train")
    assert metadata.keypoint_names == NAMES
    assert [rule[:2] for rule in metadata.keypoint_connection_rules] == [
        ("left_end", "middle"), ("middle", "right_end")]
    assert create_keypoint_hflip_indices("own_train") == [1, 0, 2]


class Truth(nn.Module):
    """Finds the annotated boxes and keypoints, these moved by some pixels."""

    def __init__(self, name, shift):
        super().__init__()
        self.records = {record["image_id"]: record for record in DatasetCatalog.get(name)}
        self.shift = shift

    def forward(self, inputs):
        return [{"instances": self.find(self.records[x["image_id"]])} for x in inputs]

    def find(self, record):
        found = [a for a in record["annotations"] if not a["iscrowd"]]
        boxes = torch.tensor([a["bbox"] for a in found]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        points = torch.tensor([a["keypoints"] for a in found]).reshape(-1, 3, 3) + self.shift
        return Instances((record["height"], record["width"]), pred_boxes=Boxes(boxes),
                         scores=torch.ones(len(found)), pred_keypoints=points,
                         pred_classes=torch.tensor([a["category_id"] for a in found]))


@pytest.mark.parametrize("shift, sigmas, low, high", [
    (0, "[0.1, 0.1, 0.05]", 100, 100), (3, "[0.1, 0.1, 0.05]", 5, 90),
    (3, "[1.0, 1.0, 1.0]", 100, 100)])
def test_ground_truth_scores_100_and_sigmas_matter(marked, shift, sigmas, low, high, tmp_path):
    cfg = config(*marked, *MODEL, "TEST.KEYPOINT_OKS_SIGMAS", sigmas, "OUTPUT_DIR", tmp_path)
    results = Trainer.test(cfg, Truth("own_val", shift))
    assert low - 1e-6 <= results["keypoints"]["AP"] <= high + 1e-6


def test_missing_sigmas_are_asked_for(marked):
    with pytest.raises(ResNeStError, match=r"OKS_SIGMAS has 0 values.*3 keypoints \(left_end"):
        config(*marked, *MODEL)
    with pytest.raises(ResNeStError, match="has 2 values"):
        config(*marked, *MODEL, "TEST.KEYPOINT_OKS_SIGMAS", "[0.1, 0.1]")


def test_cocos_own_names_have_cocos_sigmas_and_pairs(tiny, tmp_path):
    content = json.loads(tiny.val_json.read_text())
    for category in content["categories"]:
        category["keypoints"] = list(COCO_PERSON_KEYPOINT_NAMES)
    (tmp_path / "val.json").write_text(json.dumps(content))
    cfg = config("--val-json", tmp_path / "val.json", "--val-images", tiny.val_images, *MODEL)
    assert cfg.MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS == 17 and not cfg.TEST.KEYPOINT_OKS_SIGMAS
    assert flip_map(COCO_PERSON_KEYPOINT_NAMES) == list(COCO_PERSON_KEYPOINT_FLIP_MAP)


@pytest.mark.parametrize("names, pairs", [
    (["nose", "tail"], []),
    (["leftEye", "rightEye", "bright"], [("leftEye", "rightEye")]),
    (["R_Elbow", "L_Elbow"], [("R_Elbow", "L_Elbow")]),
    (["earL", "earR", "LowerLip", "RowerLip"], [("earL", "earR")]),
    (["front_l", "front_r"], [("front_l", "front_r")]),
    (["LEFT-HIP", "RIGHT-HIP"], [("LEFT-HIP", "RIGHT-HIP")]),
    (["left_ear", "tail"], []),
])
def test_pairs_of_a_mirror_image(names, pairs):
    assert flip_map(names) == pairs


@pytest.mark.parametrize("category, words", [
    ({"keypoints": None}, "no category has 'keypoints'"),
    ({"keypoints": ["a", "a"]}, "names a keypoint twice"),
    ({"keypoints": 17}, "has keypoints=17; write a list"),
    ({"keypoints": ["a", 2]}, "write a list of their names"),
    ({"keypoints": ["a", "b"], "skeleton": [[0, 1]]}, "pairs of numbers from 1 to 2"),
    ({"keypoints": ["a", "b"], "skeleton": [[1, 3]]}, "pairs of numbers from 1 to 2"),
    ({"keypoints": ["a", "b"], "skeleton": [1, 2]}, "pairs of numbers from 1 to 2"),
])
def test_a_wrong_category_is_refused(category, words):
    with pytest.raises(ResNeStError, match=f"set.json: .*{words}"):
        keypoint_metadata([{"id": 1, "name": "cat", **category}], "set.json")
