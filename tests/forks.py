"""Fresh interpreters without the price of importing torch in each: a parent that has it forks them.

Run as a program it is that parent: it reads orders, one a line, and answers each in a line.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import traceback

# Heavy, and without a part in what is tested.
_PRELOAD = ("torch", "torch._dynamo", "torchvision", "cv2", "mmengine.runner", "timm",
            "matplotlib.pyplot", "seaborn", "scipy.ndimage")
_SECONDS = 900


def run_forked(cases, *, preload=(), cwd=".", env=None):
    """Runs each piece of code in a process of its own, one after another, with more modules than
    torch and its like imported before; returns what each said when it failed."""
    cases = {name: textwrap.dedent(code) for name, code in cases.items()}
    parent = _parent()
    print(json.dumps([cases, preload, str(cwd), dict(env or os.environ)]), file=parent.stdin,
          flush=True)
    status, said = json.loads(parent.stdout.readline())
    assert status == 0, said
    return json.loads(said.splitlines()[-1])


def as_command(script, *words):
    """The code that runs a script with these arguments, as the command line does."""
    argv = [str(word) for word in (script, *words)]
    return f"import runpy, sys\nsys.argv = {argv}\nrunpy.run_path(sys.argv[0], run_name='__main__')"


@functools.cache
def _parent():
    """One for all tests of this process, and ended by the end of it."""
    return subprocess.Popen([sys.executable, "-W", "ignore", __file__], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def call_in_fork(function):
    """Exit code and output of a call in a process of its own, which has all that is imported."""
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for stream in (1, 2):
                    os.dup2(said.fileno(), stream)
                sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False)
                                          for stream in (1, 2))
                function()
                status = 0
            except SystemExit as end:
                if isinstance(end.code, str):
                    print(end.code)
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(status)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        return code, said.read()


def _carry_out(cases, preload, cwd, env):
    signal.alarm(_SECONDS)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[1:1] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    for module in preload:
        __import__(module)
    results = {name: _run_case(code) for name, code in cases.items()}
    print(json.dumps(results))


def _run_case(code):
    status, said = call_in_fork(lambda: exec(code, {"__name__": "__case__"}))
    return said if status else ""


if __name__ == "__main__":
    for module in _PRELOAD:
        __import__(module)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(call_in_fork(lambda order=order: _carry_out(*order))), flush=True)
