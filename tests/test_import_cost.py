"""What an import brings along: counted in modules, since seconds depend on the machine."""

import subprocess
import sys

import pytest

import resnest_dense

HEAVY = {"torchvision", "torch._dynamo", "torch._inductor", "sympy", "matplotlib", "triton", "cv2"}


def imported(code: str) -> set[str]:
    """The modules that ``code`` imports, in a process of its own."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def of_torch():
    return imported("import torch")


def test_all_public_names_cost_hardly_more_than_torch(of_torch):
    ours = imported("from resnest_dense import *\nfrom resnest_dense import weights")
    assert {"torch", "resnest_dense.nn.resnest"} <= ours
    added = {name for name in ours - of_torch if not name.startswith("resnest_dense")}
    heavy = added & HEAVY
    assert not heavy
    assert len(added) < 60, sorted(added)


@pytest.mark.parametrize("code", ["import resnest_dense", "import resnest_dense.cli",
                                  "from resnest_dense.configs import find_config"])
def test_what_answers_without_a_network_needs_no_torch(code):
    assert not {"torch", "numpy", "PIL"} & imported(code)


def test_help_needs_no_torch():
    code = "import sys\nfrom resnest_dense.cli import main\ntry:\n    main(['--help'])\n" \
           "except SystemExit:\n    print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "evaluate-published" in done.stdout and "torch" not in done.stdout.split()


def test_every_public_name_is_there_and_no_other():
    assert set(resnest_dense.__all__) <= set(dir(resnest_dense))
    for name in resnest_dense.__all__:
        assert getattr(resnest_dense, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'ResNext'"):
        resnest_dense.ResNext  # noqa: B018
