"""Own data for MMSegmentation without a dataset class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset

from resnest_dense.data.labels.folder import find_pairs
from resnest_dense.mmseg.registry import DATASETS

__all__ = ["FolderDataset"]

_Folders = str | Path | Sequence[str | Path]


@DATASETS.register_module()
class FolderDataset(BaseSegDataset):
    """A folder of images, a folder of label PNGs with the same names, and the classes.

    Args:
        images: folder, or several; images in their subfolders count too.
        labels: folder of single-channel PNGs, or one for each of images: the class of each pixel,
            255 where none is.
        classes: names, class 0 first.
        palette: colour (R, G, B) of each class; drawn at random when not given.
        options: as for every dataset of MMSegmentation (``pipeline``, ``reduce_zero_label``, ...).

    Raises:
        ResNeStValueError: no images, or images without a label.
    """

    def __init__(self, images: _Folders, labels: _Folders, classes: Sequence[str], *,
                 palette: Sequence[Sequence[int]] | None = None, **options: Any):
        metainfo: dict[str, Any] = dict(classes=tuple(classes))
        if palette is not None:
            metainfo["palette"] = [list(colour) for colour in palette]
        self._folders = [*zip(_listed(images), _listed(labels), strict=True)]
        super().__init__(metainfo=metainfo, **options)

    def load_data_list(self) -> list[dict]:
        """One entry an image, in the order of their paths."""
        root = self.data_root or ""
        pairs = [pair for images, labels in self._folders
                 for pair in find_pairs(Path(root, images), Path(root, labels))]
        return [dict(img_path=str(image), seg_map_path=str(label), label_map=self.label_map,
                     reduce_zero_label=self.reduce_zero_label, seg_fields=[])
                for image, label in pairs]


def _listed(folders: _Folders) -> Sequence[str | Path]:
    return [folders] if isinstance(folders, (str, Path)) else folders
