"""A segmentor of a config, with random images and labels, for the benchmark."""

import dataclasses
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from torch import Tensor, nn

from resnest_dense.analysis.speed import ModelCase
from resnest_dense.config_errors import explained
from resnest_dense.mmseg.config import load_config

__all__ = ["SegmentorCase"]


@dataclasses.dataclass(frozen=True)
class SegmentorCase(ModelCase):
    """An MMSegmentation model."""

    def read_config(self) -> Config:
        """Its config; no weights are fetched."""
        cfg = load_config(self.config)
        cfg.model.pretrained = cfg.model.backbone.init_cfg = None
        cfg.model.data_preprocessor.size = self.size  # what training images are padded to
        return cfg

    def build(self) -> nn.Module:
        init_default_scope("mmseg")
        with explained(self.config):
            return MODELS.build(self.read_config().model)

    def draw_batch(self, *, training: bool) -> dict:
        from mmseg.structures import SegDataSample

        generator = torch.Generator().manual_seed(1)
        batch: dict[str, list] = {"inputs": [], "data_samples": []}
        for _ in range(self.images):
            image = torch.randint(256, (3, *self.size), generator=generator, dtype=torch.uint8)
            labels = torch.randint(2, (1, *self.size), generator=generator)
            sample = SegDataSample(metainfo=dict(
                img_shape=self.size, ori_shape=self.size, pad_shape=self.size, flip=False))
            sample.gt_sem_seg = PixelData(data=labels)
            batch["inputs"].append(image)
            batch["data_samples"].append(sample)
        return batch

    def predict(self, model: nn.Module, batch: dict) -> list:
        return model.test_step(batch)

    def outputs(self, model: nn.Module, batch: dict) -> Sequence[Tensor]:
        return [sample.seg_logits.data for sample in self.predict(model, batch)]

    def loss(self, model: nn.Module, batch: dict) -> Tensor:
        losses = model(**model.data_preprocessor(batch, training=True), mode="loss")
        return model.parse_losses(losses)[0]
