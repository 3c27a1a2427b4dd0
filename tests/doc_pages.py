"""The pages of the documentation."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def page_id(page):
    return str(page.relative_to(ROOT))
