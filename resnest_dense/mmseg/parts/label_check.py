"""A dataset of MMSegmentation against its label files and the heads of a model."""

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from torch import nn

from resnest_dense.data.labels.check import check_labels
from resnest_dense.errors import ResNeStValueError

__all__ = ["check_dataset"]


def check_dataset(dataset: BaseDataset, model: nn.Module, *, name: str,
                  limit: int | None = None) -> None:
    """Log a table of what the labels hold; a dataset that names no classes is left alone.

    Args:
        dataset: built.
        model: a segmentor.
        name: of the set, for messages.
        limit: labels to read, all if None.

    Raises:
        ResNeStValueError: labels or class counts that training would go wrong with.
    """
    classes = dataset.metainfo.get("classes")
    if not classes:
        print_log(f"The {name} names no classes: its labels are not checked.", logger="current")
        return
    for head_name, head in model.named_modules():
        outputs = getattr(head, "num_classes", len(classes))
        if outputs != len(classes):
            raise ResNeStValueError(
                f"model.{head_name} has num_classes={outputs}, and the {name} has {len(classes)} "
                f"classes. Set model.{head_name}.num_classes={len(classes)}."
            )
    entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    entries = [entry for entry in entries if "seg_map_path" in entry]
    first = entries[0] if entries else {}
    # A set may use some classes of its files only.
    raw = dataset.METAINFO["classes"] if first.get("label_map") else classes
    report = check_labels(
        [(entry["img_path"], entry["seg_map_path"]) for entry in entries], raw, used=classes,
        name=name, limit=limit, reduce_zero_label=bool(first.get("reduce_zero_label")),
    )
    print_log(report.table(), logger="current")
    report.raise_if_wrong()
