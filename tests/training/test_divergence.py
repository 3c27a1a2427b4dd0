"""What is told of a loss or a gradient that is no number."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from resnest_dense import ResNeStError
from resnest_dense.training.checkpoints import is_whole
from resnest_dense.training.divergence import FiniteWatch, SkippedSteps, Step


class Root(nn.Module):
    """Its gradient at 0 is infinite."""

    def forward(self, x):
        return x.clamp_min(0).sqrt()


class Inverse(nn.Module):
    def forward(self, x):
        return 1 / x


class Model(nn.Module):
    """Gives the mean of what goes through a part, and a value that is no loss."""

    def __init__(self, part):
        super().__init__()
        self.first, self.part, self.last = nn.Linear(2, 2), part, nn.Dropout(0.0)
        nn.init.zeros_(self.first.bias)

    def forward(self, batch):
        return {"loss_a": self.last(self.part(self.first(batch["x"]))).mean(),
                "accuracy": torch.tensor(float("nan"))}


def check(model, x, folder, **options):
    watch = FiniteWatch(model, lambda batch: batch["names"], mark="loss")
    losses = model({"x": x, "names": ["a.jpg", "b.jpg"]})
    losses["loss_a"].backward()
    watch.check(lambda: Step(41, 0.02, folder, lambda: torch.manual_seed(0), nullcontext),
                **options)


@pytest.mark.parametrize("part,words", [
    (Inverse(), r"the loss is not finite.*loss_a (inf|nan); .*first output that is not finite is "
                r"that of part \(Inverse\)"),
    (Root(), r"a gradient is not finite.*loss_a 0; .*first gradient of an output that is not finite"
             r" is that of first \(Linear\)"),
])
def test_the_first_part_that_goes_wrong_is_named_and_the_batch_kept(part, words, tmp_path):
    with pytest.raises(ResNeStError, match="Iteration 41: " + words) as caught:
        check(Model(part), torch.zeros(3, 2), tmp_path)
    assert all(word in str(caught.value) for word in ("learning rate 0.02", "a.jpg, b.jpg"))
    [path] = tmp_path.glob("not_finite_0000041_0.pth")
    kept = torch.load(path)
    assert is_whole(path) and torch.equal(kept["args"][0]["x"], torch.zeros(3, 2))


def test_weights_that_are_no_numbers_are_named(tmp_path):
    model = Model(nn.Identity())
    model.first.bias.data[1] = float("inf")
    with pytest.raises(ResNeStError, match="Weights are not finite any more: first.bias"):
        check(model, torch.ones(3, 2), tmp_path)


def test_what_is_fine_stays_as_it_is(tmp_path):
    model = Model(nn.Identity())
    check(model, torch.ones(3, 2), tmp_path)
    one = model.first.weight.grad.clone()
    model.zero_grad()
    model({"x": torch.ones(3, 2), "names": []})["loss_a"].backward()
    assert torch.equal(one, model.first.weight.grad)
    # Scaled gradients are the scaler's to look at.
    check(Model(Root()), torch.zeros(3, 2), tmp_path, gradients=False)
    assert not list(tmp_path.iterdir())


def test_skipped_steps_are_counted_and_end_where_no_scale_helps():
    steps = SkippedSteps()
    assert steps.look(2.0, 4.0, iteration=1) == steps.look(2.0, 2.0, iteration=2) == ""
    assert "Iteration 3: " in steps.look(4.0, 2.0, iteration=3)
    assert "(2 so far), the scale is 1" in steps.look(2.0, 1.0, iteration=4)
    with pytest.raises(ResNeStError, match="Iteration 5: .*3 steps skipped"):
        steps.look(1.0, 0.5, iteration=5)
