"""The order of training: that of detectron2's own samplers and grouping, from any batch on."""

from itertools import islice

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    build_detection_train_loader,
    samplers,
)
from detectron2.data.build import build_batch_data_loader
from PIL import Image
from torch.utils.data import IterableDataset

from resnest_dense import ResNeStError
from resnest_dense.d2.data.order import build_train_loader
from resnest_dense.training.randomness import seeded

SAMPLERS = ["TrainingSampler", "RepeatFactorTrainingSampler", "RandomSubsetTrainingSampler",
            "WeightedTrainingSampler", "WeightedCategoryTrainingSampler"]


@pytest.fixture(scope="module", autouse=True)
def records():
    """13 images of both kinds of shape, a rare class in one of them."""
    made = [{"file_name": f"{i}.jpg", "image_id": i, "width": 40 + 7 * (i % 3), "height": 50,
             "annotations": [{"category_id": int(i == 4), "bbox": [0, 0, 5, 5], "bbox_mode": 1}]}
            for i in range(13)]
    DatasetCatalog.register("shapes", lambda: made)
    yield made
    DatasetCatalog.remove("shapes")


def config(sampler="TrainingSampler", **loading):
    cfg = get_cfg()
    cfg.DATASETS.TRAIN, cfg.SOLVER.IMS_PER_BATCH, cfg.SEED = ("shapes",), 3, 11
    cfg.DATALOADER.SAMPLER_TRAIN, cfg.DATALOADER.RANDOM_SUBSET_RATIO = sampler, 0.7
    cfg.DATASETS.TRAIN_REPEAT_FACTOR = [("shapes", 1.5)]
    cfg.DATALOADER.REPEAT_THRESHOLD, cfg.DATALOADER.NUM_WORKERS = 0.5, 0
    for key, value in loading.items():
        cfg.DATALOADER[key] = value
    return cfg


def keep(record):
    return record


def ids(batches):
    return [[sample["image_id"] for sample in batch] for batch in batches]


@pytest.mark.parametrize("grouping", [True, False])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_batches_are_detectron2s_own_from_any_one_on(sampler, grouping):
    cfg = config(sampler, ASPECT_RATIO_GROUPING=grouping)
    with seeded(cfg.SEED):
        stock = build_detection_train_loader(cfg, mapper=keep)
    wanted = ids(islice(stock, 40))
    loader = build_train_loader(cfg, mapper=keep)
    assert ids(islice(loader, 40)) == wanted
    for first, workers in ((7, 0), (31, 2)):
        cfg.DATALOADER.NUM_WORKERS = workers
        loader = build_train_loader(cfg, mapper=keep)
        loader.first = first
        assert ids(islice(loader, 40 - first)) == wanted[first:]


def test_a_record_that_the_mapper_drops_is_replaced_by_place(records):
    def drop(record):
        return None if record["image_id"] % 2 else {**record, "drawn": np.random.rand()}

    def run(first=0):
        loader = build_train_loader(config(), mapper=drop)
        loader.first = first
        return list(islice(loader, 12 - first))

    whole = run()
    assert all(sample["image_id"] % 2 == 0 for batch in whole for sample in batch)
    assert run(first=5) == whole[5:]
    with pytest.raises(ResNeStError, match="makes nothing of 100 records"):
        next(iter(build_train_loader(config(), mapper=lambda record: None)))


def test_shapes_that_no_record_has_are_read_from_the_images(tmp_path):
    sizes = [(30, 20), (20, 30), (40, 20), (20, 20)]
    plain = []
    for i, size in enumerate(sizes):
        Image.new("RGB", size).save(tmp_path / f"{i}.png")
        plain.append({"file_name": str(tmp_path / f"{i}.png"), "image_id": i})
    DatasetCatalog.register("sizes", lambda: plain)
    try:
        cfg = config(FILTER_EMPTY_ANNOTATIONS=False)
        cfg.DATASETS.TRAIN, cfg.SOLVER.IMS_PER_BATCH = ("sizes",), 2
        batches = list(islice(build_train_loader(cfg, mapper=keep), 8))
    finally:
        DatasetCatalog.remove("sizes")
    # The oracle: detectron2's own grouping, which sees the sizes of what is loaded.
    known = [{**record, "width": w, "height": h} for record, (w, h) in zip(plain, sizes)]
    with seeded(cfg.SEED):
        sampler = samplers.TrainingSampler(4)
    stock = build_batch_data_loader(DatasetFromList(known), sampler, 2, aspect_ratio_grouping=True)
    assert ids(batches) == ids(islice(stock, 8))


def test_a_set_without_an_order_is_refused():
    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield {"image": torch.zeros(1)}

    DatasetCatalog.register("endless", Endless)
    try:
        cfg = config()
        cfg.DATASETS.TRAIN = ("endless",)
        with pytest.raises(ResNeStError, match="endless.*IterableDataset has no order"):
            build_train_loader(cfg)
    finally:
        DatasetCatalog.remove("endless")
