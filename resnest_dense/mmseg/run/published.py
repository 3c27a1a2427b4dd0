"""A published segmentor measured on its data set, in the protocol of its publisher."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from resnest_dense.mmseg.run.evaluate import make_parser, run

__all__ = ["measure"]


def measure(config: str, checkpoint: Path, metrics: Iterable[str], *, out: Path,
            dilated_form: str | None = None, data_root: str | None = None,
            options: Sequence[str] = ()) -> dict[str, float]:
    """The ``metrics`` (names of the catalog, in percent) of a checkpoint on its test set.

    Args:
        config: path or shipped name of the config that the checkpoint belongs to.
        checkpoint: its weights.
        metrics: "miou" (one scale), or some of "pix_acc_ms_flip" and "miou_ms_flip".
        out: folder of the logs.
        dilated_form: of the checkpoint; "official" ones were tested in sliding windows.
        data_root: the folder of the data set; None for the config's own.
        options: KEY=VALUE settings that override the config.

    Raises:
        ResNeStError: as :func:`resnest_dense.mmseg.run.evaluate.run`.
    """
    multi_scale = any(name.endswith("_ms_flip") for name in metrics)
    settings = list(options)
    if data_root:
        settings.append(f"test_dataloader.dataset.data_root={data_root}")
    args = make_parser().parse_args([
        config, str(checkpoint), "--work-dir", str(out),
        *(["--tta", "published" if dilated_form == "official" else "mmseg"] if multi_scale else []),
        *(["--cfg-options", *settings] if settings else []),
    ])
    results = run(args)
    pixel_accuracy = results.get("pixAcc", results.get("aAcc"))
    return {name: pixel_accuracy if name.startswith("pix_acc") else results["mIoU"]
            for name in metrics}
