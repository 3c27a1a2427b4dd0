"""Where the time of an evaluation goes."""

import re
import time

import pytest
from d2_batches import batch, shrink
from detectron2.evaluation import DatasetEvaluator
from detectron2.modeling import build_model, test_time_augmentation
from detectron2.modeling.meta_arch import dense_detector, panoptic_fpn, rcnn
from torch import nn

from resnest_dense.configs import find_config
from resnest_dense.d2 import get_cfg
from resnest_dense.d2.train.evaluation import EvaluationClock, build_tta_model


class Network(nn.Module):
    def forward(self, inputs):
        time.sleep(0.02)
        return inputs


class Model(nn.Module):
    """20 ms of network and 30 ms of post-processing for each batch of two images."""

    def __init__(self):
        super().__init__()
        self.network = Network()

    def forward(self, inputs):
        outputs = self.network(inputs)
        time.sleep(0.03)
        return outputs


class Evaluator(DatasetEvaluator):
    """10 ms for each batch, 200 ms for the metrics."""

    def process(self, inputs, outputs):
        time.sleep(0.01)

    def evaluate(self):
        time.sleep(0.2)
        return {"bbox": {"AP": 1.0}}


@pytest.fixture(autouse=True)
def _only_sleep_takes_time(monkeypatch):
    now = 1.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter", lambda: now)


def measure(model, batches, caplog):
    """Seconds of the network and after it for an image, and of the metrics; the whole line."""
    with caplog.at_level("INFO", "resnest_dense"):
        results = EvaluationClock(Evaluator(), "some_set").run(model, batches)
    assert results == {"bbox": {"AP": 1.0}}
    [line] = [text for text in caplog.messages if text.startswith("Evaluation of some_set")]
    return tuple(float(re.search(rf"{word} ([\d.]+) s", line).group(1))
                 for word in ("network", "post-processing", "metrics")), line


def test_network_postprocessing_and_metrics_are_told_apart(caplog):
    model = Model()
    seconds, line = measure(model, [[{}, {}]] * 7, caplog)
    assert seconds == (0.010, 0.020, 0.2) and "for 14 images" in line
    assert not model.network._forward_hooks


def test_a_model_without_parts_is_all_network(caplog):
    assert measure(Network(), [[{}]] * 7, caplog)[0] == (0.020, 0.010, 0.2)


@pytest.mark.parametrize("architecture, module, calls", [
    ("GeneralizedRCNN", rcnn, 1), ("PanopticFPN", panoptic_fpn, 1),
    ("RetinaNet", dense_detector, 1),
    ("GeneralizedRCNN", test_time_augmentation, 2),  # for boxes, and again for masks
])
def test_each_detectors_own_postprocessing_is_no_network(architecture, module, calls, monkeypatch,
                                                         caplog):
    stock = module.detector_postprocess
    monkeypatch.setattr(module, "detector_postprocess",
                        lambda *args: time.sleep(0.03) or stock(*args))
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config("resnest14_mask_rcnn", "detectron2")))
    cfg.MODEL.META_ARCHITECTURE = architecture
    if architecture == "RetinaNet":
        cfg.merge_from_file(str(find_config("resnest14_retinanet", "detectron2")))
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (64,), False
    detector = build_model(shrink(cfg))
    detector.backbone.register_forward_hook(lambda *_: time.sleep(0.02))
    model = build_tta_model(cfg, detector) if module is test_time_augmentation else detector
    batches = [[{key: image[key] for key in ("image", "height", "width")}] for image in batch(2)]
    seconds, _ = measure(model, batches, caplog)
    assert seconds == pytest.approx((0.02 * calls, 0.03 + 0.01, 0.2))
