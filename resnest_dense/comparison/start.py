"""What the members of a comparison start from, and whether that is alike."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from resnest_dense.architectures import get_architecture
from resnest_dense.comparison.recipe import Member
from resnest_dense.create import create_backbone
from resnest_dense.errors import ResNeStError, ResNeStValueError, listed
from resnest_dense.weights import catalog, load

__all__ = ["make_members", "unlike"]

_logger = logging.getLogger(__name__)


def make_members(networks: Sequence[str], weights: Mapping[str, str] | None, *,
                 allow_unlike: bool = False) -> list[Member]:
    """The members, their weights fetched and tried.

    Args:
        networks: names of architectures.
        weights: of some of them, by name; the others start from the published ones of their name.
            None: all start from random weights.
        allow_unlike: whether their weights may be of unlike recipes.

    Raises:
        ResNeStError: fewer than two networks, one twice or unknown; weights that cannot be had, are
            of another network, or of unlike recipes.
    """
    if len(networks) < 2 or len({*networks}) < len(networks):
        raise ResNeStValueError(f"Nothing to compare in {','.join(networks)!r}: give two or more "
                                "different networks, such as resnet50d,resnest50.")
    for name in [*networks, *(weights or ())]:
        get_architecture(name)
    if weights is None:
        return [Member(name) for name in networks]
    if others := {*weights} - {*networks}:
        raise ResNeStValueError(f"--weights names {listed(sorted(others))}, and the comparison has "
                                f"{listed(networks)}.")
    members = [_start(name, weights.get(name) or _published(name)) for name in networks]
    if unlike(members) and not allow_unlike:
        recipes = listed((f"{m.network} {m.recipe}" for m in members), between="; ", room=900)
        raise ResNeStError(
            f"The initial weights are of unlike recipes ({recipes}), whose difference the result "
            "would show too: an ImageNet recipe alone is worth points of AP. Start all "
            "--from-scratch, give --weights of one recipe, or --allow-unlike.")
    return members


def unlike(members: Iterable[Member]) -> bool:
    """Whether the members start from weights of more than one recipe."""
    return len({member.recipe for member in members}) > 1


def _published(network: str) -> str:
    if network in catalog.names():
        return network
    raise ResNeStError(f"There are no published weights called {network}: give --weights "
                       f"{network}=FILE, or start all --from-scratch.")


def _start(network: str, source: str) -> Member:
    """A member whose weights have been loaded once."""
    report = load(create_backbone(network), source, logger=_logger)
    entry = (catalog.get(source) if source in catalog.names()
             else catalog.find(Path(source.partition("#")[0]).name))
    if entry is None:
        return Member(network, source, f"unknown ({source})", contract=report.contract)
    return Member(network, source, entry.recipe or entry.title, entry.metrics.get("top1"),
                  report.contract)
