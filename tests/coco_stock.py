"""What detectron2 trains on of a COCO-format set; stock but for its reader of images."""

from detectron2.data import DatasetMapper, MetadataCatalog, transforms
from detectron2.data.build import (
    filter_images_with_few_keypoints,
    filter_images_with_only_crowd_annotations,
)
from detectron2.data.datasets import load_coco_json

import resnest_dense.d2  # noqa: F401 - its reader of images

__all__ = ["mapped_by_detectron2", "trained_by_detectron2"]


def mapped_by_detectron2(json_path, root, mask_format):
    """The training images with their instances, as detectron2's mapper gives them."""
    records = load_coco_json(str(json_path), str(root), str(json_path))
    MetadataCatalog.remove(str(json_path))
    records = filter_images_with_only_crowd_annotations(records)
    records = filter_images_with_few_keypoints(records, 1)
    assert records
    mapper = DatasetMapper(
        is_train=True, augmentations=[transforms.Resize((48, 64))], image_format="BGR",
        use_instance_mask=True, instance_mask_format=mask_format, use_keypoint=True)
    return [mapper(record) for record in records]


def trained_by_detectron2(json_path, root, mask_format):
    """The number of objects that detectron2 trains on."""
    instances = [one["instances"] for one in mapped_by_detectron2(json_path, root, mask_format)]
    assert all(found.has("gt_masks") and found.has("gt_keypoints") for found in instances)
    return sum(map(len, instances))
