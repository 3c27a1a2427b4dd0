"""The command line: every command runs, and what the user can mend is one line."""

import argparse
import io
import logging
from pathlib import Path

import pytest

from resnest_dense import list_architectures
from resnest_dense.base import progress as progress_module
from resnest_dense.base.progress import progress
from resnest_dense.cli import main, run_tool


def test_architectures_lists_each_with_its_size(capsys):
    assert main(["architectures"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list_architectures()
    assert "25.43 M" in next(line for line in lines if line.startswith("resnest50 "))


def test_configs_lists_the_shipped_names(capsys):
    assert main(["configs", "detectron2"]) == 0
    assert "resnest50_faster_rcnn.yaml" in capsys.readouterr().out.split()
    assert main(["configs", "detectron2", "lazy/resnest50_mask_rcnn"]) == 0
    assert Path(capsys.readouterr().out.strip()).name == "resnest50_mask_rcnn.py"


def test_check_data_prints_a_table_and_tells_by_its_exit_code(capsys, shared_data):
    bccd = shared_data("bccd")
    annotations = str(bccd / "annotations/instances_val.json")
    assert main(["check-data", annotations, str(bccd / "val")]) == 0
    assert "1137 annotations" in capsys.readouterr().out
    assert main(["check-data", annotations, str(bccd / "train")]) == 1


def test_weights_convert_writes_the_other_layout(capsys, tmp_path):
    import torch

    from resnest_dense import create_backbone

    torch.save(create_backbone("resnest14").state_dict(), tmp_path / "ours.pth")
    out = tmp_path / "upstream.pth"
    assert main(["weights", "convert", str(tmp_path / "ours.pth"), "--to", "upstream", "--out",
                 str(out)]) == 0
    assert "layer1.0.bn1.weight" in torch.load(out)


def test_weights_show_names_address_and_input(capsys):
    assert main(["weights", "show", "resnest50"]) == 0
    output = capsys.readouterr().out
    assert "resnest50-528c19ca.pth" in output and "RGB, values 0 to 1" in output


def test_benchmark_prints_a_row_for_each_variant(capsys):
    arguments = ["--size", "32", "32", "--rounds", "1", "--parts", "eval", "--device", "cpu"]
    assert main(["benchmark", "resnest14_deeplabv3_ade20k", *arguments]) == 0
    assert "| plain | " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["-v", "weights", "show", "resnest51"],
                                       ["analyze", "resnest15", "-v"]])
def test_verbose_prints_where_an_error_comes_from(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "Traceback" in error and error.splitlines()[-1].startswith("resnest-dense: ")


def test_a_traceback_is_logged_into_files_and_not_on_a_console(tmp_path, monkeypatch):
    logger, console = logging.getLogger("resnest_dense"), io.StringIO()
    file = logging.FileHandler(tmp_path / "log.txt")
    monkeypatch.setattr(logger, "handlers", [file, logging.StreamHandler(console)])
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger.manager._clear_cache()
    assert main(["analyze", "resnest15"]) == 2
    file.close()
    logger.manager._clear_cache()
    logged = (tmp_path / "log.txt").read_text()
    assert "resnest15" in logged and "Traceback" in logged and not console.getvalue()


@pytest.mark.parametrize("words,code", [((), 130), (("SIGINT",), 130), (("SIGTERM",), 143)])
def test_an_interrupt_ends_with_the_code_of_a_shell(words, code):
    def run(args):
        raise KeyboardInterrupt(*words)

    assert run_tool(argparse.ArgumentParser(), run, []) == code


def test_progress_is_shown_on_a_terminal_and_hidden_by_quiet(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def run(args):
        for _ in progress(range(3), "images"):
            pass

    monkeypatch.setattr(progress_module, "_SECONDS", 0)
    for words, stream, shown in (([], Terminal(), True), (["-q"], Terminal(), False),
                                 (["--quiet"], Terminal(), False), ([], io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        assert run_tool(argparse.ArgumentParser(), run, words) == 0
        assert ("3/3" in stream.getvalue() and "images" in stream.getvalue()) == shown


def test_an_error_of_the_system_is_one_line(capsys):
    def run(args):
        raise PermissionError(13, "Permission denied", "/out")

    assert run_tool(argparse.ArgumentParser(prog="tool"), run, []) == 2
    assert capsys.readouterr().err == "tool: [Errno 13] Permission denied: '/out'\n"
