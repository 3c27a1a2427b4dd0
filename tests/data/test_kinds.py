"""The tables of what checks can find, against the code that names their rows."""

import ast
from pathlib import Path

import pytest

import resnest_dense
from resnest_dense.data.coco.report import KINDS
from resnest_dense.data.convert.record import ConversionReport
from resnest_dense.data.labels.check import LabelReport
from resnest_dense.data.panoptic.check import PANOPTIC_KINDS

PACKAGE = Path(resnest_dense.__file__).parent
TABLES = {"coco": KINDS, "labels": LabelReport.kinds, "panoptic": {**KINDS, **PANOPTIC_KINDS},
          "convert": ConversionReport.kinds}
ADDING = {"add", "add_where", "add_repeats"}


def texts_of(node):
    return {part.value for part in ast.walk(node)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def trees(folder):
    return [ast.parse(path.read_text()) for path in (PACKAGE / folder).rglob("*.py")]


@pytest.mark.parametrize("room", TABLES)
def test_code_names_only_kinds_of_the_table(room):
    calls = [node for tree in trees(f"data/{room}") for node in ast.walk(tree)
             if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ADDING]
    named = set().union(*(texts_of(call.args[0]) for call in calls if call.args))
    assert named and named <= set(TABLES[room])


@pytest.mark.parametrize("room", TABLES)
def test_every_kind_of_the_table_is_named_in_code(room):
    texts = set().union(*map(texts_of, [*trees("data"), *trees("commands")]))
    assert set(TABLES[room]) <= texts


@pytest.mark.parametrize("room", TABLES)
def test_every_kind_has_a_severity_that_reports_show(room):
    for kind in TABLES[room].values():
        assert kind.severity in {"error", "evaluation", "dropped", "note"}
        assert kind.meaning and kind.remedy


def test_panoptic_kinds_replace_none_of_coco():
    assert not set(KINDS) & set(PANOPTIC_KINDS)
