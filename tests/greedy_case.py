"""A model whose step takes memory that is known; here, as processes of their own import it."""

import dataclasses

import torch
from torch import nn

from resnest_dense.analysis.speed import ModelCase

PER_IMAGE = 20_000_000  # bytes


@dataclasses.dataclass(frozen=True)
class Greedy(ModelCase):
    """A step that takes a known amount of memory for each image, and one for all."""

    def build(self):
        return nn.Linear(1, 1)

    def draw_batch(self, *, training):
        return torch.ones(self.images, 1)

    def predict(self, model, batch):
        return model(batch)

    def outputs(self, model, batch):
        return [model(batch)]

    def loss(self, model, batch):
        kept = [torch.ones(PER_IMAGE // 4) for _ in range(self.images)]
        return model(batch).sum() + 0 * sum(part[0] for part in kept)
