"""Reading a COCO-format JSON file, or saying in one error why it cannot be read."""

import contextlib
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path

from resnest_dense.data.text import read_json
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["gc_paused", "load_coco_json", "load_sections"]

_SECTIONS = ("images", "annotations", "categories")


def load_coco_json(path: str | Path) -> dict:
    """The content of a COCO detection, instance or keypoint file; see :func:`load_sections`.

    Raises:
        ResNeStValueError: what :func:`load_sections` refuses, or a panoptic file.
    """
    content = load_sections(path)
    if "segments_info" in next(iter(content["annotations"]), ()):
        raise ResNeStValueError(f"{path} is a panoptic file (its annotations have "
                                "'segments_info'): give it as the panoptic file of the set, with "
                                "the folder of its PNGs.")
    return content


def load_sections(path: str | Path, sections: Sequence[str] = _SECTIONS) -> dict:
    """The content of a COCO-format file; its ``sections`` are lists of objects.

    Categories are complete (each has an id and a name), as the class count hangs on them. What
    else may be wrong inside the sections is for the checks of this package.

    Raises:
        ResNeStValueError: no such file, no JSON (with line and column), no COCO sections, or a
            category without id or name.
    """
    with gc_paused():
        content = read_json(path)
    if not isinstance(content, dict):
        raise ResNeStValueError(f"{path} holds a JSON {type(content).__name__}; a COCO file is one "
                                f"object with {', '.join(_SECTIONS)}. Results of a model, for one, "
                                "are a list and no data set.")
    missing = [section for section in sections if section not in content]
    if missing:
        raise ResNeStValueError(f"{path} has no {' and no '.join(map(repr, missing))}; it has "
                                f"{listed(sorted(content), most=8)}. Give a COCO detection, "
                                "instance, keypoint or panoptic file (not captions or results).")
    for section in sections:
        if not isinstance(content[section], list):
            raise ResNeStValueError(f"{path}: {section!r} is a {type(content[section]).__name__}; "
                                    "COCO wants a list of objects.")
        for position, entry in enumerate(content[section]):
            if not isinstance(entry, dict):
                raise ResNeStValueError(f"{path}: {section}[{position}] is {entry!r}; COCO wants "
                                        'an object like {"id": 1, ...}. Correct or remove it.')
    _check_categories(path, content["categories"])
    return content


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Pauses the cyclic garbage collector.

    Millions of small lists that all stay alive make it search in vain: on 860,000 annotations
    (629 MB) reading takes 30 s without it and 45 s with it (one CPU core).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _check_categories(path: str | Path, categories: list[dict]) -> None:
    for position, category in enumerate(categories):
        for key, kind, wanted in (("id", int, "a whole number"), ("name", str, "a text")):
            value = category.get(key)
            if not isinstance(value, kind) or isinstance(value, bool) or value == "":
                raise ResNeStValueError(f"{path}: categories[{position}] has {key}={value!r}; give "
                                        f"every category {wanted} as {key!r}, for example "
                                        f"{{\"id\": 1, \"name\": \"person\"}}.")
