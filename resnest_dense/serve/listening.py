"""The service behind an address, until Ctrl-C."""

import socket

import uvicorn
from fastapi import FastAPI

from resnest_dense.errors import ResNeStValueError

__all__ = ["listen"]


def listen(app: FastAPI, host: str, port: int, name: str) -> None:
    """Answers at ``host:port`` (a free port for 0) until it is interrupted, after a line that says
    where ``name`` is served.

    Raises:
        ResNeStValueError: an address that is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ResNeStValueError(f"--host {host} --port {port} cannot be listened on: {error}. Try "
                                "another port; 0 takes a free one.") from error
    shown = f"[{host}]" if ":" in host else host
    print(f"{name} at http://{shown}:{listener.getsockname()[1]}/ until Ctrl-C", flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.run(sockets=[listener])
