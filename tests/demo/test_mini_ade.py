"""The embedded miniature ADE20K set."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from demo.mini_ade import CLASSES, write_mini_ade
from resnest_dense import ResNeStValueError
from resnest_dense.data.labels.check import check_labels
from resnest_dense.data.labels.folder import find_pairs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_mini_ade(tmp_path_factory.mktemp("ade"), train=12, val=4)


def test_it_has_the_layout_and_the_numbers_of_ade20k(data):
    pairs = find_pairs(data.train_images, data.train_labels)
    assert (len(pairs), pairs[0][0].name) == (12, "ADE_train_00000001.jpg")
    names = [str(i) for i in range(150)]
    check_labels(pairs, names, name="mini", reduce_zero_label=True).raise_if_wrong()
    found = np.unique([np.asarray(Image.open(label)) for _, label in pairs])
    assert set(found) == {0, *CLASSES.values()}


def test_the_numbers_are_those_of_mmsegmentation_s_dataset():
    from mmseg.datasets import ADE20KDataset

    import resnest_dense.mmseg  # noqa: F401

    names = ADE20KDataset.METAINFO["classes"]
    assert {name: names.index(name) + 1 for name in CLASSES} == CLASSES


def test_the_same_seed_draws_the_same_and_another_one_others(data, tmp_path):
    def digests(set_):
        return [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(set_.root.rglob("*.*"))]

    assert digests(write_mini_ade(tmp_path / "a", train=12, val=4)) == digests(data)
    other = digests(write_mini_ade(tmp_path / "b", train=12, val=4, seed=1))
    assert not set(other) & set(digests(data))


@pytest.mark.parametrize("options", [{"train": 0}, {"size": (128, 40)}, {"seed": -1}])
def test_what_cannot_be_drawn_is_refused(options, tmp_path):
    with pytest.raises(ResNeStValueError, match="use a whole number"):
        write_mini_ade(tmp_path, **options)
