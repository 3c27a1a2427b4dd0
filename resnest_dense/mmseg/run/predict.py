"""A trained segmentor on images and videos: labels, and pictures to look at."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from PIL import Image

from resnest_dense import weights
from resnest_dense.analysis.machine import pick_device
from resnest_dense.base.runs import class_order
from resnest_dense.config_errors import explained
from resnest_dense.data.inputs import ImageFile
from resnest_dense.data.labels.pictures import default_palette, draw_labels
from resnest_dense.data.media import annotate_video
from resnest_dense.data.results import WriteFound, save_picture
from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.mmseg.config import load_config
from resnest_dense.mmseg.loading import check_input, checkpoint_classes, fit_checkpoint
from resnest_dense.weights.files import split_part
from resnest_dense.weights.source import read_metadata

__all__ = ["SegmentationPredictor", "annotate_segments", "find_checkpoint", "open_results"]

_logger = logging.getLogger(__name__)


class SegmentationPredictor:
    """A segmentor that is ready for images.

    Args:
        config: path or name of the config that it was trained with.
        checkpoint: path, or a segmentor's name in the catalog.
        device: where it runs; a GPU if there is one, when None.

    Raises:
        ResNeStError: no such config or checkpoint, or a checkpoint of another network, without
            heads, with another number of classes or trained on another input.
    """

    def __init__(self, config: str | Path, checkpoint: str | Path, *, device: str | None = None):
        device = pick_device(device)
        cfg = load_config(config)
        init_default_scope("mmseg")
        path = find_checkpoint(checkpoint)
        loaded = CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
        with explained(config):
            self.model = MODELS.build(cfg.model)
        check_input(self.model, read_metadata(path).contract, path.name)
        state, unfit = fit_checkpoint(loaded.get("state_dict", loaded), self.model)
        if unfit:
            raise ResNeStError(f"{path} has another number of classes than {cfg.filename}. Use the "
                               "config that training has written beside its checkpoints.")
        self.model.load_state_dict(state)
        self.model.to(device).eval()
        dataset = cfg.test_dataloader.dataset
        own, trained = _meta_of(dataset), checkpoint_classes(loaded)
        if trained and isinstance(own.get("classes"), (list, tuple)):
            # The order is the checkpoint's; other names are a sign of two runs mixed up.
            if class_order(trained, own["classes"], sides=(path.name, cfg.filename), remedy=(
                    "Use the config that training has written beside its checkpoints.")):
                _logger.warning("%s has the classes in another order than %s: labels are numbered "
                                "as in the checkpoint.", path.name, cfg.filename)
        meta = loaded.get("meta", {}).get("dataset_meta") or {
            **own, **({"classes": trained} if trained else {})}
        self.classes = tuple(meta["classes"])
        self.palette = meta.get("palette") or default_palette(len(self.classes))
        self.first_label = int(bool(meta.get("reduce_zero_label")))
        self.dataset, self.training = dataset, cfg.get("train_dataloader", {}).get("dataset")
        self.steps = [step for step in dataset.pipeline
                      if step["type"] not in ("LoadImageFromFile", "LoadAnnotations")]
        self._pipeline = Compose([dict(type="LoadImageFromNDArray"), *self.steps])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The class of each pixel, (H, W) uint8, of an image (H, W, 3) in BGR, uint8."""
        data = self._pipeline(dict(img=image))
        batch = dict(inputs=[data["inputs"]], data_samples=[data["data_samples"]])
        with torch.no_grad():
            [sample] = self.model.test_step(batch)
        return sample.pred_sem_seg.data[0].to("cpu", torch.uint8).numpy()


@contextmanager
def open_results(predictor: SegmentationPredictor, out: str | Path) -> Iterator[WriteFound]:
    """A function that writes the classes of an image's pixels into the folder ``out``: an image
    ``a.jpg`` gives ``labels/a.png``, one channel with the class of each pixel (numbered as in the
    training labels), and ``overlays/a.png`` to look at.
    """

    def write(labels: np.ndarray, image: np.ndarray, file: ImageFile, number: int) -> None:
        name = f"{file.stem}.png"
        save_picture(Image.fromarray(labels + np.uint8(predictor.first_label)),
                     Path(out, "labels", name))
        drawn = draw_labels(image, labels, predictor.classes, palette=predictor.palette)
        save_picture(drawn, Path(out, "overlays", name))

    yield write


def annotate_segments(predictor: SegmentationPredictor, video: str | Path,
                      out: str | Path) -> int:
    """Predicts each frame of a video, of which it returns the number, and writes the two files of
    :func:`resnest_dense.data.media.annotate_video` into the folder ``out``; ``found`` in its JSON
    is the share of the frame's pixels that each class has.

    Raises:
        ResNeStError: a file that is no video.
    """

    def annotate(frame: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        labels = predictor(np.ascontiguousarray(frame[..., ::-1]))
        overlay = draw_labels(frame, labels, predictor.classes, palette=predictor.palette)
        shares = np.bincount(labels.ravel(), minlength=len(predictor.classes)) / labels.size
        found = {name: round(share, 6) for name, share in zip(predictor.classes, shares) if share}
        # The picture has a legend beside the image; the video keeps its size.
        return np.asarray(overlay)[:frame.shape[0], :frame.shape[1]], found

    return annotate_video(Path(video), Path(out), annotate)


def find_checkpoint(source: str | Path) -> Path:
    """The file of a path, or of a name in the catalog of published weights.

    Raises:
        ResNeStError: neither, or a published file that cannot be had.
    """
    name, part = split_part(str(source))
    if Path(name).is_file():
        return Path(source)
    names = weights.catalog.names()
    if name in names:
        path = weights.fetch(name)
        return path.with_name(f"{path.name}#{part}") if part else path
    raise ResNeStValueError(f"No checkpoint {str(source)!r}. {near(str(source), names)}")


def _meta_of(dataset: dict) -> dict:
    with DATASETS.switch_scope_and_registry(None) as registry:
        meta = getattr(registry.get(dataset["type"]), "METAINFO", {})
    return {**meta, **dataset.get("metainfo", {}), **dataset}
