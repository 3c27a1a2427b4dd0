"""docs/patches.md against the tables of patches that it is made of."""

from docs.patches import PAGE, render


def test_the_page_of_patches_is_of_today():
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m docs.patches"
