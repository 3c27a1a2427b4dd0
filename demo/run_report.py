"""What a run found, to look at: a table, a curve over iterations, detections beside the truth."""

import json
from pathlib import Path

import numpy as np
from detectron2.data.detection_utils import read_image
from detectron2.structures import BoxMode
from detectron2.utils.visualizer import Visualizer
from matplotlib import colormaps
from matplotlib.figure import Figure
from pycocotools.coco import COCO

from resnest_dense.errors import ResNeStError

__all__ = ["draw_curve", "draw_detections", "final_metrics", "read_metrics", "write_table"]

_COLUMNS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_KINDS = {"bbox": "box", "segm": "mask"}
_SCALE = 3.0  # Small images are drawn larger, so that labels fit.


def read_metrics(folder: Path) -> list[dict]:
    """The rows that a run wrote to ``metrics.json`` in its ``OUTPUT_DIR``, by iteration.

    Raises:
        ResNeStError: the run has written none.
    """
    path = folder / "metrics.json"
    if not path.is_file():
        raise ResNeStError(f"No {path}: train with OUTPUT_DIR {folder} first.")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(rows, key=lambda row: row["iteration"])


def final_metrics(rows: list[dict]) -> dict[str, float]:
    """The last value of every COCO metric, such as "bbox/AP50", in percent."""
    return {key: value for row in rows for key, value in row.items()
            if key.partition("/")[0] in _KINDS}


def write_table(metrics: dict[str, float], path: Path) -> None:
    """Average precision of boxes and masks in percent, as a Markdown table."""
    lines = ["| | " + " | ".join(_COLUMNS) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for kind, word in _KINDS.items():
        values = [metrics.get(f"{kind}/{column}") for column in _COLUMNS]
        if values[0] is not None:
            lines.append(f"| {word} | " + " | ".join(f"{v:.1f}" for v in values) + " |")
    path.write_text("\n".join(lines) + "\n")


def draw_curve(rows: list[dict], path: Path) -> None:
    """Total loss (left axis) and AP50 (right axis, percent) over iterations, as a PNG."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    loss_axis = figure.subplots()
    ap_axis = loss_axis.twinx()
    losses = [(row["iteration"], row["total_loss"]) for row in rows if "total_loss" in row]
    loss_axis.plot(*zip(*losses), color="tab:gray", label="total loss")
    for (kind, word), colour in zip(_KINDS.items(), ("tab:blue", "tab:orange")):
        points = [(row["iteration"] + 1, row[f"{kind}/AP50"]) for row in rows
                  if f"{kind}/AP50" in row]
        if points:
            ap_axis.plot(*zip(*points), color=colour, marker="o", label=f"{word} AP50")
    loss_axis.set(xlabel="iteration", ylabel="total loss", ylim=(0, None))
    ap_axis.set(ylabel="AP50 on held-out images (%)", ylim=(0, 100))
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=120)


def draw_detections(annotations: Path, images: Path, detections: Path, path: Path, *,
                    count: int = 4, threshold: float = 0.5) -> None:
    """A PNG of image pairs, ground truth on the left and detections on the right.

    Args:
        annotations: COCO-format file of the images.
        images: folder of the images.
        detections: COCO-format results, as COCO evaluation writes them.
        path: of the PNG.
        count: number of images, the first ones that have objects.
        threshold: least score of a detection that is drawn.
    """
    truth = COCO(str(annotations))
    found = truth.loadRes(str(detections))
    chosen = [i for i in sorted(truth.imgs) if truth.getAnnIds(i, iscrowd=False)][:count]
    figure = Figure(figsize=(9, 3.6 * len(chosen)), layout="constrained")
    axes = figure.subplots(len(chosen), 2, squeeze=False)
    for (left, right), image_id in zip(axes, chosen):
        image = read_image(str(images / truth.imgs[image_id]["file_name"]), format="RGB")
        left.imshow(_draw(image, truth, image_id))
        right.imshow(_draw(image, found, image_id, threshold))
        left.axis("off")
        right.axis("off")
    axes[0, 0].set_title("ground truth")
    axes[0, 1].set_title(f"detections (score at least {threshold:.0%})")
    figure.savefig(path, dpi=110)


def _draw(image: np.ndarray, coco: COCO, image_id: int, threshold: float = 0.0) -> np.ndarray:
    annotations = [a for a in coco.loadAnns(coco.getAnnIds(image_id))
                   if a.get("score", 1.0) >= threshold]
    categories = sorted(coco.cats)
    labels, colours = [], []
    for a in annotations:
        score = f" {a['score']:.0%}" if "score" in a else ""
        name = "crowd of " if a.get("iscrowd") else ""
        labels.append(name + coco.cats[a["category_id"]]["name"] + score)
        colours.append(colormaps["tab10"](categories.index(a["category_id"]) % 10)[:3])
    masks = [coco.annToMask(a) for a in annotations if a.get("segmentation")]
    boxes = [BoxMode.convert(a["bbox"], BoxMode.XYWH_ABS, BoxMode.XYXY_ABS) for a in annotations]
    return Visualizer(image, scale=_SCALE).overlay_instances(
        boxes=np.array(boxes).reshape(-1, 4), labels=labels, assigned_colors=colours,
        masks=masks if len(masks) == len(boxes) else None, alpha=0.4,
    ).get_image()
