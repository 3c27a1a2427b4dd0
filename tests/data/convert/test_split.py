"""Divisions: every class on both sides in its share, and what is alike on one side."""

import numpy as np
import pytest
from convert_cases import picture, voc_xml, write_voc
from PIL import ImageEnhance

from resnest_dense.data.convert.alike import group_alike
from resnest_dense.data.convert.main import convert
from resnest_dense.data.convert.split import cut_long, divide


def test_each_class_is_divided_in_its_share():
    rng = np.random.default_rng(0)
    # From one that every image has to one that 2 in 100 have; classes go together.
    has = rng.random((500, 6)) < [1, 0.5, 0.3, 0.1, 0.05, 0.02]
    trained = divide(has, np.arange(500), 0.8, seed=1)
    assert trained.sum() == pytest.approx(400, abs=2)
    for column in range(6):
        count = has[:, column].sum()
        assert has[trained, column].sum() == pytest.approx(0.8 * count, abs=1.5), column
    assert (divide(has, np.arange(500), 0.8, seed=1) == trained).all()
    assert (divide(has, np.arange(500), 0.8, seed=2) != trained).any()


def test_groups_are_on_one_side_and_rare_classes_are_learned():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 300)
    has = np.zeros((300, 2), bool)
    has[:, 0] = rng.random(300) < 0.5
    has[17, 1] = True
    trained = divide(has, groups, 0.75, seed=0)
    assert all(len({*trained[groups == group]}) == 1 for group in {*groups})
    assert trained[17] and trained.mean() == pytest.approx(0.75, abs=0.03)


def test_long_groups_are_cut_where_names_follow_each_other():
    groups = np.array([0, 0, 2, 0, 0, 0, 0])
    names = ["f2", "f10", "other", "f1", "f3", "f11", "f9"]
    cut, count = cut_long(groups, names, 3)
    parts = {frozenset(np.array(names)[cut == group]) for group in cut}
    assert parts == {frozenset({"f1", "f2", "f3"}), frozenset({"f9", "f10", "f11"}),
                     frozenset({"other"})} and count == 1


def test_what_is_alike(tmp_path):
    names = ["a.png", "b.png", "copy.jpg", "bright.png", "walk_mp4-1.png", "walk_mp4-2.png",
             "run_frame_001.png", "run_frame_007.png", "x_jpg.rf.0a1b.jpg", "x_jpg.rf.ffff.jpg",
             "IMG_0001.png", "IMG_0002.png"]
    pictures = {name: picture(place).resize((320, 240)) for place, name in enumerate(names)}
    pictures["copy.jpg"] = pictures["a.png"].resize((200, 150))
    pictures["bright.png"] = ImageEnhance.Brightness(pictures["b.png"]).enhance(1.1)
    for name, one in pictures.items():
        one.save(tmp_path / name)
    groups = group_alike([tmp_path / name for name in names], names)
    assert groups.tolist() == [0, 1, 0, 1, 4, 4, 6, 6, 8, 8, 10, 11]


def test_copies_stay_together(tmp_path):
    write_voc(tmp_path / "in", count=10)
    for n in range(10, 14):
        (tmp_path / f"in/JPEGImages/i{n}.png").write_bytes(
            (tmp_path / "in/JPEGImages/i3.png").read_bytes())
        (tmp_path / f"in/Annotations/i{n}.xml").write_text(
            voc_xml(f"i{n}.png", [("cat", (1, 3, 10, 8))]))
    result = convert(tmp_path / "in", tmp_path / "out", share=0.5)
    assert not result.kept and {*result.report.findings} == {"split-together", "group-cut"}
    sides = {path.name: path.parent.name for path in tmp_path.glob("out/*/*.png")}
    # Five copies are more than half of a side of seven: two stretches.
    assert len({sides[f"i{n}.png"] for n in (3, 10, 11)}) == 1 and sides["i12.png"] == (
        sides["i13.png"])
    assert convert(tmp_path / "in", tmp_path / "more", share=0.5).linked
