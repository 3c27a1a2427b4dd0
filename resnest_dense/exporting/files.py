"""Files of each format: written, opened again, and run by what their users have."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnest_dense.errors import ResNeStError
from resnest_dense.exporting.subject import Subject
from resnest_dense.runtime.contract import KEY, Contract
from resnest_dense.runtime.session import open_session

__all__ = ["Run", "open_file", "read_model", "save_model", "write_file"]

# Arrays by the names of the inputs -> arrays by the names of the outputs.
Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
_EXTRA = f"{KEY}.json"  # the contract's name inside of torch's files


def write_file(subject: Subject, format: str, path: Path) -> None:
    """Writes the file, and those that belong to it (OpenVINO's weights), into an existing folder.

    Raises:
        ResNeStError: a graph that the format cannot have, or a package that is not installed.
        OSError: it cannot be written.
    """
    _WRITERS[format](subject, path)


def open_file(subject: Subject, format: str, path: Path) -> Run:
    """The written file, read again by its own runtime."""
    if format in ("onnx", "openvino"):
        return open_session(path).run
    load = torch.jit.load if format == "torchscript" else _load_exported
    graph = load(str(path))

    def run(arrays: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        with torch.no_grad():
            found = graph(*(torch.from_numpy(arrays[name]) for name in subject.inputs))
        return {name: value.numpy() for name, value in zip(subject.outputs, found)}

    return run


def read_model(path: Path) -> Any:
    """A written ONNX or OpenVINO file as a model of its library."""
    # Both packages are those of an extra.
    if path.suffix == ".onnx":
        import onnx

        return onnx.load(path)
    import openvino

    return openvino.Core().read_model(path)


def save_model(model: Any, contract: Contract, path: Path) -> None:
    """Writes a model of ONNX or OpenVINO with its contract in it.

    Raises:
        OSError: it cannot be written.
    """
    if path.suffix == ".onnx":
        import onnx

        onnx.helper.set_model_props(model, {KEY: contract.to_json()})
        path.write_bytes(model.SerializeToString())
        return
    import openvino

    model.set_rt_info(contract.to_json(), KEY)
    try:
        openvino.save_model(model, path, compress_to_fp16=contract.precision == "float16")
    except RuntimeError as error:
        raise OSError(f"OpenVINO cannot write it: {error}") from error


def _write_onnx(subject: Subject, path: Path) -> None:
    from resnest_dense.exporting.onnx_graph import make_onnx

    save_model(make_onnx(subject), subject.contract, path)


def _write_openvino(subject: Subject, path: Path) -> None:
    import openvino

    through = path.with_suffix(".onnx")
    _write_onnx(subject, through)
    model = openvino.convert_model(through)
    through.unlink()
    save_model(model, subject.contract, path)


def _write_torchscript(subject: Subject, path: Path) -> None:
    buffer = io.BytesIO()  # torch says nothing of a disk that is full
    with torch.no_grad():
        traced = torch.jit.trace(subject.graph, subject.example(), check_trace=False)
    torch.jit.save(traced, buffer, _extra_files={_EXTRA: subject.contract.to_json()})
    path.write_bytes(buffer.getvalue())


def _write_exported(subject: Subject, path: Path) -> None:
    buffer, dynamic = io.BytesIO(), torch.export.Dim.DYNAMIC
    try:
        exported = torch.export.export(subject.graph, subject.example(),
                                       dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},))
    except Exception as error:  # of a dozen kinds, whatever in the graph it cannot follow
        raise ResNeStError(f"torch.export cannot follow this {subject.family}: {error}. Use onnx "
                           "or torchscript.") from error
    torch.export.save(exported, buffer, extra_files={_EXTRA: subject.contract.to_json()})
    path.write_bytes(buffer.getvalue())


def _load_exported(path: str) -> Callable[..., tuple[Tensor, ...]]:
    return torch.export.load(path).module()


_WRITERS = {"onnx": _write_onnx, "openvino": _write_openvino, "torchscript": _write_torchscript,
            "torch-export": _write_exported}
