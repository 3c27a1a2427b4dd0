"""Classes and settings of two runs, compared in words."""

import pytest

from resnest_dense import ResNeStError
from resnest_dense.base.runs import (
    changed_settings,
    check_settings,
    class_order,
    require_same_classes,
)

SIDES = ("old.pth", "new.json")


@pytest.mark.parametrize("trained,wanted,order", [
    (("a", "b", "c"), ("a", "b", "c"), None), (("a", "b "), ("a", "b"), None),
    (("a", "b", "c"), ("c", "a", "b"), (1, 2, 0)), ((), (), None)])
def test_the_same_names_give_the_place_of_each(trained, wanted, order):
    assert class_order(trained, wanted, sides=SIDES, remedy="") == order


@pytest.mark.parametrize("trained,wanted,words", [
    (("a", "b"), ("a", "b", "c"), "2 in old.pth .a, b., 3 in new.json .a, b, c.; only in new.json"),
    (("a", "b"), ("a", "d"), "only in old.pth: b; only in new.json: d; class 1 is 'b'"),
    (("a", "a"), ("a", "b"), "only in new.json: b"), (("a", "b"), ("a", "a"), "only in old.pth: b"),
    (("a",), (), "only in old.pth: a")])
def test_other_names_are_listed_from_both_sides(trained, wanted, words):
    with pytest.raises(ResNeStError, match=words):
        class_order(trained, wanted, sides=SIDES, remedy="Do it.")


def test_a_message_is_short_however_many_classes_there_are():
    names = [f"class {i} of a set with long names " * 20 for i in range(5000)]
    with pytest.raises(ResNeStError, match="class 0 is") as caught:
        require_same_classes(names, names[::-1], sides=SIDES, remedy="Do it.")
    assert len(str(caught.value)) < 2000
    others = [name.replace("class", "kind") for name in names]
    with pytest.raises(ResNeStError, match="and 4992 more") as caught:
        class_order(names, others, sides=SIDES, remedy="Do it.")
    assert len(str(caught.value)) < 2000 and str(caught.value).endswith("Do it.")


def test_settings_are_compared_leaf_by_leaf():
    old = {"model": {"heads": [{"channels": 16}, {"channels": 8}], "size": (2, 3)}, "steps": 3}
    new = {"model": {"heads": [{"channels": 16}, {"channels": 9}], "size": [2, 3]}, "rate": 1}
    changes = changed_settings(old, new)
    assert changes == {"model.heads.1.channels": (8, 9), "steps": (3, None), "rate": (None, 1)}
    assert check_settings(changes, lambda key: False, remedy="").count(" -> ") == 3
    with pytest.raises(ResNeStError, match="model.heads.1.channels 8 -> 9. Do it."):
        check_settings(changes, lambda key: key.startswith("model."), remedy="Do it.")
