"""docs/troubleshooting.md against the code: each message on the page is one that it can say."""

import ast
import re

import pytest
from doc_pages import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^> `(.*)`$", PAGE, re.MULTILINE)


def pieces(message):
    """What stands fast in it."""
    return [piece for piece in re.split("…+", " ".join(message.split())) if piece.strip(" .:,()'=")]


@pytest.fixture(scope="module")
def said():
    """Every text of the package, its variable parts as an ellipsis."""
    texts = set()
    for path in (ROOT / "resnest_dense").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.add("".join(part.value if isinstance(part, ast.Constant) else "…"
                                  for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return [" ".join(text.split()) for text in texts]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message[:40])
def test_a_message_on_the_page_is_one_of_the_code(message, said):
    wanted = pieces(message)
    assert wanted
    assert any(pieces(text) == wanted for text in said), "no text of the package is this message"


def test_each_message_is_explained():
    assert len(MESSAGES) >= 30 and len(set(MESSAGES)) == len(MESSAGES)
    paragraphs = re.split(r"\n\n+", PAGE)
    for message, explanation in zip(paragraphs, paragraphs[1:]):
        assert not (message.startswith("> `") and explanation.startswith((">", "#"))), message
