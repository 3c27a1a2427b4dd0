"""A folder with what the pages name: photos, annotations, labels, an exported model, weights."""

import pytest
import torch
from convert_cases import write_voc
from easy_shapes import write_easy_shapes
from exported import write_detector
from own_catalog import write_catalog
from PIL import Image

from demo.shapes import CLASSES, write_label_shapes
from resnest_dense import create_classifier

WEIGHTS = ("resnest50", "seresnet50", "resnet50")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """The folder; of the names of the catalog, ``WEIGHTS`` are there, random."""
    root = tmp_path_factory.mktemp("pages")
    write_voc(root / "photos")
    for split in ("train", "val"):
        images, annotations = write_easy_shapes(root / f"easy_{split}")
        images.rename(root / split)
        annotations.rename(root / f"{split}.json")
    labels = write_label_shapes(root / "labelled", train=3, val=3)
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (labels / kind / split).rename(root / split / kind)
    (root / "classes.txt").write_text("\n".join(CLASSES))
    (root / "predictions").mkdir()
    (root / "predictions/labels").symlink_to(root / "val/labels")
    Image.new("RGB", (64, 48), (200, 30, 30)).save(root / "a.jpg")
    write_detector(root / "model.onnx")
    (root / "weights").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        write_catalog(root / "catalog.json", patch, {
            name: {"file": f"{name}.pth", "architecture": name} for name in WEIGHTS})
    for name in WEIGHTS:
        torch.save(create_classifier(name).state_dict(), root / f"weights/{name}.pth")
    return root
