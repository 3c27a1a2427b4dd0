"""The training loader of a config: detectron2's samplers and grouping, resumed at any batch."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import DatasetFromList, build_detection_train_loader
from detectron2.data.build import trivial_batch_collator
from detectron2.data.detection_utils import SizeMismatchError
from detectron2.utils import comm
from torch.utils.data import Dataset, IterableDataset, Sampler

from resnest_dense.data.image_files import look_at
from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.training.batches import ResumableLoader, group
from resnest_dense.training.loading import FaultsInLoading
from resnest_dense.training.randomness import seeded

__all__ = ["build_train_loader"]

_ALLOWED = "FAULTS_ALLOWED"
_TRIES = 100  # other samples, where the mapper makes none of one


def build_train_loader(cfg: CfgNode, mapper: Callable[[dict], Any] | None = None
                       ) -> ResumableLoader:
    """As ``build_detection_train_loader(cfg, mapper=mapper)``, in an order that ``cfg.SEED`` (0 or
    more) and the number of the batch decide alone.

    Raises:
        ResNeStValueError: a set without an order of its own, which cannot be resumed.
    """
    with seeded(cfg.SEED):  # detectron2 draws the seeds of some samplers
        parts = build_detection_train_loader.from_config(cfg, mapper=mapper)
    dataset = parts["dataset"]
    if isinstance(dataset, IterableDataset):
        raise ResNeStValueError(f"DATASETS.TRAIN {cfg.DATASETS.TRAIN}: an IterableDataset has no "
                                "order that a run could go on in: register a list of records.")
    grouped = parts["aspect_ratio_grouping"]
    plan = _Plan(parts["sampler"], parts["total_batch_size"] // comm.get_world_size(),
                 bytes(map(_is_upright, dataset)) if grouped else bytes(len(dataset)))
    if isinstance(dataset, list):
        dataset = DatasetFromList(dataset, copy=False)
    return ResumableLoader(
        _Mapped(dataset, parts["mapper"]), plan, seed=cfg.SEED, rank=comm.get_rank(),
        faults=FaultsInLoading(cfg.DATALOADER.get(_ALLOWED, 0), f"DATALOADER.{_ALLOWED}"),
        file_of=partial(_file_of, dataset), bad=(SizeMismatchError,),
        num_workers=parts["num_workers"], collate_fn=trivial_batch_collator)


class _Plan:
    """The indices of each batch, as detectron2's sampler and its grouping by aspect ratio give
    them."""

    def __init__(self, sampler: Sampler, size: int, kinds: Sequence[int]):
        self.sampler = sampler
        self.size = size
        self.kinds = kinds

    def __iter__(self) -> Iterator[list[int]]:
        return group(self.sampler, self.size, self.kinds)


class _Mapped(Dataset):
    """What the mapper makes of each record; of another one, where it makes nothing."""

    def __init__(self, dataset: Any, mapper: Callable[[dict], Any]):
        self.dataset = dataset
        self.mapper = mapper

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        for _ in range(_TRIES):
            sample = self.mapper(self.dataset[index])
            if sample is not None:
                return sample
            index = random.randrange(len(self))  # seeded by the place in the run
        raise ResNeStError(f"The mapper {type(self.mapper).__name__} makes nothing of {_TRIES} "
                           f"records, the last one {self.dataset[index].get('file_name')}.")


def _file_of(dataset: Any, index: int) -> str:
    return str(dataset[index].get("file_name", index))


def _is_upright(record: dict) -> bool:
    """The kind of shape that detectron2 puts together; sets of semantic labels have no sizes."""
    if "width" in record and "height" in record:
        return record["width"] <= record["height"]
    width, height = look_at(record["file_name"]).size
    return width <= height
