"""The drawings in docs/family.md are of today's networks."""

import pytest

from docs.family import DRAWINGS, FOLDER


@pytest.mark.parametrize("file", DRAWINGS)
def test_the_drawing_is_of_todays_networks(file):
    assert (FOLDER / file).read_text(encoding="utf-8") == DRAWINGS[file]()
