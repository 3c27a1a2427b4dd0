"""A trained segmentor on images and videos: labels, and pictures to look at."""

from collections.abc import Iterable
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner.checkpoint import CheckpointLoader
from PIL import Image

from resnest_dense import weights
from resnest_dense.configs import find_config
from resnest_dense.data.labels.pictures import default_palette, draw_labels
from resnest_dense.data.media import annotate_video, unique_stems
from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.mmseg.loading import check_input, fit_checkpoint
from resnest_dense.weights.source import read_metadata

__all__ = ["SegmentationPredictor", "annotate_segments", "find_checkpoint", "write_predictions"]


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
        cfg = Config.fromfile(find_config(str(config), "mmseg"))
        init_default_scope("mmseg")
        path = find_checkpoint(checkpoint)
        loaded = CheckpointLoader.load_checkpoint(str(path), map_location="cpu")
        self.model = MODELS.build(cfg.model)
        check_input(self.model, read_metadata(path).contract, path.name)
        state, unfit = fit_checkpoint(loaded.get("state_dict", loaded), self.model)
        if unfit:
            raise ResNeStError(f"{path} has another number of classes than {cfg.filename}. Use the "
                               "config that training has written beside its checkpoints.")
        self.model.load_state_dict(state)
        self.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        dataset = cfg.test_dataloader.dataset
        meta = loaded.get("meta", {}).get("dataset_meta") or _meta_of(dataset)
        self.classes = tuple(meta["classes"])
        self.palette = meta.get("palette") or default_palette(len(self.classes))
        self.first_label = int(bool(meta.get("reduce_zero_label")))
        self.dataset = dataset
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


def write_predictions(predictor: SegmentationPredictor, images: Iterable[str | Path],
                      out: str | Path) -> list[tuple[Path, Path]]:
    """Predict image files and write what was found into the folder ``out``: an image ``a.jpg``
    gives ``labels/a.png``, one channel with the class of each pixel (numbered as in the training
    labels), and ``overlays/a.png`` to look at; these two are returned for each image.

    Raises:
        ResNeStValueError: a file that is no image, or two images with the same stem.
    """
    paths, written = [Path(image) for image in images], []
    folders = Path(out, "labels"), Path(out, "overlays")
    stems = unique_stems(paths)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for path, stem in zip(paths, stems):
        image = mmcv.imread(str(path)) if path.is_file() else None
        if image is None:
            raise ResNeStValueError(f"{path} is no image that can be read.")
        labels = predictor(image)
        label_file, overlay_file = (folder / f"{stem}.png" for folder in folders)
        Image.fromarray(labels + np.uint8(predictor.first_label)).save(label_file)
        draw_labels(image[..., ::-1], labels, predictor.classes,
                    palette=predictor.palette).save(overlay_file)
        written.append((label_file, overlay_file))
    return written


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
    if Path(source).is_file():
        return Path(source)
    names = weights.catalog.names()
    if str(source) in names:
        return weights.fetch(str(source))
    raise ResNeStValueError(f"No checkpoint {str(source)!r}. {near(str(source), names)}")


def _meta_of(dataset: dict) -> dict:
    with DATASETS.switch_scope_and_registry(None) as registry:
        meta = registry.get(dataset["type"]).METAINFO
    return {**meta, **dataset.get("metainfo", {}), **dataset}
