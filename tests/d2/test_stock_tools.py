"""Stock scripts of detectron2 take our YAML files by ``python -m resnest_dense.d2``."""

import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from forks import call_in_fork

from resnest_dense.configs import find_config

TOOLS = Path(sysconfig.get_paths()["purelib"]).parents[2] / "detectron2_tools"
ROOT = Path(__file__).parents[2]
CONFIG = find_config("resnest14_faster_rcnn.yaml", "detectron2")
SCRIPT = """
import sys
from detectron2.config import get_cfg
from detectron2.engine import launch
from detectron2.utils import comm

def main(path):
    cfg = get_cfg()
    cfg.merge_from_file(path)
    print("radix", cfg.MODEL.RESNETS.RADIX, "of", comm.get_world_size(), flush=True)

if __name__ == "__main__":
    assert sys.argv[0] == __file__
    launch(main, int(sys.argv[2]), dist_url="auto", args=(sys.argv[1],))
"""


def run(*arguments):
    return subprocess.run([sys.executable, "-W", "ignore", "-m", "resnest_dense.d2",
                           *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_script_and_its_processes_know_the_keys(processes, tmp_path):
    script = tmp_path / "tool.py"
    script.write_text(SCRIPT)
    done = run(script, CONFIG, processes)
    assert done.stdout.count(f"radix 2 of {processes}") == processes, done.stderr


@pytest.mark.long
@pytest.mark.skipif(not TOOLS.is_dir(), reason="detectron2's tools are not there")
def test_a_stock_tool_builds_our_detector():
    done = run(TOOLS / "analyze_model.py", "--tasks", "parameter", "--config-file", CONFIG,
               "MODEL.DEVICE", "cpu")
    assert done.returncode == 0, done.stderr
    assert "backbone.bottom_up.res2" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [[], ["nowhere/train_net.py"]], ids=str)
def test_no_script_is_one_line(arguments, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["d2", *arguments])
    code, said = call_in_fork(lambda: runpy.run_module("resnest_dense.d2", run_name="__main__"))
    assert code == 1 and "SCRIPT" in said and "Traceback" not in said
