"""Damaged data: what is said of it is one line or a finding, and what passes the checks is trained
on as it stands."""

import copy
import io
import json
import math
import tempfile
from pathlib import Path

import numpy as np
from coco_cases import rle, write_good_set
from coco_stock import mapped_by_detectron2
from detectron2.data import detection_utils
from hypothesis import assume, given
from hypothesis import strategies as st
from mmcv.transforms import LoadImageFromFile
from PIL import Image
from strategies import ODD, damage, either, tries

import resnest_dense.mmseg  # noqa: F401 - its reader of images
from resnest_dense import ResNeStError
from resnest_dense.cli import main
from resnest_dense.data.coco.check import check_coco
from resnest_dense.data.image_files import look_at
from resnest_dense.data.images import IMAGE_KINDS, read_rgb
from resnest_dense.data.labels.check import check_labels
from resnest_dense.data.labels.folder import read_classes
from resnest_dense.weights.source import read_metadata

with tempfile.TemporaryDirectory() as _folder:
    GOOD = json.dumps(write_good_set(Path(_folder)))

# What exporters, scripts and accidents write where COCO has numbers, lists and texts.
EXTREME = st.sampled_from((math.nan, math.inf, -math.inf, 1e20, 1e308, -1e308, 2**31, 2**63, 2**64,
                           10**400, -10**400, -0.0, 0, -1, 1e-9, 0.5))
NUMBER = either(EXTREME, st.one_of(st.integers(-70, 70), st.floats(-70, 70)))
NUMBERS = st.lists(NUMBER, max_size=9)
TEXT = st.sampled_from(("\ud800", "\0", "a.jpg", "../a.jpg", "b.png", "1", "9" * 5000, "e\u0301",
                        "/", ".", "a" * 300, "²", ""))
MASK = either(st.lists(NUMBERS, max_size=3), st.just(rle()), st.fixed_dictionaries({
    "size": either(st.just([48, 64]), st.lists(NUMBER, max_size=3)),
    "counts": either(st.text(max_size=8), NUMBERS)}))
NASTY = either(NUMBER, either(NUMBERS, MASK), TEXT, ODD)


@st.composite
def broken_sets(draw):
    """The text of the good set with some entries of another value, gone, or twice."""
    content = json.loads(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        inside, path = content, []
        while not path or (isinstance(inside[path[-1]], (dict, list)) and inside[path[-1]]
                           and draw(st.integers(0, 5))):
            inside = inside[path[-1]] if path else content
            path.append(draw(st.sampled_from(
                [*inside] if isinstance(inside, dict) else range(len(inside)))))
        key = path[-1]
        how = draw(st.sampled_from(("set", "set", "set", "out", "twice")))
        if how == "set":
            inside[key] = copy.deepcopy(draw(NASTY))  # another turn may change it
        elif how == "out":
            del inside[key]
        elif isinstance(inside, list):
            inside.append(json.loads(json.dumps(inside[key])))
        if not content:
            break
    return json.dumps(content)


def run(*words):
    """A command's exit code: 1 after findings, 2 after one line; anything else comes through."""
    code = main([*map(str, words)])
    assert code in (0, 1, 2)
    return code


def write_set(folder, text):
    write_good_set(folder)
    (folder / "set.json").write_text(text)
    return folder / "set.json", folder / "images"


@given(broken_sets())
@tries(120)
def test_a_broken_coco_set_is_refused_or_trained_on_as_it_is_counted(text):
    with tempfile.TemporaryDirectory() as name:
        json_path, images = write_set(Path(name), text)
        try:
            report = check_coco(json_path, images, need_masks=True, keypoints=2, evaluated=False)
            report.table().encode()
            report.raise_if_wrong()
        except ResNeStError as error:
            str(error).encode()
            return
        found = mapped_by_detectron2(json_path, images, "bitmask")
        boxes = np.concatenate([one["instances"].gt_boxes.tensor.numpy() for one in found])
        assert len(boxes) == report.trained and np.isfinite(boxes).all()
        known = [[x, y, x + w, y + h] for entry in json.loads(text)["annotations"]
                 if isinstance(entry.get("bbox"), list) and len(entry["bbox"]) == 4
                 and all(isinstance(value, (int, float)) for value in entry["bbox"])
                 for x, y, w, h in [entry["bbox"]]]
        known = np.clip(np.array(known, float), 0, (64, 48, 64, 48))
        for box in boxes:
            assert np.abs(known - box).max(axis=1).min() < 1e-3


@given(st.one_of(broken_sets().map(str.encode), damage(GOOD.encode()),
                 st.sampled_from((b"[" * 99999, b'{"images": ' + b"9" * 5000 + b"}", b"\xff\xfe",
                                  b"nan", b'"\\ud800"'))))
@tries(25)
def test_any_json_ends_in_a_line_of_every_command_that_reads_it(content):
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "in")
        source.mkdir()
        json_path, images = write_set(source, "")
        json_path.write_bytes(content)
        for words in (("--masks",), ("--keypoints", 2), ("--panoptic", images)):
            run("check-data", json_path, images, *words)
        run("convert-data", source, Path(name, "out"))
        try:
            read_classes(json_path)
        except ResNeStError:
            pass
        json_path.rename(Path(name, "a.pth.json"))
        try:
            read_metadata(Path(name, "a.pth"))
        except ResNeStError:
            pass


