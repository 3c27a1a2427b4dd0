"""A process that waits does nothing; one that works, or whose child does, is not still."""

import subprocess
import sys
import time

import pytest

from resnest_dense.training.processes import stillness
from resnest_dense.training.processes.stillness import Stillness


@pytest.fixture
def still():
    """One that has been at a line of code for a while."""
    one = Stillness()
    assert one.seconds("here") == 0
    time.sleep(0.3)
    assert 0.3 <= one.seconds("here") < 2
    return one


def start_working(seconds):
    """A child that does, once it does."""
    child = subprocess.Popen([sys.executable, "-c", "import time\nprint(flush=True)\nwhile "
                              f"time.process_time() < {seconds}: pass"], stdout=subprocess.PIPE)
    child.stdout.readline()
    return child


def test_another_line_of_code_is_a_step_on(still):
    assert still.seconds("there") == 0


def test_a_child_works_for_it_also_after_it_has_ended(still):
    with start_working(60) as child:
        time.sleep(0.5)
        assert still.seconds("here") == 0
        child.kill()
    with start_working(0.5):
        pass
    assert still.seconds("here") == 0


def test_the_thread_that_asks_does_not_count(still):
    deadline = time.process_time() + 0.3
    while time.process_time() < deadline:
        pass
    assert still.seconds("here") >= 0.6


def test_a_system_that_does_not_tell(still, monkeypatch, tmp_path):
    monkeypatch.setattr(stillness, "Path", lambda *parts: tmp_path / "none")
    assert still.seconds("here") == 0
