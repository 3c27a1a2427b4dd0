"""What is known of a weight file beyond its tensors: from the catalog, or kept beside the file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resnest_dense.errors import ResNeStError
from resnest_dense.weights import catalog
from resnest_dense.weights.contract import InputContract

__all__ = ["Metadata", "read_metadata", "write_metadata"]


@dataclass(frozen=True)
class Metadata:
    """What tensors do not tell.

    Args:
        architectures: the networks that the weights may be of; empty where nothing is known.
        contract: the input that they were trained on, or None.
        dilated_form: the form of their dilated stages, or None where they have none.
    """

    architectures: tuple[str, ...] = ()
    contract: InputContract | None = None
    dilated_form: str | None = None


def read_metadata(path: Path) -> Metadata:
    """What the file beside ``path`` says, or else the catalog for the name of ``path``.

    Raises:
        ResNeStError: the file beside it cannot be understood.
    """
    beside = _beside(path)
    if beside.is_file():
        try:
            content = json.loads(beside.read_text(encoding="utf-8"))
            contract = content["contract"]
            return Metadata(tuple(content["architectures"]), contract and InputContract(**contract),
                            content["dilated_form"])
        except (ValueError, KeyError, TypeError) as error:
            raise ResNeStError(
                f"{beside} does not say what {path.name} is: {error!r}. Delete it, or convert the "
                "weights again."
            ) from error
    entry = catalog.find(path.name)
    if entry is None:
        return Metadata()
    return Metadata((entry.architecture,), entry.contract, entry.options.get("dilated_form"))


def write_metadata(path: Path, metadata: Metadata, *, about: Mapping[str, Any]) -> None:
    """Keep ``metadata``, and what else there is to say ``about`` the file, beside ``path``."""
    content = {**about, **asdict(metadata)}
    _beside(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")
