"""The tables of the page ``results/cuda.md``, from paper alone.

    python -m benchmarks.cuda_page benchmarks/results/cuda.md

writes them anew, between the two marks of that page, and leaves its text.
"""

import sys
from pathlib import Path

from tabulate import tabulate

from benchmarks.floor import BYTES, CARDS, PARTS, Layers, floor, moved, predict, walk
from benchmarks.passes import FLOOR, NETWORKS, PHASES, passes

__all__ = ["main", "tables"]

ARCHITECTURES = ("resnest50", "resnest101")
SIZES = ((8, 800, 1216), (16, 512, 512))
# What there is to do besides convolutions: steps of the floor that move its bytes, and operations
# for each value of the map of a form.
WORK = {
    "norms": (("statistics",), {"norm ReLU": 6, "attention": 12, "norm": 5, "end": 5}),
    "attention": (("pool", "sum"), {"attention": 6}),
    "rest": (("norm addition ReLU", "in and out"), {"end": 2, "pool": 1}),
}


def tables() -> str:
    """All tables of the page, as Markdown."""
    walked = {(name, size): walk(name, size) for name in ARCHITECTURES for size in SIZES}
    return "\n\n".join([
        "### What there is to do, forward", _work_table(walked),
        "### Floor, ms", _floor_table(walked),
        "### Passes of each network", _pass_table(),
        *(text for card in CARDS for text in (f"### Predicted on an {card}, ms",
                                              _prediction_table(walked, card))),
        *(text for phase in ("eval", "training") for text in (
            f"### Of which on an H100, {' '.join(_title(next(iter(walked))))}, {phase}, ms",
            _share_table(next(iter(walked.values())), phase)))])


def _work_table(walked: dict) -> str:
    rows = []
    for case, layers in walked.items():
        for part in PARTS:
            convs = [conv for conv in layers.convolutions if conv.part == part]
            row = [sum(conv.operations for conv in convs),
                   BYTES * sum(conv.read + conv.weights + conv.written for conv in convs)]
            for steps, operations in WORK.values():
                row += [sum(operations.get(form, 0) * values
                            for of, form, values in layers.maps if of == part),
                        BYTES * sum(values for of, _, values in moved(
                            layers, FLOOR, ["forward"], steps) if of == part)]
            rows.append([*_title(case), part, *(figure / 1e9 for figure in row)])
    heads = (head for name in ("convolutions", *WORK) for head in (f"{name}, GFLOP", "GB"))
    return _markdown(rows, ("network", "input", "part", *heads), ".2f")


def _floor_table(walked: dict) -> str:
    rows = []
    for case, layers in walked.items():
        for training in (False, True):
            for card, bandwidth in CARDS.items():
                found, alone = (floor(layers, bandwidth, training=training, alone=alone)
                                for alone in (False, True))
                parts = [*found.values(), sum(found.values()), sum(alone.values())]
                rows.append([*_title(case), "training" if training else "eval", card,
                             *(1e3 * seconds for seconds in parts)])
    return _markdown(rows, ("network", "input", "phase", "card", *PARTS, "sum",
                            "convolutions alone"), ".2f")


def _pass_table() -> str:
    names = {}
    for form in ("norm ReLU", "attention", "norm", "end"):
        for phase in PHASES:
            for name, table in {"floor": FLOOR, **NETWORKS}.items():
                if text := table[form].get(phase):
                    names.setdefault((form, phase, text), []).append(name)
    rows = [[form, phase, ", ".join(of), passes(text), text]
            for (form, phase, text), of in names.items()]
    return _markdown(rows, ("form", "phase", "network", "passes", "of which"), "g")


def _share_table(layers: Layers, phase: str) -> str:
    names = [name for name in NETWORKS if phase != "training" or name != "ours fused"]
    found = [predict(layers, name, CARDS["H100"], phase) for name in names]
    rows = [[form, *(1e3 * seconds.get(form, 0) for seconds in found)] for form in found[0]]
    return _markdown(rows, ("", *names), ".2f")


def _prediction_table(walked: dict, card: str) -> str:
    rows = []
    for case, layers in walked.items():
        for phase in ("eval", "eval cast", "training"):
            ms = {name: 1e3 * sum(predict(layers, name, CARDS[card], phase).values())
                  for name in NETWORKS}
            eager, compiled = (min(ms[peer + form] for peer in ("official", "timm"))
                               / ms["ours" + form] for form in ("", " compiled"))
            if phase == "training":
                ms["ours fused"] = None
            lowest = floor(layers, CARDS[card], training=phase == "training")
            rows.append([*_title(case), phase, 1e3 * sum(lowest.values()), *ms.values(),
                         ms["official"] / ms["ours"], eager, compiled])
    return _markdown(rows, ("network", "input", "phase", "floor", *NETWORKS, "official / ours",
                            "best peer / ours", "the same, compiled"), ".2f")


def _title(case: tuple[str, tuple[int, int, int]]) -> tuple[str, str]:
    architecture, (count, height, width) = case
    return architecture, f"{count}x3x{height}x{width}"


def _markdown(rows: list, head: tuple[str, ...], digits: str) -> str:
    return tabulate(rows, head, tablefmt="github", floatfmt=digits)


def main(path: Path) -> None:
    before, _, rest = path.read_text().partition("<!-- tables -->")
    after = rest.partition("<!-- end of tables -->")[2]
    path.write_text(f"{before}<!-- tables -->\n\n{tables()}\n\n<!-- end of tables -->{after}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
