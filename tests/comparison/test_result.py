"""The tables, the JSON and the plot of a comparison."""

import json
import math

import pytest
from PIL import Image

from resnest_dense.comparison import Comparison, Member, write_comparison
from resnest_dense.comparison.figure import draw_comparison
from resnest_dense.comparison.result import Row


def comparison(*, seeds=3, recipes=("one", "one"), speed=12.5, b=None):
    scores = ([30.0, 31.0, 32.0][:seeds], b or [20.0, 22.0, 21.0][:seeds])
    rows = [Row(Member(name, f"{name}.pth", recipe, 76.13), number * 10**6, 3 * 10**9, speed,
                None if speed is None else 200 * 10**6, {"box AP": found, "mask AP": found})
            for number, (name, recipe, found) in enumerate(zip(("a", "b"), recipes, scores), 1)]
    return Comparison("my.yaml", seeds, (64, 96), "a machine", rows)


def cells(text, name):
    [line] = [line for line in text.splitlines() if line.startswith(f"| {name} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_costs_start_and_scores():
    text = comparison().text()
    assert cells(text, "network") == ["network", "weights", "their recipe", "top-1", "M parameters",
                                      "G MACs", "images/s", "training MB", "box AP", "mask AP"]
    assert cells(text, "b") == ["b", "b.pth", "one", "76.13", "2.00", "3.00", "12.50", "200",
                                "21.00 ± 1.00", "21.00 ± 1.00"]
    assert "64x96" in text and "unlike" not in text


def test_the_text_says_what_is_noise_and_what_seeds_can_show():
    text = comparison().text()
    # 10, 9, 11: mean 10, spread 1; of one sign, so 2 of 8 cases.
    assert [line for line in text.splitlines() if line.startswith("| a - b")][0].split() == (
        "| a - b | +10.00 | 1.00 | 0.250 | 0.250 | not told from noise |".split())
    assert "3 seeds give p = 0.25 at the least, and cannot show any difference at 0.05" in text
    assert "that takes 6" in text
    assert "1 seed gives p = 1 at the least" in comparison(seeds=1).text()


def test_unlike_starts_are_said():
    assert "unlike recipes" in comparison(recipes=("one", "two")).text()


def test_what_was_not_measured_is_left_out():
    found = comparison(speed=None, b=[20.0, math.nan, 21.0])
    assert cells(found.text(), "b")[6:9] == ["-", "-", "- ± -"]
    data = json.loads(json.dumps(found.data(), allow_nan=False))
    assert data["members"]["b"]["scores"]["box AP"] == [20, None, 21]
    assert data["pairs"]["box AP"][0]["p"] is None
    assert [axes.get_xlabel() for axes in draw_comparison(found).axes] == 2 * [
        "parameters, M", "multiply-adds, G"]


def test_the_plot_has_a_panel_a_cost_and_metric(tmp_path):
    found = comparison()
    axes = draw_comparison(found).axes
    assert [a.get_xlabel() for a in axes] == 2 * ["parameters, M", "multiply-adds, G", "images/s",
                                                  "memory of training, MB"]
    runs = axes[0].lines[0]
    assert list(runs.get_ydata()) == [30, 31, 32] and list(runs.get_xdata()) == [1, 1, 1]
    [segment] = axes[0].containers[0][2][0].get_segments()
    assert segment[:, 1] == pytest.approx([30, 32])  # mean and one deviation, up and down
    files = write_comparison(found, tmp_path / "out")
    assert [path.name for path in files] == ["comparison.md", "comparison.json", "comparison.png"]
    assert files[0].read_text() == found.text() and Image.open(files[2]).size[0] > 900
    members = json.loads(files[1].read_text())["members"]
    assert members["a"]["top1"] == 76.13 and members["b"]["parameters"] == 2 * 10**6
