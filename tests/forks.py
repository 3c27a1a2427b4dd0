"""Fresh interpreters without the price of importing torch in each: a parent that has it forks them.

Run as a program it reads {case: code} from stdin and writes {case: what went wrong or ""}.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import traceback

# Heavy, and without a part in what is tested.
_PRELOAD = ("torch", "torch._dynamo", "torchvision", "cv2", "mmengine.runner", "timm",
            "matplotlib.pyplot", "seaborn", "scipy.ndimage")


def run_forked(cases, *, preload=_PRELOAD, **options):
    """Runs each piece of code in a process of its own; returns what each said when it failed."""
    cases = {name: textwrap.dedent(code) for name, code in cases.items()}
    done = subprocess.run([sys.executable, "-W", "ignore", __file__, *preload], text=True,
                          input=json.dumps(cases), stdout=subprocess.PIPE, timeout=900, **options)
    return json.loads(done.stdout.splitlines()[-1])


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


def _run_case(code):
    status, said = call_in_fork(lambda: exec(code, {"__name__": "__case__"}))
    return said if status else ""


if __name__ == "__main__":
    for module in sys.argv[1:]:
        __import__(module)
    results = {name: _run_case(code) for name, code in json.load(sys.stdin).items()}
    print(json.dumps(results))
