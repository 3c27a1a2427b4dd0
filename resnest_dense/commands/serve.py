"""The command that puts an exported model behind a page."""

import argparse
from dataclasses import fields

__all__ = ["add_commands"]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds ``serve``."""
    command = commands.add_parser("serve", help="a page and a JSON service on an exported model")
    command.add_argument("model", help="an exported model (.onnx, .xml)")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: "
                         "%(default)s, this machine alone)")
    command.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    command.add_argument("--device", help="such as cpu or cuda (default: cpu)")
    command.add_argument("--megabytes", type=float, default=32, help="most of an upload")
    command.add_argument("--megapixels", type=float, default=50, help="most of an image")
    command.add_argument("--waiting", type=int, default=32, help="most requests at once")
    command.add_argument("--batch", type=int, default=4,
                         help="most images that go through the model together")
    command.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> None:
    from resnest_dense.runtime.runner import Runner
    from resnest_dense.serve.app import make_app
    from resnest_dense.serve.listening import listen
    from resnest_dense.serve.uploads import Limits

    limits = Limits(**{one.name: getattr(args, one.name) for one in fields(Limits)})
    runner = Runner(args.model, device=args.device, threshold=None)
    listen(make_app(runner, limits), args.host, args.port, args.model)
