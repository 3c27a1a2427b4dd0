"""The runner's steps in numpy and Pillow against those of the frameworks: the same bits, or the
same pixels."""

from types import SimpleNamespace

import cv2
import mmcv
import numpy as np
import pytest
import torch
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.modeling.meta_arch.panoptic_fpn import combine_semantic_and_instance_outputs
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances
from mmengine.config import ConfigDict
from pycocotools import mask as coco_mask
from torch.nn import functional as F

import resnest_dense.mmseg  # noqa: F401  mmseg's models can be imported after it
from resnest_dense.data.coco.rle import encode_rle
from resnest_dense.runtime.contract import Panoptic, Resize, Window
from resnest_dense.runtime.images import resize_image, target_size
from resnest_dense.runtime.maps import Mask, label_pixels, paste_mask
from resnest_dense.runtime.results import Detections, combine
from resnest_dense.runtime.windows import average_windows

RNG = np.random.default_rng(3)
SIZES = [(100, 150), (375, 500), (720, 960), (333, 31), (1, 5), (640, 480)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("short, long", [(160, 267), (480, 512), (50, 1333)])
def test_resized_as_detectron2(size, short, long):
    image = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    wanted = ResizeShortestEdge([short, short], long).get_transform(image).apply_image(image)
    ours = resize_image(image, target_size(size, Resize("shortest", (short, long))), "pillow")
    np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [(512, 160), (2048, 480), (200, 200), (360, 480)])
def test_resized_as_mmsegmentation(size, scale):
    image = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    fitted = resize_image(image, target_size(size, Resize("fit", scale)), "opencv")
    np.testing.assert_array_equal(fitted, mmcv.imrescale(image, scale))
    stretched = resize_image(image, target_size(size, Resize("stretch", scale)), "opencv")
    np.testing.assert_array_equal(stretched, cv2.resize(image, scale[::-1]))


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("logits, padded, inner, size", [
    ((11, 45, 60), (360, 480), (360, 480), (720, 960)), ((3, 7, 9), (7, 9), (7, 9), (1, 2)),
    ((21, 33, 40), (520, 640), (513, 621), (333, 500)),
    ((5, 64, 96), (64, 96), (61, 90), (61, 90))])
def test_labels_as_both_frameworks(logits, padded, inner, size, align):
    given = RNG.normal(size=logits).astype(np.float32)
    how = dict(mode="bilinear", align_corners=align)
    whole = F.interpolate(torch.from_numpy(given)[None], padded, **how)
    wanted = F.interpolate(whole[..., :inner[0], :inner[1]], size, **how)[0].argmax(0).numpy()
    assert (label_pixels(given, padded, inner, size, align) == wanted).mean() > 0.9999


@pytest.mark.parametrize("height, width", [(40, 60), (21, 33), (13, 70)])
def test_windows_as_mmsegmentation(height, width):
    from mmseg.models.segmentors import EncoderDecoder

    images = RNG.normal(size=(2, 3, height, width)).astype(np.float32)

    def decode(images, metas):
        small = F.avg_pool2d(images, 2, ceil_mode=True)
        return F.interpolate(small, images.shape[2:], mode="bilinear", align_corners=True)

    model = SimpleNamespace(test_cfg=ConfigDict(stride=(9, 14), crop_size=(21, 32)),
                            out_channels=3, encode_decode=decode)
    wanted = EncoderDecoder.slide_inference(model, torch.from_numpy(images), [{}, {}]).numpy()
    ours = average_windows(lambda part: F.avg_pool2d(torch.from_numpy(part), 2, ceil_mode=True)
                           .numpy(), images, Window((21, 32), (9, 14)), True)
    np.testing.assert_allclose(ours, wanted, atol=1e-5)


def detections(count, size=(300, 400)):
    boxes = RNG.uniform(-20, 1, (count, 4)) + RNG.uniform(0, 1, (count, 4)) * 300
    boxes[:, 2:] += boxes[:, :2]
    return Instances(
        size, pred_boxes=Boxes(torch.tensor(boxes).float()),
        scores=torch.tensor(np.sort(RNG.uniform(0.3, 1, count))[::-1].copy()),
        pred_classes=torch.tensor(RNG.integers(0, 3, count)),
        pred_masks=torch.tensor(RNG.uniform(0, 1, (count, 1, 28, 28))).float())


def test_masks_pasted_as_detectron2_does():
    found = detector_postprocess(detections(40), 330, 500)
    raw = detections(0)
    assert len(detector_postprocess(raw, 330, 500)) == 0
    probabilities = RNG.uniform(0, 1, (len(found), 28, 28)).astype(np.float32)
    again = Instances((330, 500), pred_boxes=found.pred_boxes, pred_masks=torch.from_numpy(
        probabilities[:, None]))
    wanted = detector_postprocess(again, 330, 500).pred_masks.numpy()
    for mask, box, one in zip(probabilities, found.pred_boxes.tensor.numpy(), wanted):
        assert (paste_mask(mask, box, (330, 500)).whole((330, 500)) != one).sum() <= 1


def test_rle_is_that_of_pycocotools():
    for number in range(400):
        height, width = RNG.integers(1, 40, 2)
        (top, bottom), (left, right) = (np.sort(RNG.integers(0, side + 1, 2))
                                        for side in (height, width))
        top, bottom = (0, height) if number % 3 else (top, bottom)
        window = RNG.random((bottom - top, right - left)) < RNG.choice([0, 0.1, 0.5, 0.95, 1])
        mask = np.zeros((height, width), np.uint8, order="F")
        mask[top:bottom, left:right] = window
        wanted = coco_mask.encode(mask)["counts"].decode()
        assert encode_rle(window, top, left, (height, width)) == wanted


@pytest.mark.parametrize("rules", [Panoptic(), Panoptic(0.2, 500, 0.6), Panoptic(0.9, 0, 0.0)])
def test_things_over_stuff_as_detectron2(rules):
    size = (120, 160)
    given = detector_postprocess(detections(25, (300, 400)), *size)
    stuff = np.kron(RNG.integers(0, 4, (12, 16)), np.ones((10, 10), int))
    wanted, infos = combine_semantic_and_instance_outputs(
        given, torch.from_numpy(stuff), rules.overlap, rules.stuff_area, rules.score)
    masks = [Mask(0, 0, mask.numpy()) for mask in given.pred_masks]
    ours = combine(Detections(size, given.pred_boxes.tensor.numpy(), given.scores.numpy(),
                              given.pred_classes.numpy(), masks), stuff, rules)
    np.testing.assert_array_equal(ours.ids, wanted.numpy())
    assert ours.infos == [{key: info[key] for key in one} for one, info in zip(ours.infos, infos)]
    assert len(ours.infos) == len(infos) > 2
