"""Where the time of an evaluation goes."""

import re
import time

from detectron2.evaluation import DatasetEvaluator, inference_on_dataset
from detectron2.modeling.meta_arch import rcnn
from torch import nn

from resnest_dense.d2.train.clock import EvaluationClock


class Model(nn.Module):
    """20 ms of network and 30 ms of detectron2's post-processing for each batch of two images."""

    def forward(self, inputs):
        time.sleep(0.02)
        rcnn.detector_postprocess(None, 1, 1)
        return inputs


class Evaluator(DatasetEvaluator):
    """10 ms for each batch, 200 ms for the metrics."""

    def process(self, inputs, outputs):
        time.sleep(0.01)

    def evaluate(self):
        time.sleep(0.2)
        return {"bbox": {"AP": 1.0}}


def test_network_postprocessing_and_metrics_are_told_apart(monkeypatch, caplog):
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    monkeypatch.setattr(rcnn, "detector_postprocess", lambda *args: time.sleep(0.03))
    stock = rcnn.detector_postprocess
    clock = EvaluationClock(Evaluator(), "some_set")
    with caplog.at_level("INFO", "resnest_dense"), clock.running():
        results = inference_on_dataset(Model(), [[{}, {}]] * 7, clock, clock.callbacks)
    assert results == {"bbox": {"AP": 1.0}} and rcnn.detector_postprocess is stock
    [line] = [text for text in caplog.messages if text.startswith("Evaluation of some_set")]
    network, after, metrics = (float(re.search(rf"{word} ([\d.]+) s", line).group(1))
                               for word in ("network", "post-processing", "metrics"))
    assert (network, after, metrics) == (0.010, 0.020, 0.2) and "for 14 images" in line
