"""A detector of a config, with random images and objects, for the benchmark."""

import dataclasses
from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, instantiate
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances, Keypoints, PolygonMasks
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from resnest_dense.analysis.speed import ModelCase
from resnest_dense.config_errors import explained
from resnest_dense.configs import find_config
from resnest_dense.d2.config import load_lazy_config, load_yaml_config

__all__ = ["DetectorCase"]

OBJECTS = 8  # in an image; COCO has 7.3
PROPOSALS = 1000  # what detectron2's FPN configs let through for an image
KEYPOINTS = 17


@dataclasses.dataclass(frozen=True)
class DetectorCase(ModelCase):
    """A detectron2 model, of a YAML file or a LazyConfig."""

    def read_config(self) -> CfgNode:
        """The config of a YAML file."""
        cfg = load_yaml_config(find_config(self.config, "detectron2"))
        cfg.MODEL.DEVICE = self.device
        return cfg

    def build(self) -> nn.Module:
        path = find_config(self.config, "detectron2")
        with explained(path):
            if path.suffix == ".py":
                return instantiate(load_lazy_config(path).model)
            return build_model(self.read_config())

    def prepare(self, *, training: bool) -> nn.Module:
        """A model whose heads get 1000 boxes an image in eval: how many random weights would
        propose is chance, from hardly one to all. The proposals are computed all the same."""
        model = super().prepare(training=training)
        if not training and hasattr(model, "roi_heads"):
            model.proposal_generator.register_forward_hook(_propose)
        return model

    def draw_batch(self, *, training: bool) -> list[dict]:
        generator = torch.Generator().manual_seed(1)
        batch = []
        for _ in range(self.images):
            image = torch.randint(256, (3, *self.size), generator=generator, dtype=torch.uint8)
            batch.append({"image": image, "height": self.size[0], "width": self.size[1]})
            if training:
                batch[-1] |= {"instances": _draw_objects(self.size, generator),
                              "sem_seg": torch.zeros(self.size, dtype=torch.long)}
        return batch

    def predict(self, model: nn.Module, batch: list[dict]) -> list[dict]:
        return model(batch)

    def outputs(self, model: nn.Module, batch: list[dict]) -> Sequence[Tensor]:
        """Maps of the pyramid: which of nearly equal boxes are kept is no measure of sameness."""
        return list(model.backbone(model.preprocess_image(batch).tensor).values())

    def loss(self, model: nn.Module, batch: list[dict]) -> Tensor:
        with EventStorage():
            return sum(model(batch).values())


def _propose(module: nn.Module, inputs: tuple, output: tuple) -> tuple:
    """Random boxes in place of those that the RPN puts out."""
    generator = torch.Generator().manual_seed(2)
    proposals = []
    for found in output[0]:
        boxes = _draw_boxes(PROPOSALS, found.image_size, generator).to(found.proposal_boxes.device)
        proposals.append(Instances(found.image_size, proposal_boxes=Boxes(boxes),
                                   objectness_logits=boxes.new_zeros(PROPOSALS)))
    return proposals, output[1]


def _draw_boxes(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    height, width = size
    scale = torch.tensor([width, height, width, height])
    corners = torch.rand(count, 4, generator=generator) / 2
    return torch.cat([corners[:, :2], corners[:, :2] + 0.1 + corners[:, 2:] * 0.8], 1) * scale


def _draw_objects(size: tuple[int, int], generator: torch.Generator) -> Instances:
    boxes = _draw_boxes(OBJECTS, size, generator)
    x0, y0, x1, y1 = boxes.unbind(1)
    objects = Instances(size)
    objects.gt_boxes = Boxes(boxes)
    objects.gt_classes = torch.zeros(OBJECTS, dtype=torch.long)
    outlines = torch.stack([x0, y0, x1, y0, x1, y1, x0, y1], 1).double().numpy()
    objects.gt_masks = PolygonMasks([[outline] for outline in outlines])
    centre = torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, torch.full_like(x0, 2)], 1)
    objects.gt_keypoints = Keypoints(centre[:, None].repeat(1, KEYPOINTS, 1))
    return objects