CLASSES = ("a", "b", "c")
LABELS = st.one_of(
    st.integers(0, 2), st.sampled_from((0, 1, 2, 3, 255, 254, 256, 257, 512, 65535, 2**20, -1)))


@st.composite
def label_files(draw):
    """The bytes of a label of 8x6 in any mode and format that Pillow gives, and maybe damaged."""
    mode = draw(st.sampled_from(("L", "L", "P", "1", "I", "I;16", "F", "LA", "RGB", "RGBA")))
    values = draw(st.lists(LABELS, min_size=1, max_size=3))
    size = draw(st.sampled_from(((8, 6), (8, 6), (8, 6), (6, 8), (1, 1))))
    pixels = np.resize(np.array(values), size[::-1])
    if mode in ("I", "I;16", "F", "L"):
        fraction = draw(st.sampled_from((0, 0, 0.5, math.nan))) if mode == "F" else 0
        dtype = {"I": np.int32, "I;16": np.uint16, "F": np.float32, "L": np.uint8}[mode]
        picture = Image.fromarray((pixels + fraction).astype(dtype))
    else:
        picture = Image.fromarray(pixels.astype(np.uint8)).convert(mode)
        if mode == "P":
            picture = Image.fromarray(pixels.astype(np.uint8)).copy()
            picture.putpalette([*range(255, -1, -1)] * 3)
    out, exif = io.BytesIO(), Image.Exif()
    exif[274] = draw(st.sampled_from((1, 1, 1, 6)))
    kind = "TIFF" if mode == "F" else draw(st.sampled_from(
        ("PNG", "PNG", "TIFF", "GIF", "BMP", "JPEG", "WEBP")))
    try:
        picture.save(out, kind, exif=exif)
    except (OSError, ValueError, KeyError):  # the format has no such mode
        assume(False)
    content = out.getvalue()
    return draw(st.one_of(st.just(content), st.just(content), damage(content)))


@given(label_files(), st.booleans())
@tries(80)
def test_a_label_is_refused_or_learned_as_it_is_counted(content, reduced):
    with tempfile.TemporaryDirectory() as name:
        image, label = Path(name, "0.jpg"), Path(name, "0.png")
        Image.new("RGB", (8, 6)).save(image)
        label.write_bytes(content)
        report = check_labels([(image, label)], CLASSES, name="set", reduce_zero_label=reduced)
        report.table().encode()
        if report.errors:
            return
        from mmseg.datasets.transforms import LoadAnnotations  # after our stand-in for operators

        load = LoadAnnotations(reduce_zero_label=reduced)
        results = load(dict(seg_map_path=str(label), seg_fields=[], reduce_zero_label=reduced))
        learned = results["gt_seg_map"]
        assert learned.shape == (6, 8)
        counts = [int((learned == i).sum()) for i in range(len(CLASSES))]
        assert counts == report.pixels.tolist()
        assert sum(counts) + (learned == 255).sum() == learned.size


def picture_of(kind, options, mode):
    pixels = np.random.default_rng(0).integers(0, 255, (21, 33, 3), np.uint8)
    out, exif = io.BytesIO(), Image.Exif()
    exif[274] = options.pop("orientation", 1)
    Image.fromarray(pixels).convert(mode).save(out, kind, exif=exif, **options)
    return out.getvalue()


PICTURES = [picture_of(kind, {"orientation": turn, **options}, mode)
            for kind, options, modes in (("JPEG", {}, ("RGB", "L", "CMYK")),
                                         ("JPEG", {"progressive": True}, ("RGB",)),
                                         ("PNG", {}, ("RGB", "P", "LA", "1", "I;16", "RGBA")),
                                         ("TIFF", {}, ("RGB", "F", "CMYK")),
                                         ("TIFF", {"compression": "tiff_lzw"}, ("RGB",)),
                                         ("WEBP", {}, ("RGB",)), ("BMP", {}, ("RGB",)),
                                         ("GIF", {}, ("P",)))
            for mode in modes for turn in (1, 6)]


@given(st.one_of(st.sampled_from(PICTURES), st.sampled_from(PICTURES).flatmap(damage)))
@tries(150)
def test_an_image_is_refused_or_read_alike_by_all(content):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "a.jpg")
        path.write_bytes(content)
        try:
            look = look_at(path)
        except ResNeStError:
            look = None
        readers = {
            "ours": read_rgb,
            "detectron2": lambda path: detection_utils.read_image(str(path), "RGB"),
            "mmseg": lambda path: LoadImageFromFile()(dict(img_path=str(path)))["img"][:, :, ::-1]}
        found = {}
        for name, read in readers.items():
            try:
                found[name] = read(path)
            except ResNeStError:
                found[name] = None
        if found["ours"] is None:
            assert all(image is None for image in found.values())
            return
        image = found["ours"]
        assert image.dtype == np.uint8 and image.shape[2:] == (3,)
        assert all(np.array_equal(other, image) for other in found.values())
        if look and not any(IMAGE_KINDS[kind].severity == "error" for kind, _ in look.faults):
            assert image.shape[:2] == look.size[::-1]
