"""What the pages say is there is there, and what they show works."""

import argparse
import re
import runpy
import shlex
from importlib.util import find_spec

import pytest
from doc_pages import PAGES, ROOT, page_id

from resnest_dense import list_architectures
from resnest_dense.cli import main, make_parser
from resnest_dense.configs import FOLDERS, find_any_config, list_configs
from resnest_dense.weights import catalog

README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
EXTRAS = re.findall(r'^        "(\w+)": ', (ROOT / "setup.py").read_text(), re.MULTILINE)
# What a line of shell begins with, in blocks that are fenced or indented.
PROGRAMS = "resnest-dense|python|torchrun|make|pip|curl|OMP_NUM_THREADS=1"


def commands(text):
    """The command lines in indented and fenced blocks, without comments."""
    joined = re.sub(r"\\\n\s*", "", text)
    lines = re.findall(rf"^(?: {{4}})?((?:{PROGRAMS}) .*)$", joined, re.MULTILINE)
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def tool_parser(path):
    return runpy.run_path(str(ROOT / path))["make_parser"]()


def parse(words):
    """Parses a command line by what would run it; SystemExit where it would be refused."""
    program, *rest = words
    if program == "torchrun":
        return parse(["python", *rest[next(i for i, word in enumerate(rest) if "tools/" in word):]])
    if program == "resnest-dense":
        return make_parser().parse_args(rest)
    if program == "python" and rest[0].startswith("tools/"):
        return tool_parser(rest[0]).parse_args(rest[1:])
    if program == "make":
        assert set(rest) <= set(TARGETS)
    elif program == "pip":
        named = re.findall(r"\.\[([\w,]+)\]", " ".join(rest))
        assert set(",".join(named).split(",")) <= {"", *EXTRAS}
    elif program == "python" and rest[0] == "-m":
        assert find_spec(rest[1])
    elif program == "python":  # a script of detectron2 or MMSegmentation with one of our configs
        assert "$(resnest-dense" in rest and not {*FOLDERS}.isdisjoint(rest)
    else:
        assert program in ("curl", "OMP_NUM_THREADS=1")
    return argparse.Namespace()


SHOWN = [pytest.param(line, id=f"{page_id(page)}: {line[:50]}") for page in PAGES
         for line in dict.fromkeys(commands(page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_that_is_shown_is_one(line):
    plain = line if line.startswith("pip") else re.sub(r" \[| ?\](?= |$)", " ", line)
    words = shlex.split(plain)
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


# Quick, and without need of more than the prepared folder has.
RUN = ("analyze resn", "architectures", "check-", "configs", "convert-data", "doctor",
       "score-labels", "weights list", "weights show")
QUICK = sorted({line for page in PAGES for line in commands(page.read_text(encoding="utf-8"))
                if line.removeprefix("resnest-dense ").startswith(RUN) and " [" not in line
                and "--from" not in line and "--panoptic" not in line})


@pytest.mark.parametrize("line", QUICK)
def test_quick_commands_run(line, prepared, monkeypatch, capsys):
    monkeypatch.chdir(prepared)
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
