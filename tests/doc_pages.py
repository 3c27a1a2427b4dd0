"""The pages, and what stands in their blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
# The one way to say that a block is not run: this line before it names the test that covers it.
_BLOCK = re.compile(r"(?:<!-- not run: (\S+) -->\n\n?)?```python\n(.*?)```", re.DOTALL)


def page_id(page):
    return str(page.relative_to(ROOT))


def python_blocks(page):
    """The Python blocks of a page, each with the test that covers it where it is not run."""
    return [(code, test) for test, code in _BLOCK.findall(page.read_text(encoding="utf-8"))]
