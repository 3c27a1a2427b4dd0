"""What is published of the experiment that a shipped config describes: figures and checkpoint."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resnest_dense.weights import catalog
from resnest_dense.weights.catalog import Entry

__all__ = ["Experiment", "find_experiment", "list_experiments"]


@dataclass(frozen=True)
class Experiment:
    """One published row.

    Args:
        metrics: in percent, under the names of the catalog; ``_test_dev`` where COCO's test-dev is
            meant, otherwise the validation set.
        source: where the figures come from.
        checkpoint: the published checkpoint in the catalog, or None.
        recipe: of the figures, in words, where it is another one than the config's.
    """

    metrics: Mapping[str, float]
    source: str
    checkpoint: Entry | None = None
    recipe: str = ""


def find_experiment(config: str) -> Experiment | None:
    """What is published of the shipped config called ``config``, without suffix; None for nothing.

    A LazyConfig or pure-Python config is of the same experiment as the one with the same stem.
    """
    return _experiments().get(Path(config).name)


def list_experiments() -> list[str]:
    """The configs that something is published of, without suffix."""
    return list(_experiments())


@functools.cache
def _experiments() -> dict[str, Experiment]:
    # The catalog has those with a checkpoint; figures of the others are in papers and zoos.
    rows = json.loads(Path(__file__).with_name("experiments.json").read_text("utf-8"))
    found = {name: Experiment(**row) for name, row in rows.items()}
    for entry in map(catalog.get, catalog.names()):
        if entry.config:
            found[Path(entry.config).stem] = Experiment(entry.metrics, entry.title, entry)
    return found
