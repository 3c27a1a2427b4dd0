"""Weight files read without running what they hold, and written safely."""

import contextlib
import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from resnest_dense.base.files import beside
from resnest_dense.base.seal import is_as_sealed
from resnest_dense.errors import ResNeStError, ResNeStValueError, clipped, listed, near
from resnest_dense.weights.pickles import read_arrays

try:
    import safetensors
    from safetensors.torch import load_file, save_file
except ImportError:
    safetensors = None  # type: ignore[assignment]

__all__ = ["Checkpoint", "choose_part", "find_alternatives", "only_tensors", "read",
           "read_checkpoint", "require_whole", "split_part", "write"]

# Names under which training code keeps the weights in a checkpoint, in order of preference.
_WRAPPERS = ("state_dict", "model", "model_state_dict", "model_state", "module")
_CHUNK = 1 << 22  # bytes
# How files of torch.save start, in its present form and in the one before torch 1.6.
_ZIP = b"PK\x03\x04"
_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # behind a pickle's first two bytes


class _Inert:
    """Stands for an object that is not needed: it keeps nothing and runs nothing."""

    def __new__(cls, *args: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


# What the logs in a checkpoint of mmengine are made of; numpy 2 renamed one of its modules.
_NUMPY_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_DTYPES = ("Bool", "UInt8", "Int32", "Int64", "Float16", "Float32", "Float64")
_REPLACED = [
    "mmengine.logging.history_buffer.HistoryBuffer", "builtins.getattr", "_codecs.encode",
    "numpy.ndarray", "numpy.dtype", *(f"numpy.dtypes.{name}DType" for name in _DTYPES),
    *(f"{core}.{name}" for core in _NUMPY_CORES for name in ("_reconstruct", "scalar")),
]


def read(path: str | os.PathLike) -> dict[str, Tensor]:
    """The state dict alone of :func:`read_checkpoint`."""
    return read_checkpoint(path).state


class Checkpoint(NamedTuple):
    """What a file of weights holds."""

    state: dict[str, Tensor]
    others: Mapping[str, Any] = MappingProxyType({})  # what is beside the state dict, by name
    alternatives: tuple[str, ...] = ()  # those of them that are such weights too, as averages are


def split_part(source: str) -> tuple[str, str]:
    """A path, name or address, and the name behind its ``#``: which of several state dicts in the
    file is meant, as in ``checkpoint.pth#model_ema``; "" for the usual one."""
    name, _, part = source.rpartition("#")
    return (name, part) if name and not Path(source).is_file() else (source, "")


def read_checkpoint(path: str | os.PathLike, part: str = "") -> Checkpoint:
    """The state dict in a ``.pth``, ``.safetensors`` or ``.pkl`` file, and the names beside it.

    A checkpoint of training has the state dict under a name and, for one, an optimizer's state
    under another; otherwise nothing is beside it. No code that the file holds is run. The file is
    mapped into memory where its form allows: a tensor takes memory when it is used, and the file
    must stay as it is until then.

    Args:
        path: of the file.
        part: name of the state dict in it; "" for the one that training goes on with.

    Raises:
        ResNeStError: not a file of weights, a damaged one, one that would run code, or one without
            that part; the message says which, and the remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise ResNeStError(f"There is no file {path}.")
    with open(path, "rb") as file:
        head = file.read(64)
    if head[8:9] == b"{":
        return _tensors(_read_safetensors(path), path, part)
    if head.startswith(_ZIP):
        _check_archive(path)
        return _tensors(_read_pickle(path, mmap=True), path, part)
    if head[2:].startswith(_LEGACY):
        return _tensors(_read_pickle(path, mmap=False), path, part)
    if head.startswith(b"\x80"):
        with _explained(path, "pickle.load(open({}, 'rb'))"):
            return _tensors(read_arrays(path), path, part)
    raise ResNeStError(f"{path} is not a file of weights: it starts with {head[:24]!r}. A failed "
                       "download leaves such a file (an error page, a Git LFS pointer): fetch it "
                       "again.")


def write(state: Mapping[str, Tensor], path: str | os.PathLike) -> None:
    """Write ``state`` to ``path``, as its ending says and whole or not at all.

    Args:
        state: tensors by name.
        path: a name that ends in ``.pth`` or ``.safetensors``.

    Raises:
        ResNeStValueError: another ending.
    """
    path = Path(path)
    with beside(path) as part:
        if path.suffix == ".pth":
            torch.save(dict(state), part)
        elif path.suffix == ".safetensors":
            _need_safetensors(path)
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, part)
        else:
            raise ResNeStValueError(f"{path}: name the file .pth or .safetensors.")


def _need_safetensors(path: Path) -> None:
    if safetensors is None:
        raise ResNeStError(f"{path} needs the package safetensors: pip install safetensors.")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    _need_safetensors(path)
    try:
        return load_file(path)
    except Exception as error:  # its own, and those of the types that a header may name
        raise _damaged(path, error) from error


def _read_pickle(path: Path, *, mmap: bool) -> Any:
    with _explained(path, "torch.load({}, weights_only=False)"), _only_replacements():
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


@contextlib.contextmanager
def _explained(path: Path, opening: str) -> Iterator[None]:
    """What goes wrong inside is a :class:`ResNeStError`; ``opening`` is the expression by which
    whoever trusts the file can open it."""
    try:
        yield
    except pickle.UnpicklingError as error:
        names = re.findall(r"GLOBAL ([\w.]+)", str(error))
        if not names:
            raise _damaged(path, error) from error
        raise ResNeStError(
            f"{path} holds Python objects ({names[0]}) and opening it would run code, so it was "
            "not opened. " + _recipe(path, opening)) from error
    except ResNeStError:
        raise
    except Exception as error:  # of any type, as the file says what is called
        raise _damaged(path, error) from error


@contextlib.contextmanager
def _only_replacements() -> Iterator[None]:
    """Whatever the process has allowed to be unpickled, here only stand-ins are."""
    # Before 2.6 torch cannot replace objects by name: there such a checkpoint is refused.
    if torch.__version__ < "2.6":
        yield
        return
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals([_Inert, *((_Inert, name) for name in _REPLACED)])
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)


def _recipe(path: Path, opening: str) -> str:
    # A whole model, a dict with one in it, or tensors by name under one of the usual names.
    whole = "state = state.state_dict() if hasattr(state, 'state_dict') else state; "
    return (f"If you trust whoever made it, turn it into plain weights once, in Python: import "
            f"pickle, torch; state = {opening.format(repr(str(path)))}; {whole}"
            f"state = state.get('state_dict', state.get('model', state)); {whole}"
            "torch.save({name: torch.as_tensor(value) for name, value in state.items()}, "
            f"{str(path.with_suffix('.plain.pth'))!r})")


def _check_archive(path: Path) -> None:
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # zipfile's own, and of names and sizes in its tables
        raise _damaged(path, error) from error
    # torch never compresses, so what is unpacked cannot be more than the file.
    unpacked = sum(member.file_size for member in members)
    if unpacked > size:
        raise ResNeStError(f"{path} has {size} bytes and unpacks to {unpacked}: torch.save does "
                           "not compress, so this is no file of weights but an archive of "
                           "something else, or a trap (a zip bomb).")
    require_whole(path)
    names = [member.filename for member in members]
    if any(name.endswith("/constants.pkl") for name in names):
        raise ResNeStError(f"{path} is a TorchScript program: give the weights that it was made "
                           "from, or save torch.jit.load(path).state_dict() and give that.")
    if not any(name.endswith("data.pkl") for name in names):
        raise ResNeStError(f"{path} is an archive of {listed(names, most=3)}: unpack it and give "
                           "the file inside.")


def require_whole(path: Path) -> None:
    """Compares what a file of torch holds, if it is an archive, with the digest that it was sealed
    with, or else with the checksums of its members, which torch does not look at.

    Raises:
        ResNeStError: it is another.
    """
    sealed = is_as_sealed(path)
    if sealed is False:
        raise _damaged(path, ValueError("its digest is not that which it was written with"))
    if sealed:
        return
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.CRC:  # torch can be told to write 0 (set_crc32_options)
                    with archive.open(member) as content:
                        while content.read(_CHUNK):
                            pass  # the last one raises
    except Exception as error:  # zipfile's own, and of what its tables say
        raise _damaged(path, error) from error


def choose_part(top: Mapping, part: str, path: str | os.PathLike) -> Any:
    """What a checkpoint has under the name ``part``, without the word that wrappers of parallel
    training and averaging put before each name.

    Raises:
        ResNeStError: no such part.
    """
    if not isinstance(top, Mapping) or part not in top:
        names = map(str, top) if isinstance(top, Mapping) else ()
        raise ResNeStError(f"{path} has no part {part!r}. {near(part, names)}")
    state = top[part]
    return ({str(name).removeprefix("module."): value for name, value in state.items()}
            if isinstance(state, Mapping) else state)


def find_alternatives(top: Mapping, state: Mapping) -> tuple[str, ...]:
    """Under which names a checkpoint has weights beside ``state``, and about as many of them."""
    sizes = {name: len(only_tensors(value)) for name, value in top.items()
             if value is not state and isinstance(value, Mapping)}
    least = len(only_tensors(state)) / 2
    return tuple(str(name) for name, size in sizes.items() if size and size >= least)


def only_tensors(state: Mapping) -> dict[str, Tensor]:
    """The entries of a state dict that are weights: tensors by name."""
    return {name: value for name, value in state.items()
            if isinstance(name, str) and isinstance(value, Tensor)}


def _tensors(state: Any, path: Path, part: str = "") -> Checkpoint:
    """The tensors of a checkpoint, by name, and what is beside them."""
    if part:
        state = choose_part(state, part, path)
    top: Any = state
    others: dict[str, Any] = {}
    for wrapper in _WRAPPERS:
        if isinstance(top, Mapping) and isinstance(top.get(wrapper), Mapping):
            state = top[wrapper]
            others = {name: value for name, value in top.items() if name != wrapper}
            break
    tensors = only_tensors(state) if isinstance(state, Mapping) else {}
    if not tensors:
        found = listed(top, most=5) if isinstance(top, Mapping) else "no names"
        raise ResNeStError(f"{path} holds no weights: tensors by name are expected, at the top or "
                           f"under one of {', '.join(_WRAPPERS)}; it holds a {type(top).__name__} "
                           f"with {found or 'nothing'}.")
    return Checkpoint(tensors, others, find_alternatives(top, state) if others else ())


def _damaged(path: Path, error: Exception) -> ResNeStError:
    reason = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    return ResNeStError(f"{path} is damaged or cut off ({path.stat().st_size} bytes; "
                        f"{clipped((reason or type(error).__name__).splitlines()[0], 300)}): "
                        "fetch it again.")
