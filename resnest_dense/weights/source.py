"""Weights by what a user calls them (a catalog name, a path, an address, a state dict), with what
is known of them: from the catalog, or kept beside the file."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from resnest_dense.errors import ResNeStError, listed, near
from resnest_dense.weights import catalog
from resnest_dense.weights.contract import InputContract
from resnest_dense.weights.download import fetch
from resnest_dense.weights.files import only_tensors, read_checkpoint, split_part

__all__ = ["Metadata", "Source", "Weights", "locate", "note_alternatives", "open_weights",
           "read_metadata", "write_metadata"]

Source = str | os.PathLike | Mapping[str, Tensor]


@dataclass(frozen=True)
class Metadata:
    """What tensors do not tell."""

    architectures: tuple[str, ...] = ()  # that the weights may be of; empty where nothing is known
    contract: InputContract | None = None  # the input that they were trained on
    dilated_form: str | None = None  # of their dilated stages, where they have some


@dataclass(frozen=True)
class Weights:
    """A state dict and what is known of it."""

    name: str  # what messages call it
    state: Mapping[str, Tensor]  # by name, in any layout
    metadata: Metadata = Metadata()
    # What else the file holds (the state of an optimizer, a log), by name.
    others: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # for the report of loading them


def open_weights(source: Source) -> Weights:
    """The weights called ``source``: a file, a name in the catalog, an address, or a state dict.
    Behind ``#`` it may name which of several state dicts of a file: ``checkpoint.pth#model_ema``.

    Raises:
        ResNeStError: none of these, or as :func:`resnest_dense.weights.fetch` and
            :func:`resnest_dense.weights.files.read_checkpoint`.
    """
    if isinstance(source, Mapping):
        return Weights("the state dict", only_tensors(source))
    name, part = split_part(os.fspath(source))
    path = locate(name)
    found = read_checkpoint(path, part)
    notes = () if part else note_alternatives(path.name, found.alternatives)
    called = f"{path.name}#{part}" if part else path.name
    return Weights(called, found.state, read_metadata(path), found.others, notes)


def note_alternatives(name: str, alternatives: Sequence[str]) -> tuple[str, ...]:
    """What to say of weights that a file holds beside the usual ones."""
    return (f"the file also holds {listed(alternatives)}, which {name}#{alternatives[0]} loads",
            ) if alternatives else ()


def locate(source: str) -> Path:
    """The file called ``source``: a path, a name in the catalog or an address, fetched if need be.

    Raises:
        ResNeStError: none of these, or as :func:`resnest_dense.weights.fetch`.
    """
    if Path(source).is_file():
        return Path(source)
    if source in catalog.names() or "://" in source:
        return fetch(source)
    raise ResNeStError(f"{source!r} is neither a file, nor an address, nor a name in the catalog. "
                       f"{near(source, catalog.names())}")


def read_metadata(path: Path) -> Metadata:
    """What the file beside ``path`` says, or else the catalog for the name of ``path``.

    Raises:
        ResNeStError: the file beside it cannot be understood.
    """
    path = Path(split_part(str(path))[0])
    beside = path.with_name(path.name + ".json")
    if beside.is_file():
        try:
            content = json.loads(beside.read_text(encoding="utf-8"))
            contract = content["contract"]
            return Metadata(tuple(content["architectures"]), contract and InputContract(**contract),
                            content["dilated_form"])
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise ResNeStError(f"{beside} does not say what {path.name} is: {error!r}. Delete it, "
                               "or convert the weights again.") from error
    entry = catalog.find(path.name)
    if entry is None:
        return Metadata()
    return Metadata((entry.architecture,), entry.contract, entry.options.get("dilated_form"))


def write_metadata(path: Path, metadata: Metadata, *, about: Mapping[str, Any]) -> None:
    """Keep ``metadata``, and what else there is to say ``about`` the file, beside ``path``."""
    text = json.dumps({**about, **asdict(metadata)}, indent=2) + "\n"
    path.with_name(path.name + ".json").write_text(text, encoding="utf-8")
