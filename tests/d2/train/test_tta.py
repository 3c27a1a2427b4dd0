"""Test-time augmentation: what it gives, where detectron2 has none, and where its metrics go."""

import pytest
import torch
from d2_runs import SMALL
from detectron2.modeling import PanopticFPN

from resnest_dense import ResNeStError
from resnest_dense.d2.train import make_parser, read_config
from resnest_dense.d2.train.evaluation import build_tta_model
from resnest_dense.d2.train.trainer import Trainer, evaluate

MINI = ["--config-file", "resnest14_mask_rcnn_mini.yaml"]
AUG = ["TEST.AUG.ENABLED", "True", "TEST.AUG.MIN_SIZES", "[64]", "TEST.AUG.FLIP", "False",
       "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0", "MODEL.ROI_HEADS.NUM_CLASSES", "5",
       "TEST.DETECTIONS_PER_IMAGE", "20"]
PANOPTIC = ["MODEL.META_ARCHITECTURE", "PanopticFPN", "MODEL.SEM_SEG_HEAD.IN_FEATURES",
            "['p3', 'p4', 'p5']", "MODEL.SEM_SEG_HEAD.CONVS_DIM", "32"]


def config(*arguments):
    return read_config(make_parser().parse_args([*MINI, *map(str, arguments)]))


def outputs(cfg, model, name="own_val"):
    loader = Trainer.build_test_loader(cfg, name)
    with torch.no_grad():
        return model.eval()(next(iter(loader)))[0]


@pytest.mark.parametrize("architecture", [[], PANOPTIC], ids=["mask", "panoptic"])
def test_one_scale_without_a_flip_finds_what_the_plain_network_finds(own_data, architecture, tiny):
    # The data sets are those of instances; a panoptic network looks at images alone here.
    config(*own_data)
    cfg = config(*SMALL, *AUG, *architecture, "DATASETS.TEST", "('own_val',)")
    model = Trainer.build_model(cfg)
    assert isinstance(model, PanopticFPN) == bool(architecture)
    plain, found = outputs(cfg, model)["instances"], outputs(cfg, build_tta_model(cfg, model))
    assert set(found) == {"instances"} and len(plain) > 0
    found = found["instances"]
    torch.testing.assert_close(found.scores, plain.scores)
    torch.testing.assert_close(found.pred_boxes.tensor, plain.pred_boxes.tensor, rtol=0, atol=1e-3)
    assert (found.pred_masks == plain.pred_masks).float().mean() > 0.999


def test_evaluation_gives_both_kinds_of_metrics(own_data, tmp_path):
    cfg = config(*own_data, *SMALL, *AUG, "OUTPUT_DIR", tmp_path)
    torch.save({"model": Trainer.build_model(cfg).state_dict()}, tmp_path / "model.pth")
    cfg = config(*own_data, *SMALL, *AUG, "OUTPUT_DIR", tmp_path, "MODEL.WEIGHTS",
                 tmp_path / "model.pth")
    results = evaluate(cfg)
    assert list(results) == ["bbox", "segm", "bbox_TTA", "segm_TTA"]
    assert (tmp_path / "inference_TTA/coco_instances_results.json").is_file()


def test_predictions_for_several_sets_are_kept_apart(own_data, tmp_path):
    config(*own_data)
    cfg = config(*SMALL, *AUG, "DATASETS.TEST", "('own_val', 'own_train')", "OUTPUT_DIR", tmp_path)
    results = Trainer.test_with_augmentation(cfg, Trainer.build_model(cfg))
    assert list(results) == ["own_val_TTA", "own_train_TTA"]
    for name in ("own_val", "own_train"):
        assert (tmp_path / f"inference_TTA/{name}/coco_instances_results.json").is_file()


@pytest.mark.parametrize("overrides, words", [
    (["MODEL.META_ARCHITECTURE", "RetinaNet"], "RetinaNet is no R-CNN"),
    (["MODEL.KEYPOINT_ON", "True"], "KEYPOINT_ON is True"),
    (["MODEL.LOAD_PROPOSALS", "True"], "LOAD_PROPOSALS is True"),
])
def test_detectors_without_it_are_refused_before_training(overrides, words):
    config(*overrides)
    with pytest.raises(ResNeStError, match=words):
        config(*overrides, "TEST.AUG.ENABLED", "True")
