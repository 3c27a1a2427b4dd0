"""What the tests of bad input share: tools in this process, and what the one line must be."""

import importlib.util
from pathlib import Path

from resnest_dense.cli import main, run_tool

TOOLS = Path(__file__).parents[1] / "tools"


def load_tool(name):
    """A tool of ``tools/`` as a function of its words, which gives the exit code."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda *words: run_tool(module.make_parser(), module.run, [*map(str, words)])


def assert_one_line(code, capsys, words):
    """The user can mend it: one last line, under 2 kB, with ``words`` in it, and no traceback."""
    error = capsys.readouterr().err.strip()
    last = error.splitlines()[-1]
    assert code == 2 and "Traceback" not in error, error
    assert not [word for word in words if word not in last], last
    assert len(last.encode()) < 2000


def config_commands(weights, image):
    """The commands that take a config of either framework, by name."""
    def command(name, *rest):
        return lambda config: main([name, str(config), *map(str, rest)])

    return {"predict": command("predict", weights, image),
            "attention": command("attention", weights, image),
            "analyze": command("analyze"), "show-data": command("show-data"),
            "benchmark": command("benchmark", "--size", "32", "32", "--rounds", "1", "--parts",
                                 "eval", "--device", "cpu")}


def write(path, content):
    """A file of text, or of bytes."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
