"""A published detector measured on COCO, with detectron2's evaluators."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from resnest_dense.d2.train import make_parser, run
from resnest_dense.d2.train.trainer import RESULTS_FILE

__all__ = ["measure"]

# Where each metric of the catalog stands in detectron2's results.
_PLACES = {"box_ap": ("bbox", "AP"), "mask_ap": ("segm", "AP"), "pq": ("panoptic_seg", "PQ")}


def measure(config: str, checkpoint: Path, metrics: Iterable[str], *, out: Path, num_gpus: int = 1,
            options: Sequence[str] = ()) -> dict[str, float]:
    """The ``metrics`` (names of the catalog, in percent) of a checkpoint on ``DATASETS.TEST``.

    Args:
        config: path or shipped name of the config that the checkpoint belongs to.
        checkpoint: its weights.
        metrics: some of "box_ap", "mask_ap" and "pq".
        out: folder of predictions and logs.
        num_gpus: processes, each with a GPU; without a GPU one process on the CPU.
        options: KEY VALUE pairs that override the config.

    Raises:
        ResNeStError: as :func:`resnest_dense.d2.train.run`.
    """
    run(make_parser().parse_args([
        "--config-file", config, "--eval-only", "--num-gpus", str(num_gpus),
        *options, "MODEL.WEIGHTS", str(checkpoint), "OUTPUT_DIR", str(out),
    ]))
    results = json.loads((out / RESULTS_FILE).read_text())
    return {name: results[_PLACES[name][0]][_PLACES[name][1]] for name in metrics}
