"""A small COCO-format set without a flaw, and the ways to break it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from pycocotools import mask as mask_util

NAN = float("nan")
HUGE = 10**400  # more than a float holds


def write_good_set(folder):
    """Two images of six objects with polygons and keypoints; returns the content of the JSON."""
    (folder / "images").mkdir()
    for name in ("a.jpg", "b.png"):
        _save(folder / "images", name)
    annotations = []
    for number in range(1, 13):
        x, y = 4 * (number % 6) + 2, 3 * (number % 6) + 1
        annotations.append({
            "id": number, "image_id": 1 + (number > 6), "category_id": 1 + number % 2,
            "bbox": [x, y, 12, 10], "area": 120, "iscrowd": 0, "num_keypoints": 2,
            "segmentation": [[x, y, x + 12, y, x + 12, y + 10, x, y + 10]],
            "keypoints": [x + 1, y + 1, 2, x + 2, y + 2, 1]})
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48},
                   {"id": 2, "file_name": "b.png", "width": 64, "height": 48}],
        "categories": [{"id": number, "name": name, "keypoints": ["nose", "tail"]}
                       for number, name in ((1, "cat"), (2, "dog"))],
        "annotations": annotations}


def write_broken_set(folder, case):
    """Writes the good set with one thing broken; returns the paths of the JSON and the images."""
    content = write_good_set(folder)
    case.breaks(content, folder / "images")
    (folder / "set.json").write_text(json.dumps(content))
    return folder / "set.json", folder / "images"


@dataclass(frozen=True)
class Case:
    """One way to break the good set.

    Args:
        kinds: names of all findings that it must bring, the one that it is for first.
        words: parts of the message: the entry, the file, the value.
        breaks: changes the content of the JSON and the folder of images.
        settings: of the check.
    """

    kinds: str
    words: tuple[str, ...]
    breaks: Callable
    settings: dict = field(default_factory=dict)


def _save(folder, name, size=(64, 48), mode="RGB", orientation=1):
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).convert(mode).save(folder / name, exif=exif)


def _save_as(name, dtype):
    def breaks(content, folder):
        Image.fromarray(np.full((48, 64), 30, dtype)).save(folder / name)
        content["images"][1]["file_name"] = name
    return breaks


def _save_tiff(orientation=1, pages=1):
    def breaks(content, folder):
        pixels = Image.open(folder / "b.png")
        pixels.save(folder / "b.tif", save_all=True, append_images=[pixels] * (pages - 1),
                    tiffinfo={274: orientation})
        content["images"][1]["file_name"] = "b.tif"
    return breaks


def _respell(content, folder):
    (folder / "b.png").rename(folder / "a\u0308.png")  # as macOS writes it
    content["images"][1]["file_name"] = "\xe4.png"


def _move_down(content, folder):
    (folder / "deep").mkdir()
    (folder / "b.png").rename(folder / "deep/b.png")


def _cut(name):
    def breaks(content, folder):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:len(data) // 2])
    return breaks


def _image(**changes):
    return lambda content, folder: content["images"][1].update(changes)


def _without(section, key):
    return lambda content, folder: content[section][1].pop(key)


def _object(**changes):
    return lambda content, folder: content["annotations"][1].update(changes)


def _all_objects(change):
    def breaks(content, folder):
        for entry in content["annotations"]:
            entry.update(change(entry))
    return breaks


def _first_image_only(change):
    return _all_objects(lambda entry: change if entry["image_id"] == 1 else {})


def _category(**changes):
    return lambda content, folder: content["categories"][1].update(changes)


def rle(x=10, y=7, size=(48, 64), side=8):
    """The compressed RLE of a square; that of the second annotation's box, if nothing is given."""
    mask = np.zeros(size, dtype=np.uint8, order="F")
    mask[y:y + side, x:x + side] = 1
    encoded = mask_util.encode(mask)
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode()}


def _crowd(entry):
    return {"iscrowd": 1, "segmentation": rle(*entry["bbox"][:2])}


def _move_out(content, folder):
    shutil.move(folder / "b.png", folder.parent / "b.png")
    content["images"][1]["file_name"] = "../b.png"


def _number_images_by_text(content, folder):
    content["images"][1]["id"] = "two"
    for entry in content["annotations"][6:]:
        entry["image_id"] = "two"


