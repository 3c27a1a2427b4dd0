"""The page of all shipped configs, networks and published checkpoints: ``MODEL_ZOO.md``.

All of it comes from the catalog of weights, the table of experiments, the list of configs, and what
:func:`resnest_dense.frameworks.analyze_config` says of each; ``zoo.md`` has the words around them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnest_dense.analysis import Analysis
from resnest_dense.architectures import list_architectures
from resnest_dense.configs import list_configs
from resnest_dense.published.experiments import Experiment, find_experiment, list_experiments
from resnest_dense.weights import catalog
from resnest_dense.weights.catalog import Entry

__all__ = ["Figures", "config_rows", "read_figures", "render"]

_TEXT = Path(__file__).with_name("zoo.md")
_METRICS = {
    "pq": "PQ", "box_ap": "box", "mask_ap": "mask", "keypoint_ap": "keypoints",
    "box_ap_test_dev": "box (test-dev)", "miou": "mIoU", "miou_ms_flip": "mIoU (scales, flips)",
    "pix_acc_ms_flip": "pixAcc (scales, flips)",
}
_STOCK = ("resnet50_", "resnet101_")  # networks of configs with the frameworks' own backbones
_ROW = re.compile(r"^\| `([^`]+)`.*\| ([\d.]+) \| ([\d.]+) \| (\d+x\d+) \|", re.MULTILINE)


@dataclass(frozen=True)
class Figures:
    """What a model costs, as the page says it.

    Args:
        parameters: in millions.
        macs: in billions.
        size: of the input, height x width.
    """

    parameters: str
    macs: str
    size: str

    @classmethod
    def of(cls, analysis: Analysis) -> "Figures":
        """Those of an analysis."""
        total = analysis.total
        return cls(f"{total.parameters / 1e6:.2f}", f"{total.macs / 1e9:.2f}",
                   f"{analysis.size[0]}x{analysis.size[1]}")


def config_rows(framework: str) -> dict[str, list[str]]:
    """The shipped configs of a framework, forms of the same experiment together: by the first one,
    the text form where there is one.
    """
    rows: dict[str, list[str]] = {}
    for name in sorted(list_configs(framework), key=lambda name: name.count("/")):
        rows.setdefault(Path(name).stem, []).append(name)
    return {names[0]: names for names in sorted(rows.values())}


def read_figures(page: str) -> dict[str, Figures]:
    """The figures in a page, by the name that begins their row."""
    return {name: Figures(*figures) for name, *figures in _ROW.findall(page)}


def render(figures: Mapping[str, Figures]) -> str:
    """The page.

    Args:
        figures: of every architecture and every row of :func:`config_rows`.
    """
    tables = {
        "backbones": _table(
            ("network", "M parameters", "G MACs", "input"),
            [(f"`{name}`", *_cells(figures[name])) for name in list_architectures()]),
        "weights": _table(("weights", "network", "top-1 (crop)", "recipe", "file", "source"),
                          [_weights_row(entry) for entry in _entries("imagenet")]),
        "detection": _configs_table("detectron2", figures),
        "segmentation": _configs_table("mmseg", figures),
        "others": _table(("checkpoint", "network", "published", "file", "source"),
                         [_other_row(entry) for entry in _without_config()]),
    }
    return _TEXT.read_text(encoding="utf-8").format(**tables)


def _configs_table(framework: str, figures: Mapping[str, Figures]) -> str:
    heads = ("config", "published", "M parameters", "G MACs", "input", "checkpoint", "source",
             "verified")
    rows = []
    for first, names in config_rows(framework).items():
        experiment = find_experiment(first.rpartition(".")[0])
        published, file, source = "", "", ""
        if experiment is not None:
            published, source = _metrics(experiment.metrics), experiment.source
            file = "none published"
            if experiment.recipe:
                published, file = f"{published} (another recipe: {experiment.recipe})", ""
            if experiment.checkpoint is not None:
                file, note = _file(experiment.checkpoint), experiment.checkpoint.note
                source += f". {note}" if note else ""
        rows.append((", ".join(f"`{name}`" for name in names), published, *_cells(figures[first]),
                     file, source, _verified(first, experiment)))
    return _table(heads, rows)


def _verified(name: str, experiment: Experiment | None) -> str:
    ours = "" if name.startswith(_STOCK) else "network"
    recipe = "recipe" if experiment is not None and experiment.checkpoint is not None else ""
    return ", ".join(filter(None, ("runs", ours, recipe)))


def _entries(dataset: str) -> list[Entry]:
    entries = map(catalog.get, catalog.names())
    return [e for e in entries if e.dataset == dataset and not e.superseded_by]


def _without_config() -> list[Entry]:
    experiments = map(find_experiment, list_experiments())
    used = {e.checkpoint.name for e in experiments if e is not None and e.checkpoint is not None}
    entries = map(catalog.get, catalog.names())
    return [e for e in entries if e.dataset != "imagenet" and e.name not in used]


def _weights_row(entry: Entry) -> tuple[str, ...]:
    metrics = entry.metrics
    score = f"{metrics['top1']:.2f} ({metrics['crop']})" if "top1" in metrics else ""
    return (f"`{entry.name}`", entry.architecture, score, entry.recipe or "", _file(entry),
            entry.title)


def _other_row(entry: Entry) -> tuple[str, ...]:
    return (f"`{entry.name}`", entry.architecture, _metrics(entry.metrics), _file(entry),
            entry.title)


def _metrics(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{word} {metrics[key]:.2f}" for key, word in _METRICS.items()
                     if key in metrics)


def _file(entry: Entry) -> str:
    digest = f"`{entry.hash[:8]}`" if entry.hash else "no hash"
    return f"[{digest}]({entry.addresses[0]}){' dead' if entry.dead else ''}"


def _cells(figures: Figures) -> tuple[str, str, str]:
    return figures.parameters, figures.macs, figures.size


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
