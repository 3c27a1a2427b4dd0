"""A whole detector on a GPU: a training step in mixed precision, and a prediction."""

import pytest
import torch

pytest.importorskip("detectron2")

from resnest_dense.d2.benchmark import DetectorCase  # noqa: E402


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_small_mask_rcnn_runs(device, dtype, training):
    if device.type == "cpu" and dtype == "float16":
        pytest.skip("no float16 by autocast in detectron2's heads on a CPU")
    case = DetectorCase("resnest14_mask_rcnn_mini.yaml", size=(128, 160), images=2,
                        device=str(device), dtype=dtype)
    model = case.prepare(training=training)
    case.step(model, training=training)()
    if training:
        model.zero_grad()
        with torch.autocast(device.type, getattr(torch, dtype), enabled=dtype != "float32"):
            loss = case.loss(model, case.draw_batch(training=True))
        loss.backward()
        assert torch.isfinite(loss)
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
