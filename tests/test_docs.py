"""What the pages say is there is there, and what they show works."""

import argparse
import re
import runpy
import shlex
from pathlib import Path

import pytest
from forks import run_forked

from resnest_dense import list_architectures
from resnest_dense.cli import main, make_parser
from resnest_dense.configs import FOLDERS, find_any_config, list_configs
from resnest_dense.weights import catalog

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What the README's commands need no data, weights or time for.
QUICK = ("resnest-dense analyze", "resnest-dense doctor", "resnest-dense weights show")
TARGETS = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def page_id(path):
    return str(path.relative_to(ROOT))


def commands(text):
    """The command lines in indented and fenced blocks, without comments."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = re.findall(r"^(?: {4})?((?:resnest-dense|python tools/|torchrun|make) .*)$", joined,
                       re.MULTILINE)
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def tool_parser(path):
    return runpy.run_path(str(ROOT / path))["make_parser"]()


def parse(words):
    """Parses a command line by what would run it; SystemExit where it would be refused."""
    if words[0] == "torchrun":
        words = ["python", *words[next(i for i, word in enumerate(words) if "tools/" in word):]]
    if words[0] == "make":
        assert set(words[1:]) <= set(TARGETS)
        return argparse.Namespace()
    if words[0] == "resnest-dense":
        return make_parser().parse_args(words[1:])
    return tool_parser(words[1]).parse_args(words[2:])


SHOWN = [pytest.param(line, id=f"{page_id(page)}: {line[:50]}") for page in PAGES
         for line in dict.fromkeys(commands(page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_that_is_shown_is_one(line):
    words = shlex.split(line.replace("[", "").replace("]", ""))
    if words[:2] == ["resnest-dense", "--help"]:
        return
    args = parse(words)
    for key in ("config", "config_file"):
        value = getattr(args, key, None)
        if value and value not in list_architectures() and value.startswith("resne"):
            find_any_config(value)
    if "weights" in words or "evaluate-published" in words:
        name = getattr(args, "name", None)
        assert name is None or catalog.get(name)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_names_of_files_and_configs_are_right(page):
    words = set(re.findall(r"`([^`\s]+)`", page.read_text(encoding="utf-8")))
    folders = ("resnest_dense/", "configs/", "tools/", "tests/", "docs/", "demo/", "benchmarks/")
    paths = {word for word in words if word.startswith(folders) and not set("*{…") & set(word)}
    assert not {path for path in paths if not (ROOT / path).exists()
                and path != "resnest_dense/configs"}
    shipped = {name for folder in FOLDERS for name in list_configs(folder)}
    configs = {word for word in words if re.fullmatch(r"resne(s)?t\w+\.(yaml|py)", word)}
    assert not {name for name in configs if name not in shipped}


def test_the_readme_is_short():
    written = README.partition("<!-- matrix -->")[0] + README.partition("<!-- /matrix -->")[2]
    assert written.count("\n") <= 150


def test_the_readme_s_python_runs():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    blocks[2] += """
import resnest_dense.mmseg
from mmengine.registry import MODELS
assert MODELS.build(model["backbone"])
"""
    failures = run_forked({block.splitlines()[0]: block for block in blocks}, preload=("torch",))
    assert failures == dict.fromkeys(failures, "")


@pytest.mark.parametrize("line", [x for x in commands(README) if x.startswith(QUICK)])
def test_the_readme_s_quick_commands_run(line, capsys):
    assert main(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out


def test_cited_sections_of_the_recipes_are_there():
    text = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    headings = {n.rstrip(".") for n in re.findall(r"^#+ ([\d.]+)", text, re.MULTILINE)}
    for folder in ("resnest_dense", "configs", "tests", "benchmarks"):
        for path in (p for kind in ("*.py", "*.yaml") for p in (ROOT / folder).rglob(kind)):
            for numbers in re.findall(r"recipes\.md ((?:\d(?:\.\d)?(?:, | and | to )?)+)",
                                      path.read_text(encoding="utf-8")):
                assert set(re.findall(r"\d(?:\.\d)?", numbers)) <= headings, path
