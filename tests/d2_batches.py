"""A small batch with everything that a detector can learn from, and configs shrunk to it."""

import numpy as np
import torch
from detectron2.structures import Boxes, Instances, Keypoints, PolygonMasks

SIZE = (64, 96)
# Fewer and narrower, so that a step takes a second: the network and the kinds of heads stay.
SMALL = {
    "MODEL.DEVICE": "cpu",
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": 50,
    "MODEL.RPN.PRE_NMS_TOPK_TEST": 50,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 10,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 5,
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": 16,
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 8,
    # A network that has learnt nothing gives each of 81 classes about 1 %.
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0,
    "MODEL.RETINANET.SCORE_THRESH_TEST": 0.0,
    "MODEL.RETINANET.TOPK_CANDIDATES_TEST": 5,
    "MODEL.FPN.OUT_CHANNELS": 64,
    "MODEL.ROI_BOX_HEAD.CONV_DIM": 64,
    "MODEL.ROI_BOX_HEAD.FC_DIM": 64,
    "MODEL.ROI_MASK_HEAD.CONV_DIM": 64,
    "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS": (64,) * 8,
    "MODEL.ROI_KEYPOINT_HEAD.MIN_KEYPOINTS_PER_IMAGE": 1,
    "MODEL.PANOPTIC_FPN.COMBINE.INSTANCES_CONFIDENCE_THRESH": 0.0,
    "TEST.DETECTIONS_PER_IMAGE": 5,
}


def shrink(cfg):
    """``cfg`` with small heads and few regions."""
    for key, value in SMALL.items():
        cfg.merge_from_list([key, value])
    return cfg


def batch(count=2):
    """Images of noise with two objects each, their boxes, polygons, keypoints and semantic map."""
    return [_sample(i) for i in range(count)]


def _sample(number):
    height, width = SIZE
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [30.0, 12.0, 90.0, 60.0]]) + number
    truth = Instances(SIZE, gt_boxes=Boxes(boxes), gt_classes=torch.zeros(2, dtype=torch.int64))
    truth.gt_masks = PolygonMasks([[np.array([x0, y0, x1, y0, x1, y1, x0, y1])]
                                   for x0, y0, x1, y1 in boxes.double().tolist()])
    corners = torch.rand(2, 17, 2) * (boxes[:, None, 2:] - boxes[:, None, :2]) + boxes[:, None, :2]
    truth.gt_keypoints = Keypoints(torch.cat([corners, torch.full((2, 17, 1), 2.0)], dim=2))
    return {
        "image": (torch.rand(3, height, width) * 255).to(torch.uint8),
        "height": height,
        "width": width,
        "instances": truth,
        "sem_seg": torch.randint(0, 54, SIZE),
    }
