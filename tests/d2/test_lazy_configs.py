"""The LazyConfigs: the same experiments as the YAML configs, run by detectron2's own tool."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from detectron2.config import LazyConfig, instantiate
from detectron2.data.datasets.builtin_meta import COCO_CATEGORIES
from detectron2.modeling import build_model
from forks import as_command, run_forked
from peers import official_network

from resnest_dense.configs import find_config, list_configs
from resnest_dense.d2 import get_cfg

NAMES = [n for n in list_configs("detectron2") if n.startswith("lazy/")]
# Where `make install` puts the tools that come with detectron2.
STOCK_TOOL = Path(sys.prefix) / "detectron2_tools" / "lazyconfig_train_net.py"


def load(name):
    return LazyConfig.load(str(find_config(name, "detectron2")))


def build(name):
    """The lazy model and that of the YAML config of the same name, with the two configs."""
    lazy, cfg = load(name), get_cfg()
    cfg.merge_from_file(str(find_config(Path(name).stem, "detectron2")))
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        return instantiate(lazy.model), build_model(cfg), lazy, cfg


def test_the_main_experiments_have_a_lazy_config():
    methods = ("faster_rcnn", "cascade_rcnn", "mask_rcnn", "cascade_mask_rcnn", "retinanet")
    assert set(NAMES) == {
        *(f"lazy/{net}_{method}.py" for net in ("resnest50", "resnest101") for method in methods),
        "lazy/resnest200_cascade_mask_rcnn_tricks_3x.py",
        "lazy/resnest200_dcn_cascade_mask_rcnn_tricks_3x.py",
        "lazy/resnest200_panoptic_fpn_tricks_3x.py",
    }


@pytest.mark.parametrize("name", NAMES)
def test_lazy_and_yaml_give_the_same_model(name):
    lazy, model, _, _ = build(name)
    assert ({k: v.shape for k, v in lazy.state_dict().items()}
            == {k: v.shape for k, v in model.state_dict().items()})
    assert ({k for k, p in lazy.named_parameters() if p.requires_grad}
            == {k for k, p in model.named_parameters() if p.requires_grad})
    # Also what has no weights: pools, strides, activations.
    assert str(lazy.backbone) == str(model.backbone)
    for part, attributes in {
        "proposal_generator": ("pre_nms_topk", "post_nms_topk", "nms_thresh", "smooth_l1_beta",
                               "batch_size_per_image", "positive_fraction", "loss_weight"),
        "roi_heads": ("batch_size_per_image", "positive_fraction", "num_classes"),
        "sem_seg_head": ("loss_weight", "ignore_value", "common_stride"),
    }.items():
        for attribute in attributes if hasattr(model, part) else ():
            ours, theirs = (getattr(getattr(m, part), attribute) for m in (lazy, model))
            assert ours == theirs, (part, attribute)


@pytest.mark.parametrize("name", NAMES)
def test_lazy_and_yaml_have_the_same_settings(name):
    lazy, cfg = load(name), get_cfg()
    cfg.merge_from_file(str(find_config(Path(name).stem, "detectron2")))
    mapper = lazy.dataloader.train.mapper
    *crop, resize, flip = mapper.augmentations
    multiplier = instantiate(lazy.lr_multiplier)
    ends = [i for i in (*cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER)]
    assert lazy.train.init_checkpoint == cfg.MODEL.WEIGHTS
    assert lazy.model.input_format == mapper.image_format == cfg.INPUT.FORMAT
    assert lazy.dataloader.test.mapper.image_format == cfg.INPUT.FORMAT
    assert list(lazy.model.pixel_mean) == cfg.MODEL.PIXEL_MEAN
    assert list(lazy.model.pixel_std) == cfg.MODEL.PIXEL_STD
    assert tuple(resize.short_edge_length) == cfg.INPUT.MIN_SIZE_TRAIN
    assert resize.sample_style == cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING
    assert resize.max_size == cfg.INPUT.MAX_SIZE_TRAIN
    assert [(c.crop_type, list(c.crop_size)) for c in crop] == (
        [(cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE)] if cfg.INPUT.CROP.ENABLED else [])
    assert mapper.get("recompute_boxes", False) == cfg.INPUT.CROP.ENABLED
    assert mapper.use_instance_mask == cfg.MODEL.MASK_ON
    assert (lazy.dataloader.train.dataset.names,) == cfg.DATASETS.TRAIN
    assert (lazy.dataloader.test.dataset.names,) == cfg.DATASETS.TEST
    assert lazy.dataloader.train.total_batch_size == cfg.SOLVER.IMS_PER_BATCH
    assert lazy.optimizer.lr == cfg.SOLVER.BASE_LR
    assert lazy.optimizer.weight_decay == cfg.SOLVER.WEIGHT_DECAY
    assert lazy.train.max_iter == cfg.SOLVER.MAX_ITER
    for end, value in zip(ends, (1.0, 0.1, 0.01)):
        assert multiplier((end - 1) / cfg.SOLVER.MAX_ITER) == pytest.approx(value)
    assert multiplier(0.0) == pytest.approx(cfg.SOLVER.WARMUP_FACTOR)
    assert multiplier(cfg.SOLVER.WARMUP_ITERS / cfg.SOLVER.MAX_ITER) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def as_coco(tiny, tmp_path_factory):
    """The tiny set in the place and with the categories of COCO 2017."""
    root = tmp_path_factory.mktemp("datasets")
    (root / "coco/annotations").mkdir(parents=True)
    things = [c for c in COCO_CATEGORIES if c["isthing"]]
    for split, file, images in (("train2017", tiny.train_json, tiny.train_images),
                                ("val2017", tiny.val_json, tiny.val_images)):
        content = json.loads(file.read_text())
        ids = {c["id"]: thing["id"] for c, thing in zip(content["categories"], things)}
        content["categories"] = [{"id": t["id"], "name": t["name"]} for t in things]
        for annotation in content["annotations"]:
            annotation["category_id"] = ids[annotation["category_id"]]
        (root / f"coco/annotations/instances_{split}.json").write_text(json.dumps(content))
        (root / "coco" / split).symlink_to(images)
    return root


SMALL = ["train.device=cpu", "train.max_iter=2", "train.log_period=1",
         "dataloader.train.num_workers=0", "dataloader.test.num_workers=0",
         "dataloader.train.total_batch_size=2",
         "dataloader.train.mapper.augmentations.0.short_edge_length=[64,64]",
         "dataloader.test.mapper.augmentations.0.short_edge_length=64",
         "model.backbone.bottom_up.architecture.name=resnest14",
         "model.proposal_generator.pre_nms_topk=[50,20]",
         "model.proposal_generator.post_nms_topk=[20,10]",
         "model.roi_heads.box_predictor.test_score_thresh=0.0"]


def run_stock_tool(config, folder, datasets, *arguments):
    if not STOCK_TOOL.is_file():
        pytest.skip(f"detectron2's own tools are not in {STOCK_TOOL.parent}: run `make install`")
    code = as_command(STOCK_TOOL, "--config-file", config, *arguments)
    [said] = run_forked({"tool": code}, cwd=folder, env={
        **os.environ, "DETECTRON2_DATASETS": str(datasets)}).values()
    assert not said
    return Path(folder, "output/log.txt").read_text()


def test_detectron2s_own_tool_trains_and_evaluates(tmp_path, as_coco):
    """From a raw file of the official torch network, whose names are not detectron2's."""
    config = find_config("lazy/resnest50_mask_rcnn", "detectron2")
    torch.save(official_network("resnest14").state_dict(), tmp_path / "resnest14.pth")
    output = run_stock_tool(config, tmp_path, as_coco, *SMALL,
                            "train.init_checkpoint=resnest14.pth")
    assert "backbone 100%" in output and (tmp_path / "output/model_final.pth").is_file()
    assert "Evaluation results for bbox" in output and "Evaluation results for segm" in output
