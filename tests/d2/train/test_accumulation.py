"""``SOLVER.ACCUMULATE``: parts of a batch learn what the whole batch does, in one step."""

import pytest
import torch
from d2_runs import SMALL
from detectron2.engine import AMPTrainer, SimpleTrainer
from detectron2.utils.events import EventStorage
from torch import distributed, nn

from resnest_dense import ResNeStError
from resnest_dense.d2.train import make_parser, run
from resnest_dense.d2.train.accumulation import AccumulatingTrainer

# Norms that are frozen, and losses that are the mean of each image's: no sampling of anchors.
PLAIN = ["MODEL.META_ARCHITECTURE", "ProposalNetwork", "MODEL.RESNETS.NORM", "FrozenBN",
         "MODEL.FPN.NORM", "", "MODEL.RPN.BATCH_SIZE_PER_IMAGE", "1000",
         "MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.RESNETS.STEM_WIDTH", "8",
         "MODEL.FPN.OUT_CHANNELS", "16", "MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu",
         "SOLVER.IMS_PER_BATCH", "4", "SOLVER.WARMUP_ITERS", "0", "DATALOADER.NUM_WORKERS", "0",
         "SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "0.01", "SOLVER.MAX_ITER", "3", "DATASETS.TEST", "()"]


@pytest.fixture
def train(own_data, tmp_path):
    def train(out, *options):
        run(make_parser().parse_args([
            "--config-file", "resnest14_mask_rcnn_mini.yaml", *own_data[:4], *SMALL, *PLAIN,
            "OUTPUT_DIR", str(tmp_path / out), *options]))
        return torch.load(tmp_path / out / "model_final.pth")

    return train


def test_parts_learn_what_the_batch_does(train, tmp_path):
    whole = train("whole")
    for parts in ("2", "4"):
        found = train(parts, "SOLVER.ACCUMULATE", parts)
        assert found["iteration"] == whole["iteration"] == 2
        assert found["trainer"]["hooks"] == whole["trainer"]["hooks"]  # the schedule too
        for name, value in whole["model"].items():
            torch.testing.assert_close(found["model"][name], value, rtol=1e-4, atol=1e-6, msg=name)
    other = train("other", "SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "0.02")
    assert any((other["model"][name] - value).abs().max() > 1e-4  # a test that can fail
               for name, value in whole["model"].items())
    log = (tmp_path / "4/log.txt").read_text()
    assert "SOLVER.IMS_PER_BATCH 16 SOLVER.ACCUMULATE 16 SOLVER.BASE_LR 0.02 makes steps of" in log


@pytest.mark.parametrize("parts,images", [(3, 4), (0, 4), (8, 4)])
def test_parts_that_are_not_equal_are_refused(train, parts, images):
    with pytest.raises(ResNeStError, match=rf"SOLVER.ACCUMULATE {parts}: the {images} images.*Give "
                                           "one of 1, 2, 4"):
        train("run", "SOLVER.ACCUMULATE", str(parts))


class Loss(nn.Module):
    """The mean of an image's numbers, each times a weight, is to be small."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, batch):
        return {"loss": torch.stack([self.layer(image).square().mean() for image in batch]).mean()}


def batches(*more):
    torch.manual_seed(1)
    return [list(torch.randn(4, 5, 3)), *more, list(torch.randn(4, 5, 3))]


def learn(parts, data, wrap=None, scaler=None):
    """The weights after a step on each batch, and the loop."""
    torch.manual_seed(0)
    model = Loss()
    model = wrap(model) if wrap else model
    options = dict(grad_scaler=scaler, precision=torch.bfloat16) if scaler else {}
    stock = (AMPTrainer if scaler else SimpleTrainer)(
        model, data, torch.optim.SGD(model.parameters(), 0.1), **options)
    loop = AccumulatingTrainer(stock, parts) if parts else stock
    looks = []
    loop.after_backward = lambda: looks.append(1)
    with EventStorage():
        for loop.iter in range(len(data)):
            loop.run_step()
    return torch.cat([p.detach().flatten() for p in model.parameters()]), loop, len(looks)


def test_every_part_is_looked_at():
    whole, _, _ = learn(0, batches())
    found, _, looks = learn(4, batches())
    torch.testing.assert_close(found, whole)
    assert looks == 8


def test_a_part_that_overflows_skips_the_whole_step_once():
    huge = [torch.full((5, 3), 1e12), *torch.randn(3, 5, 3)]  # the loss is finite, scaled it is not
    wanted, _, _ = learn(2, batches(), scaler=torch.amp.GradScaler("cpu", init_scale=2.0**65))
    found, loop, _ = learn(2, batches(huge), scaler=torch.amp.GradScaler("cpu", init_scale=2.0**65))
    torch.testing.assert_close(found, wanted)
    assert loop.state_dict()["grad_scaler"]["scale"] == 2.0**64
    plain, _, _ = learn(0, batches())
    torch.testing.assert_close(found, plain, rtol=0.02, atol=0.01)  # unscaled, once


def test_processes_exchange_gradients_once_a_step(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0,
                                   world_size=1)
    exchanged = []

    def count(state, bucket):
        exchanged.append(bucket.index())
        future = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    def wrap(model):
        model = nn.parallel.DistributedDataParallel(model)
        model.register_comm_hook(None, count)
        return model

    try:
        found, _, _ = learn(4, batches(), wrap)
    finally:
        distributed.destroy_process_group()
    torch.testing.assert_close(found, learn(0, batches())[0])
    assert len(exchanged) == 2 and set(exchanged) == {0}
