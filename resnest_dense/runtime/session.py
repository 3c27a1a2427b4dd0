"""An exported file, opened with the runtime that its suffix names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from resnest_dense.errors import ResNeStError, ResNeStValueError
from resnest_dense.runtime.contract import KEY, Contract

__all__ = ["SUFFIXES", "Session", "open_session"]

_Arrays = Mapping[str, np.ndarray]
_Run = Callable[[_Arrays], _Arrays]
_Start = Callable[[Contract], _Run]


@dataclass(frozen=True)
class Session:
    """A graph that is ready to run.

    Args:
        contract: what its file says of it.
        run: arrays by the names of the inputs -> arrays by the names of the outputs; one thread
            at a time.
    """

    contract: Contract
    run: _Run


def open_session(path: str | Path, device: str | None = None) -> Session:
    """Opens an ONNX file (``.onnx``) or an OpenVINO one (``.xml``, its ``.bin`` beside it).

    Args:
        path: of the file.
        device: "cpu" (also when None), or another one that the runtime knows: "cuda", "gpu".

    Raises:
        ResNeStError: no such file, one that the runtime cannot read or that resnest_dense has not
            exported, a device that is not there, or a runtime that is not installed.
    """
    path = Path(path)
    if path.suffix not in _OPENERS:
        raise ResNeStValueError(f"{path}: an exported model ends in {' or '.join(_OPENERS)}.")
    if not path.is_file():
        raise ResNeStValueError(f"No exported model {path}.")
    name, opener = _OPENERS[path.suffix]
    try:
        library = import_module(name)
    except ImportError as error:
        raise ResNeStError(f"{path} needs {name}: pip install 'resnest_dense[runtime]' "
                           f"({error}).") from error
    try:
        embedded, start = opener(library, path, (device or "cpu").lower())
        contract = _read_contract(path, embedded)
        return Session(contract, start(contract))
    except ResNeStError:
        raise
    except Exception as error:  # Each runtime has errors of its own, derived from nothing else.
        reason = [repr(error), *str(error).strip().splitlines()][-1]
        raise ResNeStValueError(f"{path} is no model that {name} can run: {reason}") from error


def _read_contract(path: Path, embedded: str | None) -> Contract:
    beside = path.with_name(f"{path.name}.json")
    if embedded is None and not beside.is_file():
        raise ResNeStValueError(f"{path} was not exported by resnest_dense: it does not say what "
                                f"it expects, and there is no {beside.name} beside it.")
    text = beside.read_text(encoding="utf-8") if embedded is None else embedded
    try:
        return Contract.from_json(text)
    except ResNeStValueError as error:
        raise ResNeStValueError(f"{path if embedded else beside}: {error}") from error


def _open_onnx(library: Any, path: Path, device: str) -> tuple[str | None, _Start]:
    provider = f"{device.upper()}ExecutionProvider"
    if provider not in library.get_available_providers():
        raise ResNeStValueError(f"device={device!r}: this onnxruntime has "
                                f"{', '.join(library.get_available_providers())}.")
    session = library.InferenceSession(str(path), providers=[provider])
    names = [one.name for one in session.get_outputs()]

    def run(arrays: _Arrays) -> _Arrays:
        return dict(zip(names, session.run(names, dict(arrays))))

    return session.get_modelmeta().custom_metadata_map.get(KEY), lambda contract: run


def _open_openvino(library: Any, path: Path, device: str) -> tuple[str | None, _Start]:
    core = library.Core()
    if device.upper() not in {name.split(".")[0] for name in core.available_devices}:
        raise ResNeStValueError(f"device={device!r}: this OpenVINO has "
                                f"{', '.join(core.available_devices)}.")
    model = core.read_model(path)

    def start(contract: Contract) -> _Run:
        # Where a CPU has bfloat16, OpenVINO would take it for all that is not int8, boxes too.
        compiled = core.compile_model(model, device.upper(), {"INFERENCE_PRECISION_HINT": "f32"})

        # A compiled model may call its outputs otherwise, and has them in the same order.
        names = [output.get_any_name() for output in model.outputs]

        def run(arrays: _Arrays) -> _Arrays:
            return dict(zip(names, compiled(dict(arrays)).values()))

        return run

    return model.get_rt_info(KEY).astype(str) if model.has_rt_info(KEY) else None, start


_OPENERS = {".onnx": ("onnxruntime", _open_onnx), ".xml": ("openvino", _open_openvino)}
SUFFIXES = tuple(_OPENERS)
