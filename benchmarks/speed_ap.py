"""Speed of the shipped detectors against their published box AP, as a table and a plot.

    python -m benchmarks.speed_ap --out benchmarks/results/speed_ap.json

Times are of eval with one image of 800x1216 and random weights; AP is what the paper publishes for
the same configs on COCO val2017 (recipes.md 6, table 5). Without ``--rounds`` only the plot is
drawn anew.
"""

import argparse
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.record import load_cases, save_case
from resnest_dense.analysis import describe_machine
from resnest_dense.analysis.speed import measure_models
from resnest_dense.d2.benchmark import DetectorCase

__all__ = ["PUBLISHED", "draw", "main"]

# method: (family: (config's network: box AP))
PUBLISHED = {
    "faster_rcnn": {"ResNet": {"resnet50": 39.25, "resnet101": 41.37},
                    "ResNeSt": {"resnest50": 42.33, "resnest101": 44.72}},
    "cascade_rcnn": {"ResNet": {"resnet50": 42.52, "resnet101": 44.03},
                     "ResNeSt": {"resnest50": 45.41, "resnest101": 47.50, "resnest200": 49.03}},
}
_COLOURS = {"ResNet": "#8a8a8a", "ResNeSt": "#c2410c"}
_MARKERS = {"faster_rcnn": ("o", "Faster R-CNN"), "cascade_rcnn": ("s", "Cascade R-CNN")}


def measure(*, method: str, size: tuple[int, int], device: str, rounds: int) -> dict:
    """Images per second of the published configs of ``method``, fused, for the record."""
    cases = {network: DetectorCase(f"{network}_{method}.yaml", "fused", size, 1, device)
             for family in PUBLISHED[method].values() for network in family}
    figures = measure_models(cases, rounds=rounds, parts=["eval"])
    rows = {network: {"eval_speed": found.eval_speed} for network, found in figures.items()}
    return {"method": method, "size": size, "device": device, "machine": describe_machine(),
            "rows": rows}


def draw(cases: list[dict], path: Path) -> None:
    """The plot of all ``cases``: a line for each method and family of networks."""
    matplotlib.use("Agg")
    figure, axes = pyplot.subplots(figsize=(6.4, 4.4), layout="constrained")
    for case in cases:
        for family, published in PUBLISHED[case["method"]].items():
            _line(axes, case, family, published)
    size = "x".join(map(str, cases[0]["size"]))
    axes.set(xlabel=f"images per second (one image of {size}, {cases[0]['device'].upper()}, fused)",
             ylabel="published box AP, COCO val2017")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12, y=0.1)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)


def _line(axes: Axes, case: dict, family: str, published: dict[str, float]) -> None:
    marker, method = _MARKERS[case["method"]]
    speeds = [case["rows"][network]["eval_speed"] for network in published]
    axes.plot(speeds, list(published.values()), marker=marker, color=_COLOURS[family],
              linestyle="-" if family == "ResNeSt" else "--", label=f"{method}, {family}")
    for speed, (network, ap) in zip(speeds, published.items()):
        depth = network.removeprefix(family.lower())
        axes.annotate(depth, (speed, ap), xytext=(6, 5), textcoords="offset points", fontsize=9,
                      color=_COLOURS[family])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1216), metavar=("H", "W"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=0, help="0: draw what is recorded")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/speed_ap.json"))
    args = parser.parse_args(arguments)
    for method in args.methods if args.rounds else ():
        case = measure(method=method, size=tuple(args.size), device=args.device,
                       rounds=args.rounds)
        save_case(args.out, case, ("method", "size", "device"))
    draw(load_cases(args.out), args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
