"""A trained classifier that is ready for images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from resnest_dense.analysis.machine import pick_device
from resnest_dense.create import create_classifier
from resnest_dense.data.text import read_text
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.imagenet.preparation import Preparation, preparation_of
from resnest_dense.nn import Classifier
from resnest_dense.weights.identify import possible_architectures, to_ours
from resnest_dense.weights.source import open_weights

__all__ = ["ImageClassifier", "open_classifier"]


@dataclass(frozen=True)
class ImageClassifier:
    """A classifier in eval mode, with its weights, on its device.

    Args:
        model: the network.
        prepare: what an image goes through before it.
        classes: names in the order of its outputs.
        name: of its weights.
        architecture: what the network is called.
    """

    model: Classifier
    prepare: Preparation
    classes: tuple[str, ...]
    name: str
    architecture: str

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The probabilities (N, classes) of images (H, W, 3), RGB, uint8, of any sizes."""
        device = next(self.model.parameters()).device
        batch = torch.stack([self.prepare(image) for image in images]).to(device)
        return self.model(batch).softmax(dim=1).cpu().numpy()

    def best(self, probabilities: np.ndarray, count: int) -> list[tuple[str, float]]:
        """The likeliest classes of one image with their probabilities."""
        order = np.argsort(-probabilities, kind="stable")[:count]
        return [(self.classes[i], float(probabilities[i])) for i in order]


def open_classifier(weights: str, *, architecture: str | None = None,
                    classes: str | Path | None = None,
                    device: str | None = None) -> ImageClassifier:
    """The classifier of a file of weights.

    Args:
        weights: a path, an address or a name in the catalog.
        architecture: the network; None for the one that the catalog or the weights themselves tell.
        classes: file with a class name a line; None for ImageNet's where there are 1000.
        device: where it runs; a GPU if there is one, when None.

    Raises:
        ResNeStError: no such weights, weights without a classifier, weights of which it cannot be
            told which network they are of, or another number of class names.
    """
    device, opened = pick_device(device), open_weights(weights)
    backbone = to_ours(opened.state, name=opened.name).backbone
    if "linear.weight" not in backbone:
        raise ResNeStError(f"{opened.name} has no classifier: give weights of a whole network, "
                           "such as resnest50 of the catalog.")
    names = opened.metadata.architectures or possible_architectures(backbone)
    if architecture is None and len(names) != 1:
        raise ResNeStError(f"{opened.name} may be of {' or '.join(names) or 'no known network'}: "
                           "say which by --architecture.")
    architecture, count = architecture or names[0], len(backbone["linear.weight"])
    model = create_classifier(architecture, count, weights=weights).to(device).eval()
    prepare = preparation_of(opened.name, architecture, opened.metadata.contract)
    return ImageClassifier(model, prepare, _read_names(classes, count), opened.name, architecture)


def _read_names(file: str | Path | None, count: int) -> tuple[str, ...]:
    if file is not None:
        names = tuple(line.strip() for line in read_text(Path(file)).splitlines() if line.strip())
        if len(names) != count:
            raise ResNeStValueError(f"{file} has {len(names)} names and the classifier {count} "
                                    "classes: one a line, in the order of its outputs.")
        return names
    if count == 1000:
        # Takes seconds to import, and is for names alone.
        from torchvision.models import ResNet50_Weights

        return tuple(ResNet50_Weights.DEFAULT.meta["categories"])
    return tuple(f"class {i}" for i in range(count))
