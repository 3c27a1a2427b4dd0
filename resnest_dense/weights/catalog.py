"""The published ResNeSt files: where each is, what it holds and how it is recognised.

They are in ``catalog.json``. ``RESNEST_DENSE_CATALOG`` names another file of that form, for weights
of one's own or mirrors; its entries go before those of the same name.
"""

import functools
import json
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from resnest_dense.errors import ResNeStError, ResNeStValueError, near
from resnest_dense.nn import Deformable
from resnest_dense.weights.contract import InputContract

__all__ = ["Entry", "find", "get", "names"]

_SHORTEST_HASH = 8
# Where published files are, and with RESNEST_DENSE_CATALOG a user's own, which go before them.
_PUBLISHED = Path(__file__).with_name("catalog.json")
_VARIABLE = "RESNEST_DENSE_CATALOG"


@dataclass(frozen=True)
class Entry:
    """One published file (docs/recipes.md 1.3, 2.3, 4.5, 4.7 and 5).

    Args:
        name: what :func:`get` knows it by.
        title: whose file it is.
        file: its name on disk.
        addresses: where it is, in order of preference.
        layout: how its weights are named, see :func:`resnest_dense.weights.layouts.get_layout`.
        architecture: the network that it holds; "resnet50" and "resnet101" for baselines.
        contract: the input that it was trained on.
        dataset: what it was trained on.
        hash: its digest, or the start of it; None where none was published.
        hash_kind: "sha256", "sha1", or "unstated" where its publisher does not say.
        metrics: published results, in percent; ``crop`` is the side of the test crop in pixels.
        options: the arguments of :func:`resnest_dense.create_backbone` that it was trained with.
        config: the shipped config that a whole detector or segmentor belongs to; None for a
            backbone, and where no config here builds its heads.
        recipe: how it was trained, where ``title`` does not tell; weights of one recipe are alike.
        licence: where its publisher states one.
        dead: whether none of the addresses answered when last reported.
        superseded_by: the name of the file that replaced it.
        note: what else to know.
    """

    name: str
    title: str
    file: str
    addresses: tuple[str, ...]
    layout: str
    architecture: str
    contract: InputContract
    dataset: str
    hash: str | None = None
    hash_kind: str = "unstated"
    metrics: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    config: str | None = None
    recipe: str | None = None
    licence: str | None = None
    dead: bool = False
    superseded_by: str | None = None
    note: str | None = None


def names() -> list[str]:
    """The names of all entries."""
    return list(_catalog())


def get(name: str) -> Entry:
    """The entry called ``name``.

    Raises:
        ResNeStValueError: an unknown name; the message lists the nearest ones.
    """
    if name not in _catalog():
        raise ResNeStValueError(f"Unknown weights {name!r}. {near(name, _catalog())}")
    return _catalog()[name]


def find(text: str) -> Entry | None:
    """The entry of a file that a user already has, or None.

    Args:
        text: the file's name, one of its addresses, or its hash, whole or at least the 8
            characters in published names.
    """
    for entry in _catalog().values():
        known = entry.hash if len(text) >= _SHORTEST_HASH else None
        if unquote(text) == entry.file or text in entry.addresses:
            return entry
        if known and (text.startswith(known) or known.startswith(text)):
            return entry
    return None


def _catalog() -> Mapping[str, Entry]:
    own = os.environ.get(_VARIABLE)
    return {**_read_catalog(_PUBLISHED), **(_read_catalog(Path(own)) if own else {})}


@functools.cache
def _read_catalog(path: Path) -> Mapping[str, Entry]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        entries = [_read_entry(name, {**family, **row}, data) for family in data["families"]
                   for name, row in family["entries"].items()]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ResNeStError(f"{path}, named by {_VARIABLE}, is no catalog of weights ({error!r}): "
                           f"it has the form of {_PUBLISHED}.") from error
    return types.MappingProxyType({entry.name: entry for entry in entries})


def _read_entry(name: str, row: dict[str, Any], data: Mapping[str, Any]) -> Entry:
    file, options = row["file"], row.pop("options", {})
    places = {"name": quote(name), "file": quote(file), "stem": quote(Path(file).stem)}
    parts = [address.partition(":") for address in row.pop("addresses")]
    if "deform" in options:
        deform = options["deform"]
        options = {**options, "deform": Deformable(**{**deform, "stages": tuple(deform["stages"])})}
    return Entry(
        name=name,
        addresses=tuple(data["addresses"][place].format(**places, id=identity)
                        for place, _, identity in parts),
        contract=InputContract(**data["contracts"][row.pop("contract")]),
        options=options,
        **{key: value for key, value in row.items() if key != "entries"})
