"""Folders in the formats that are converted, with objects whose place is known."""

import base64
import io
import json
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 30


def picture(seed):
    """An image unlike that of any other seed."""
    grey = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grey).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def write_pictures(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        picture(zlib.crc32(f"{folder.parent.name}/{folder.name}/{name}".encode())).save(
            folder / name)


def voc_xml(name, objects, *, size=(WIDTH, HEIGHT), more=""):
    """A file of VOC's: objects are a name and xmin, ymin, xmax, ymax."""
    parts = "".join(
        f"<object><name>{label}</name>{more}<bndbox>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"),
                                                                 ends)) + "</bndbox></object>"
        for label, ends in objects)
    return (f"<annotation><filename>{name}</filename><size><width>{size[0]}</width>"
            f"<height>{size[1]}</height><depth>3</depth></size>{parts}</annotation>")


def write_voc(root, count=6):
    """Each image with a box over the pixels 1 to 10 and 3 to 8, counted from 1."""
    write_pictures(root / "JPEGImages", [f"i{n}.png" for n in range(count)])
    (root / "Annotations").mkdir()
    for n in range(count):
        (root / f"Annotations/i{n}.xml").write_text(voc_xml(
            f"i{n}.png", [("dog" if n % 2 else "cat", (1, 3, 10, 8))]))


def write_yolo(root, lines=("0 0.5 0.5 0.25 0.2",), count=6, names="cat\ndog\n"):
    write_pictures(root / "images", [f"i{n}.png" for n in range(count)])
    (root / "labels").mkdir()
    for n in range(count):
        (root / f"labels/i{n}.txt").write_text("\n".join(lines))
    if names is not None:
        (root / "classes.txt").write_text(names)


def write_labelme(root, shapes, count=4, **entries):
    root.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        if "imageData" not in entries:
            write_pictures(root, [f"i{n}.png"])
        content = {"version": "5.5.0", "shapes": shapes, "imagePath": f"i{n}.png",
                   "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH,
                   **{key: make(n) for key, make in entries.items()}}
        (root / f"i{n}.json").write_text(json.dumps(content))


def in_base64(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def write_cvat(root, shapes, count=4, extra=""):
    write_pictures(root / "images", [f"i{n}.png" for n in range(count)])
    images = "".join(f'<image id="{n}" name="i{n}.png" width="{WIDTH}" height="{HEIGHT}">{shapes}'
                     "</image>" for n in range(count))
    (root / "annotations.xml").write_text(
        "<annotations><version>1.1</version><meta><job><labels><label><name>cat</name></label>"
        f"<label><name>dog</name></label></labels></job></meta>{images}{extra}</annotations>")


def write_via(root, regions, count=4):
    write_pictures(root, [f"i{n}.png" for n in range(count)])
    (root / "via.json").write_text(json.dumps({"_via_settings": {}, "_via_img_metadata": {
        f"i{n}.png100": {"filename": f"i{n}.png", "size": 100, "regions": regions}
        for n in range(count)}}))


def write_roboflow(root, splits=("train", "valid")):
    """Roboflow's COCO export: a file in each split's folder, a first category that groups."""
    for split in splits:
        write_pictures(root / split, [f"{split}{n}.png" for n in range(2)])
        images = [{"id": n, "file_name": f"{split}{n}.png", "width": WIDTH, "height": HEIGHT}
                  for n in range(2)]
        annotations = [{"id": n, "image_id": n, "category_id": 1, "bbox": [2, 3, 10, 5], "area": 50,
                        "segmentation": [[2, 3, 12, 3, 12, 8]], "iscrowd": 0} for n in range(2)]
        categories = [{"id": 0, "name": "cells", "supercategory": "none"},
                      {"id": 1, "name": "cat", "supercategory": "cells"}]
        (root / split / "_annotations.coco.json").write_text(json.dumps(
            {"images": images, "annotations": annotations, "categories": categories}))