IMAGE_CASES = [
    Case("no-images no-annotations category-unused", ("'images' is an empty list",),
         lambda content, folder: content.update(images=[], annotations=[])),
    Case("image-id annotation-image-unknown image-empty", ("images[1]", "b.png"),
         _without("images", "id")),
    Case("image-id annotation-image-unknown image-empty", ("image id [2]", "b.png"),
         _image(id=[2])),
    Case("image-id-repeated annotation-image-unknown image-empty", ("image id 1, 2 times",),
         _image(id=1)),
    Case("image-ids-mixed", ("numbers and texts",), _number_images_by_text),
    Case("image-file-name", ("images[1] (None, image id 2)",), _without("images", "file_name")),
    Case("image-file-name", ("images[1] ('', image id 2)",), _image(file_name="")),
    Case("image-backslash image-missing", ("'train\\\\b.png'", "by /"),
         _image(file_name="train\\b.png")),
    Case("image-outside-folder", ("'../b.png'",), _move_out),
    Case("image-file-repeated", ("file_name 'a.jpg', 2 times",), _image(file_name="a.jpg")),
    Case("image-extent", ("'b.png', image id 2): width=None",), _without("images", "width")),
    Case("image-extent", ("'b.png', image id 2): height=0",), _image(height=0)),
    Case("image-extent", ("'b.png', image id 2): height='48'",), _image(height="48")),
    Case("image-extent", ("'b.png', image id 2): width=63.5",), _image(width=63.5)),
    Case("image-extent", ("'b.png', image id 2): width=10000",), _image(width=HUGE)),
    Case("image-folder", ("images", "folder does not exist"),
         lambda content, folder: shutil.rmtree(folder)),
    Case("image-missing", ("'b.png', image id 2: no file", "missing"),
         lambda content, folder: (folder / "b.png").unlink()),
    Case("image-unreadable", ("'b.png', image id 2: cannot identify",),
         lambda content, folder: (folder / "b.png").write_text("<html>not found</html>")),
    Case("image-unreadable", ("'b.png', image id 2",),
         lambda content, folder: (folder / "b.png").write_text("")),
    Case("image-truncated", ("'a.jpg', image id 1", "ends too early"), _cut("a.jpg")),
    Case("image-truncated", ("'b.png', image id 2", "ends too early"), _cut("b.png")),
    Case("image-size", ("'b.png', image id 2: the JSON says 64x48, detectron2 reads 32x24",),
         lambda content, folder: _save(folder, "b.png", size=(32, 24))),
    Case("image-size", ("the JSON says 48x64, detectron2 reads 64x48",),
         _image(width=48, height=64)),
    Case("image-size", ("the JSON says 64x48, detectron2 reads 24x32",),
         lambda content, folder: _save(folder, "a.jpg", size=(32, 24), orientation=6)),
    Case("image-turned", ("the JSON says 64x48, detectron2 reads 48x64", "EXIF"),
         lambda content, folder: _save(folder, "a.jpg", orientation=6)),
    Case("image-orientation", ("'a.jpg', image id 1: orientation 3",),
         lambda content, folder: _save(folder, "a.jpg", orientation=3)),
    Case("image-orientation", ("'b.png', image id 2: orientation 2",),
         lambda content, folder: _save(folder, "b.png", orientation=2)),
    Case("image-mode", ("'a.jpg', image id 1: mode L",),
         lambda content, folder: _save(folder, "a.jpg", mode="L")),
    Case("image-mode", ("'a.jpg', image id 1: mode CMYK",),
         lambda content, folder: _save(folder, "a.jpg", mode="CMYK")),
    Case("image-depth", ("'b.png', image id 2: mode I;16", "upper 8"),
         _save_as("b.png", np.uint16)),
    Case("image-range", ("'b.tif', image id 2: mode F", "32 bits"), _save_as("b.tif", np.float32)),
    Case("image-range", ("'b.tif', image id 2: mode I",), _save_as("b.tif", np.int32)),
    Case("image-orientation", ("'b.tif', image id 2: orientation 3",), _save_tiff(orientation=3)),
    Case("image-turned", ("the JSON says 64x48, detectron2 reads 48x64", "TIFF"),
         _save_tiff(orientation=6)),
    Case("image-frames", ("'b.tif', image id 2: 2 in the TIFF",), _save_tiff(pages=2)),
    Case("image-unicode", ("'a\\u0308.png'", "'\\xe4.png'", "Rename"), _respell),
    Case("image-missing", ("no file", "there is deep/b.png"), _move_down),
    Case("image-empty", ("'b.png', image id 2",),
         lambda content, folder: content["annotations"].__delitem__(slice(6, None))),
    Case("image-only-crowds crowd", ("'a.jpg', image id 1",),
         _all_objects(lambda entry: _crowd(entry) if entry["image_id"] == 1 else {})),
]
CATEGORY_CASES = [
    Case("no-categories annotation-category-unknown", ("'categories' is an empty list",),
         lambda content, folder: content.update(categories=[])),
    Case("category-id-repeated category-ids-gap annotation-category-unknown",
         ("category id 1, 2 times",), _category(id=1)),
    Case("category-name-repeated", ("category name 'cat', 2 times",), _category(name="cat")),
    Case("category-ids-gap", ("2 ids from 1 to 7",), lambda content, folder: (
        _category(id=7)(content, folder), _all_objects(lambda entry: {
            "category_id": {1: 1, 2: 7}[entry["category_id"]]})(content, folder))),
    Case("category-unused", ("category id 2 ('dog')",), _all_objects(lambda entry: {
        "category_id": 1})),
    Case("class-count", ("80 in the model, 2 in the set", "NUM_CLASSES"),
         lambda content, folder: None, {"class_count": 80}),
    Case("class-names", ("class 0 is 'dog' in the model, 'cat' in the set",),
         lambda content, folder: None, {"class_names": ["dog", "cat"]}),
]
ANNOTATION_CASES = [
    Case("no-annotations category-unused image-empty", ("'annotations' is an empty list",),
         lambda content, folder: content.update(annotations=[])),
    Case("nothing-to-train crowd crowd-most image-only-crowds", ("12 annotations",),
         _all_objects(_crowd)),
    Case("crowd-most crowd", ("10 of 12 annotations", "CVAT"),
         _all_objects(lambda entry: _crowd(entry) if entry["id"] % 6 else {})),
    Case("annotation-id", ("annotations[1]: id=None",), _without("annotations", "id")),
    Case("annotation-id-repeated", ("annotation id 1, 2 times",), _object(id=1)),
    Case("annotation-id-zero", ("annotations[1]", "never found"), _object(id=0)),
    Case("annotation-id-text", ("annotations[1]: id='x'",), _object(id="x")),
    Case("annotation-image-id", ("annotation id 2 (annotations[1]): image_id=None",),
         _without("annotations", "image_id")),
    Case("annotation-image-unknown", ("annotation id 2 (annotations[1]): image_id=99",),
         _object(image_id=99)),
    Case("id-type", ("annotation id 2 (annotations[1]): image_id='1'",), _object(image_id="1")),
    Case("id-type", ("annotation id 2 of image 'a.jpg': category_id='1'",),
         _object(category_id="1")),
    Case("annotation-category-id", ("annotation id 2 (annotations[1]): category_id=None",),
         _without("annotations", "category_id")),
    Case("annotation-category-unknown", ("annotation id 2 of image 'a.jpg': category_id=0",),
         _object(category_id=0)),
    Case("annotation-ignored", ("annotation id 2 of image 'a.jpg': ignore=1",), _object(ignore=1)),
    Case("crowd", ("annotation id 2 of image 'a.jpg'",), _object(iscrowd=1, segmentation=rle()),
         {"mask_format": "polygon"}),
    Case("crowd-polygon crowd", ("annotation id 2 of image 'a.jpg'",), _object(iscrowd=1)),
    Case("crowd-value crowd", ("annotation id 2 of image 'a.jpg': iscrowd='0'",),
         _object(iscrowd="0")),
    Case("crowd-value crowd", ("annotation id 2 of image 'a.jpg': iscrowd=2",), _object(iscrowd=2)),
    Case("crowd-missing", ("annotation id 2 of image 'a.jpg'", "'iscrowd': 0"),
         _without("annotations", "iscrowd")),
    Case("area-missing", ("annotation id 2 of image 'a.jpg': area=None",),
         _without("annotations", "area")),
    Case("area-not-positive", ("annotation id 2 of image 'a.jpg': area=nan",), _object(area=NAN)),
    Case("area-not-positive", ("annotation id 2 of image 'a.jpg': area=-3",), _object(area=-3)),
]
BOX_CASES = [
    Case("bbox-missing", ("annotation id 2 of image 'a.jpg': bbox=None",),
         _without("annotations", "bbox")),
    Case("bbox-missing", ("annotation id 2 of image 'a.jpg': bbox=[]",), _object(bbox=[])),
    Case("bbox-length", ("annotation id 2 of image 'a.jpg': bbox=[1, 2, 3]",),
         _object(bbox=[1, 2, 3])),
    Case("bbox-number", ("annotation id 2 of image 'a.jpg': bbox=[1, 2, nan, 4]",),
         _object(bbox=[1, 2, NAN, 4])),
    Case("bbox-number", ("annotation id 2 of image 'a.jpg': bbox=['1', 2, 3, 4]",),
         _object(bbox=["1", 2, 3, 4])),
    Case("bbox-number", ("annotation id 2 of image 'a.jpg': bbox=[1, 2, 10000",),
         _object(bbox=[1, 2, HUGE, 4])),
    Case("bbox-negative-size", ("annotation id 2", "bbox=[22.0, 7.0, -12.0, 10.0]", "negative"),
         _object(bbox=[22, 7, -12, 10])),
    Case("bbox-normalised", ("between 0 and 1",),
         _all_objects(lambda entry: {"bbox": [0.1, 0.1, 0.5, 0.25]}), {"need_masks": False}),
    Case("bbox-normalised image-empty", ("between 0 and 1", "annotation id 1 of"),
         lambda content, folder: (_object(bbox=[0.5, 0.5, 0.1, 0.2])(content, folder),
                                  content["annotations"].__delitem__(slice(2, None)),
                                  content["annotations"][0].update(bbox=[0.25, 0.5, 0.5, 0.5])),
         {"need_masks": False}),
    Case("bbox-corners bbox-clipped", ("[x1, y1, x2, y2]",),
         _all_objects(lambda entry: {"bbox": [20, 20, 50, 46]}), {"need_masks": False}),
    Case("bbox-empty", ("annotation id 2", "bbox=[10.0, 7.0, 12.0, 0.0]"),
         _object(bbox=[10, 7, 12, 0])),
    Case("bbox-outside", ("annotation id 2 of image 'a.jpg' (64x48): bbox=[64.0, 7.0",),
         _object(bbox=[64, 7, 12, 10])),
    Case("bbox-negative-corner", ("annotation id 2 of image 'a.jpg' (64x48): bbox=[-3.0, 7.0",),
         _object(bbox=[-3, 7, 25, 10])),
    Case("bbox-clipped", ("annotation id 2 of image 'a.jpg' (64x48): bbox=[50.0, 7.0, 16.0",),
         _object(bbox=[50, 7, 16, 10], segmentation=[[50, 7, 64, 7, 64, 17]])),
]
MASK_CASES = [
    Case("mask-missing", ("annotation id 2 of image 'a.jpg'",),
         _without("annotations", "segmentation")),
    Case("mask-missing", ("annotation id 2 of image 'a.jpg'",), _object(segmentation=[])),
    Case("mask-form", ("annotation id 2 of image 'a.jpg': [10, 7, 22, 7, 22, 17]",),
         _object(segmentation=[10, 7, 22, 7, 22, 17])),
    Case("mask-empty", ("annotation id 2 of image 'a.jpg'",), _object(segmentation=rle(side=0))),
    Case("polygon-invalid", ("annotation id 2 of image 'a.jpg'",),
         _object(segmentation=[[10, 7, 22, 7, 22, 17], [10, 7, 22, 7, 22, 17, 9]])),
    Case("polygon-none-valid", ("annotation id 2 of image 'a.jpg'",),
         _object(segmentation=[[10, 7, 22, 7, 22, 17, 9]])),
    Case("polygon-first-short polygon-invalid", ("annotation id 2 of image 'a.jpg': [1, 2]",),
         _object(segmentation=[[1, 2], [10, 7, 22, 7, 22, 17]])),
    Case("polygon-number", ("annotation id 2 of image 'a.jpg': [10, None,",),
         _object(segmentation=[[10, None, 22, 7, 22, 17]])),
    Case("polygon-number", ("annotation id 2 of image 'a.jpg': [10, nan,",),
         _object(segmentation=[[10, NAN, 22, 7, 22, 17]])),
    Case("polygon-number", ("annotation id 2 of image 'a.jpg': from (10, 7) to (1e+20, 17)",),
         _object(segmentation=[[10, 7, 1e20, 7, 22, 17]])),
    Case("polygon-number", ("annotation id 2 of image 'a.jpg': [10000",),
         _object(segmentation=[[HUGE, 7, 22.5, 7, 22, 17]])),
    Case("polygon-outside", ("annotation id 2 of image 'a.jpg': mask from [10.0, -4.0]",),
         _object(segmentation=[[10, -4, 22, 7, 22, 17]])),
    Case("rle-form", ("annotation id 2 of image 'a.jpg': {'size': [48, 64]}",),
         _object(segmentation={"size": [48, 64]})),
    Case("rle-form", ("annotation id 2 of image 'a.jpg'",),
         _object(segmentation={"size": 48, "counts": [3072]})),
    Case("rle-form", ("annotation id 2 of image 'a.jpg'",),
         _object(segmentation={"size": [48, 64], "counts": [100, -8, 2980]})),
    Case("rle-form", ("annotation id 2 of image 'a.jpg'",),
         _object(segmentation={"size": [48, 64], "counts": [2**40]})),
    Case("rle-size", ("annotation id 2 of image 'a.jpg': size=[64, 48], image height and width",),
         _object(segmentation=rle(size=(64, 48)))),
    Case("rle-broken", ("annotation id 2 of image 'a.jpg': runs of 70 pixels in all",),
         _object(segmentation={"size": [48, 64], "counts": [60, 10]})),
    Case("rle-broken", ("annotation id 2 of image 'a.jpg': a string that pycocotools",),
         _object(segmentation={"size": [48, 64], "counts": "~~ é"})),
    Case("rle-as-polygon", ("annotation id 2 of image 'a.jpg'", "MASK_FORMAT to bitmask"),
         _object(segmentation=rle()), {"mask_format": "polygon"}),
    Case("bbox-mask-apart", ("annotation id 2 of image 'a.jpg': mask from [10.0, 7.0]",),
         _object(bbox=[40, 30, 12, 10])),
    Case("bbox-mask-differ", ("annotation id 2 of image 'a.jpg': mask from [10.0, 7.0]",),
         _object(bbox=[18, 14, 12, 10])),
]
KEYPOINT_CASES = [
    Case("keypoints-form", ("annotation id 2 of image 'a.jpg': [[11, 8, 2]",),
         _object(keypoints=[[11, 8, 2], [12, 9, 1]])),
    Case("keypoints-form", ("annotation id 2 of image 'a.jpg': [10000",),
         _object(keypoints=[HUGE, -HUGE, 2, 12, 9, 1])),
    Case("keypoints-category", ("category 'dog' has 3, the model 2",),
         _category(keypoints=["nose", "ear", "tail"])),
    Case("keypoints-missing", ("annotation id 2 of image 'a.jpg'",),
         _without("annotations", "keypoints")),
    Case("keypoints-length", ("annotation id 2 of image 'a.jpg': 4 values for 2 keypoints",),
         _object(keypoints=[11, 8, 12, 9])),
    Case("keypoints-count", ("annotation id 2 of image 'a.jpg'", "num_keypoints"),
         _without("annotations", "num_keypoints")),
    Case("keypoints-visibility", ("annotation id 2 of image 'a.jpg': [3.0, 1.0]",),
         _object(keypoints=[11, 8, 3, 12, 9, 1])),
    Case("keypoints-outside", ("annotation id 2 of image 'a.jpg': [70.0, 8.0, 2.0]",),
         _object(keypoints=[70, 8, 2, 12, 9, 1])),
    Case("keypoints-none", ("'a.jpg', image id 1",), _first_image_only({"keypoints": [0] * 6})),
]
CASES = (IMAGE_CASES + CATEGORY_CASES + ANNOTATION_CASES + BOX_CASES + MASK_CASES + KEYPOINT_CASES)
