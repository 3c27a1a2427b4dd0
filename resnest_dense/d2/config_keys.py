"""The keys that are added to detectron2's config, and keys of YAML files and overrides merged into
it; what is wrong with one is said with its place, the type that it takes and how that is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from detectron2.config import CfgNode

from resnest_dense.errors import ResNeStValueError, near

__all__ = ["KEYS", "merge_file", "merge_overrides", "require_keys"]

# What is added: defaults and meanings, of which docs/config_keys.md is made.
KEYS: Mapping[str, tuple[Any, str]] = {
    "MODEL.RESNETS.RADIX": (2, "splits that the attention weighs; 1 keeps the attention, as a "
                            "sigmoid"),
    "MODEL.RESNETS.BOTTLENECK_WIDTH": (64, "width of a group in res2, of 64"),
    "MODEL.RESNETS.AVD": (True, "average-pool downsampling: a 3x3 average pool has the block's "
                          "stride"),
    "MODEL.RESNETS.AVD_FIRST": (False, "that pool before the 3x3 instead of behind it: the "
                                "\"fast\" networks"),
    "MODEL.RESNETS.AVG_DOWN": (True, "ResNet-D's shortcut: an average pool before its 1x1"),
    "MODEL.RESNETS.DEEP_STEM": (True, "ResNet-D's stem of three 3x3"),
    "MODEL.RESNETS.STEM_WIDTH": (0, "channels of the stem's first convolutions; 0: what the "
                                 "network of this DEPTH has"),
    "MODEL.RESNETS.ARCHITECTURE": ("", "a network by its name, of `resnest-dense architectures`, "
                                   "in place of DEPTH and all that is the network's own"),
    "MODEL.RESNETS.DILATED_FORM": ("detectron2", "form of the dilated stages where RES5_DILATION "
                                   "is 2 or 4: \"official\", \"mmseg\" or \"detectron2\""),
    "MODEL.RESNETS.CHECKPOINT_STAGES": ([], "stages such as \"res2\" whose activations are "
                                        "computed again in backward, which saves memory"),
    "MODEL.RESNETS.COMPILE": (False, "`torch.compile` of the stem and each stage"),
    "SOLVER.ACCUMULATE": (1, "parts in which the images of a step go through the model, one after "
                          "another"),
    "SOLVER.CHECKPOINTS_KEPT": (3, "checkpoints of a run that stay, beside the best and the final "
                                "one; 0: all"),
    "DATALOADER.FAULTS_ALLOWED": (10, "images that cannot be loaded and workers that are killed, "
                                  "before training stops"),
    "TEST.BEST_METRIC": ("", "by which the best model is kept, such as bbox/AP50; empty: the main "
                         "one of the task"),
}
_KINDS = {bool: "True or False", int: "a whole number", float: "a number with a point",
          str: "a text", tuple: "a tuple", list: "a list", CfgNode: "keys of its own"}
# The key that an error of yacs is about, which has no attribute for it.
_KEY = re.compile(r"(?:config key|Non-existent key): ([\w.]+)|^'?Key ([\w.]+) ")


def merge_file(cfg: CfgNode, path: str) -> None:
    """Merges a YAML file and its bases into ``cfg``.

    Raises:
        ResNeStValueError: an unknown key, or a value of another type than the key takes.
    """
    try:
        cfg.merge_from_file(path)
    except (AssertionError, KeyError, ValueError) as error:
        key = _key_of(error)
        if not key:
            raise
        file, line, value = next(_find_key(path, key.split(".")), (path, 0, None))
        place = f"{file}, line {line}" if line else file
        raise _explain(cfg, key, value, place, f"{key.split('.')[-1]}: \"{{}}\"", error) from error


def merge_overrides(cfg: CfgNode, words: Sequence[str]) -> None:
    """Merges ``KEY VALUE`` words into ``cfg``.

    Raises:
        ResNeStValueError: as :func:`merge_file`, or words that are no such pairs.
    """
    for key, value in zip(words[::2], [*words[1::2], None]):
        if "=" in key or value is None or key.startswith("-"):
            name, _, given = key.partition("=")
            remedy = ("options go before the overrides" if key.startswith("-") else
                      f"write {name} {given or 'VALUE'}")
            raise ResNeStValueError(f"{key!r}: overrides are KEY VALUE pairs; {remedy}.")
        try:
            cfg.merge_from_list([key, value])
        except (AssertionError, KeyError, ValueError) as error:
            raise _explain(cfg, key, cfg._decode_cfg_value(value), "Overrides",
                           f"{key} \"{{}}\"", error) from error


def require_keys(path: str) -> None:
    """Reads a YAML file, of a config or of a base.

    Raises:
        ResNeStValueError: it is empty, or holds something else than keys.
    """
    root = _compose(path)
    if not isinstance(root, yaml.MappingNode):
        raise ResNeStValueError(f"{path} {'is empty' if root is None else 'holds no keys'}: a "
                                "config has lines such as 'SOLVER:' and keys indented below.")


def _compose(path: str) -> yaml.Node | None:
    with open(path, encoding="utf-8") as file:
        return yaml.compose(file)


def _key_of(error: Exception) -> str:
    match = _KEY.search(str(error.args[0] if error.args else ""))
    return (match[1] or match[2]) if match else ""


def _find_key(path: str, names: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    """File, line and value of a key in a YAML file or else in its bases."""
    root = node = _compose(path)
    for name in names:
        if not isinstance(node, yaml.MappingNode):
            break
        key, node = next(((k, v) for k, v in node.value if k.value == name), (None, None))
        if key is None:
            break
    else:
        yield path, key.start_mark.line + 1, CfgNode._decode_cfg_value(_plain(node))
    for key, value in getattr(root, "value", ()):
        if key.value == "_BASE_":
            for base in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                file = Path(path).parent / Path(base.value).expanduser()
                if file.is_file():
                    yield from _find_key(str(file), names)


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _explain(cfg: CfgNode, key: str, value: object, place: str, written: str,
             error: Exception) -> ResNeStValueError:
    parts, node = key.split("."), cfg
    for part in parts:
        if not isinstance(node, CfgNode) or part not in node:
            known = [name for name, _ in _leaves(cfg)]
            message = str(error.args[0])
            renamed = f" {message}." if "renamed" in message else ""
            return ResNeStValueError(f"{place}: there is no key {key}.{renamed} "
                                     f"{near(key, known).partition(' Known:')[0]} Keys are those "
                                     "of detectron2 and of MODEL.RESNETS.")
        node = node[part]
    if type(value) is type(node):
        return ResNeStValueError(f"{place}: {key}: {' '.join(str(error.args[0]).split())}")
    kind = _KINDS.get(type(node), type(node).__name__)
    return ResNeStValueError(f"{place}: {key} takes {kind}, not {value!r}: write "
                             f"{written.format(_example(node, value))}.")


def _example(default: Any, value: object) -> str:
    """How a value of the default's type is written that is as near as can be to ``value``."""
    kind = type(default)
    if isinstance(default, CfgNode):
        return "its keys indented below it"
    if kind is bool:
        return repr(str(value).lower() in ("1", "on", "true", "yes"))
    if kind in (tuple, list):
        single = isinstance(value, (int, float, str)) and str(value)[:1] not in ("(", "[")
        return repr(kind([value]) if single else default or kind((60000, 80000)))
    try:
        return repr(kind(value))
    except (TypeError, ValueError):
        return repr(default)


def _leaves(node: CfgNode, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, CfgNode):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
