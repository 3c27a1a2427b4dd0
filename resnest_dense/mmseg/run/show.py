"""Pictures of what a segmentor is trained on: labels after the config's own augmentation."""

from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from resnest_dense.base.progress import progress
from resnest_dense.config_errors import explained
from resnest_dense.data.labels.pictures import draw_labels
from resnest_dense.data.results import attempt, save_picture

__all__ = ["show_training_data"]


def show_training_data(cfg: Config, out: str | Path,
                       count: int) -> tuple[list[Path], dict[str, str]]:
    """Draws the first ``count`` training images as the network gets them: resized, cropped,
    recoloured. The pictures are ``0000_name-of-the-image.png`` and so on in the folder ``out``.

    Returns:
        The pictures, and the files that could not be shown, with why.
    """
    init_default_scope(cfg.get("default_scope") or "mmseg")
    with explained(cfg.filename):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    pictures: list[Path] = []
    failures: dict[str, str] = {}
    for number in progress(range(min(count, len(dataset))), "images"):
        name = str(dataset.get_data_info(number)["img_path"])
        with attempt(name, failures):
            item = dataset[number]
        if name in failures:
            continue
        image = item["inputs"].permute(1, 2, 0).numpy()[..., ::-1]  # BGR
        sample = item["data_samples"]
        path = Path(out, f"{number:04d}_{Path(sample.img_path).stem}.png")
        picture = draw_labels(image, sample.gt_sem_seg.data[0].numpy(), dataset.metainfo["classes"],
                    palette=dataset.metainfo.get("palette"))
        save_picture(picture, path)
        pictures.append(path)
    return pictures, failures
