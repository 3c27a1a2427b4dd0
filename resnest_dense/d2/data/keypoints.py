"""Keypoints of the user's own data: what detectron2 wants to know of them."""

import logging
import re

from detectron2.config import CfgNode
from detectron2.data.datasets.builtin_meta import COCO_PERSON_KEYPOINT_NAMES

from resnest_dense.data.labels.pictures import default_palette
from resnest_dense.errors import ResNeStValueError, listed

__all__ = ["flip_map", "keypoint_metadata", "use_keypoints"]

_logger = logging.getLogger(__name__)
# The words anywhere, or their first letters alone in snake_case or camelCase: left_eye, eyeR.
_SIDE = re.compile(r"(?i:left|right)|(?<![A-Za-z])[lr](?![a-z])|(?<![A-Z])[LR](?![a-z])")
_OTHER = {"left": "right", "right": "left", "l": "r", "r": "l"}


def keypoint_metadata(categories: list[dict], json_file: str) -> dict:
    """What detectron2 wants to know of the keypoints of a set: their names, the pairs that a flip
    swaps, and the lines to draw between them; as the first category of ``json_file`` with keypoints
    says.

    Raises:
        ResNeStValueError: no category names keypoints, or names and skeleton do not fit together.
    """
    category = next((c for c in categories if c.get("keypoints")), None)
    if category is None:
        raise ResNeStValueError(
            f"{json_file}: no category has 'keypoints', the list of their names; the model "
            "predicts keypoints. Add it to the category, or set MODEL.KEYPOINT_ON False.")
    names, edges = category["keypoints"], category.get("skeleton") or []
    where = f"{json_file}: category {category['name']!r}"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ResNeStValueError(f"{where} has keypoints={names!r}; write a list of their names.")
    if len(set(names)) != len(names):
        raise ResNeStValueError(f"{where} names a keypoint twice: {names}. Give each its own name.")
    if not isinstance(edges, list) or not all(_is_edge(edge, len(names)) for edge in edges):
        raise ResNeStValueError(f"{where} has skeleton={edges}; write pairs of numbers from 1 to "
                                f"{len(names)}, which count its keypoints.")
    return {"keypoint_names": list(names), "keypoint_flip_map": flip_map(names),
            "keypoint_connection_rules": [
                (names[a - 1], names[b - 1], colour)
                for (a, b), colour in zip(edges, default_palette(len(edges)))]}


def flip_map(names: list[str]) -> list[tuple[str, str]]:
    """The pairs of keypoints ("left_eye", "eyeR") that change places in a mirror image: left and
    right of the same.
    """
    pairs = ((name, _SIDE.sub(_other_side, name)) for name in names)
    return [(a, b) for a, b in pairs if b in names and names.index(a) < names.index(b)]


def use_keypoints(cfg: CfgNode, metadata: dict, json_file: str, *, evaluated: bool) -> None:
    """Sets the number of keypoints in ``cfg``, tells what a flip does to them, and makes sure that
    their AP is defined, if it is going to be computed."""
    names = metadata["keypoint_names"]
    if cfg.INPUT.RANDOM_FLIP != "none":
        pairs = listed(f"{a} and {b}" for a, b in metadata["keypoint_flip_map"])
        _logger.info("Keypoints: in a mirrored image %s. If more of %s have a side, put left and "
                     "right into their names, or set INPUT.RANDOM_FLIP none.",
                     f"these change places: {pairs}" if pairs else "none change places", names)
    cfg.MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS = len(names)
    sigmas = cfg.TEST.KEYPOINT_OKS_SIGMAS
    if not evaluated or not sigmas and tuple(names) == tuple(COCO_PERSON_KEYPOINT_NAMES):
        return  # pycocotools has the sigmas of COCO's own
    if len(sigmas) != len(names):
        example = ", ".join(["0.05"] * len(names))
        raise ResNeStValueError(
            f"TEST.KEYPOINT_OKS_SIGMAS has {len(sigmas)} values and {json_file} {len(names)} "
            f"keypoints ({listed(names)}). Keypoint AP needs one for each: how far, as a part "
            "of the object's size, people place it apart (COCO: eyes 0.025, hips 0.107), such as "
            f'TEST.KEYPOINT_OKS_SIGMAS "[{example}]".')


def _is_edge(edge: object, count: int) -> bool:
    return isinstance(edge, list) and len(edge) == 2 and all(
        type(number) is int and 1 <= number <= count for number in edge)


def _other_side(match: re.Match) -> str:
    word = match.group()
    other = _OTHER[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
