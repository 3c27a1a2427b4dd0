"""``resnest-dense serve`` in a process of its own, as a user starts it."""

import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from io import BytesIO

import httpx
import numpy as np
import uvicorn
from PIL import Image

from resnest_dense.runtime import Runner
from resnest_dense.serve.app import make_app
from resnest_dense.serve.uploads import Limits


@contextmanager
def served(model, *options):
    """The address of the page on a model."""
    command = [sys.executable, "-W", "ignore", "-m", "resnest_dense", "serve", str(model), "--port",
               "0", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    try:
        assert "until Ctrl-C" in line, line + process.stderr.read()
        yield re.search(r"http://\S+/", line)[0]
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def served_here(model, **limits):
    """The same in a thread, which starts at once."""
    app = make_app(Runner(model, threshold=None), Limits(**limits))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(20)


def encode(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    """An image in a file's bytes."""
    file = BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


CLIENT = httpx.Client(timeout=60)  # making one takes longer than an answer


def ask(url: str, content: bytes, name: str = "a.png", field: str = "image") -> httpx.Response:
    return CLIENT.post(f"{url}predict", files={field: (name, content)})
