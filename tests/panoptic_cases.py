"""A small COCO panoptic set without a flaw, and the ways to break it."""

import json
import shutil

import numpy as np
from coco_cases import Case
from PIL import Image

SIZE = (16, 12)  # width, height
CATEGORIES = [{"id": 1, "name": "cat", "isthing": 1}, {"id": 3, "name": "dog", "isthing": 1},
              {"id": 5, "name": "sky", "isthing": 0}, {"id": 8, "name": "grass", "isthing": 0}]
# category id -> segment id; ids of each byte of the colour, to tell their order
SEGMENTS = {1: 7, 3: 256 * 9, 5: 65536 * 5, 8: 1 + 256 * 2 + 65536 * 3}


def segment_ids():
    """(H, W) segment ids: two objects above, sky and grass below, the first row unlabelled."""
    ids = np.zeros(SIZE[::-1], dtype=np.int64)
    ids[1:6, :8], ids[1:6, 8:] = SEGMENTS[1], SEGMENTS[3]
    ids[6:, :10], ids[6:, 10:] = SEGMENTS[5], SEGMENTS[8]
    return ids


def save_ids(ids, path):
    Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
                    .astype(np.uint8)).save(path)


def write_good_panoptic(folder):
    """Two images; returns the content of the panoptic and of the instance file."""
    for name in ("images", "pngs", "stuff"):
        (folder / name).mkdir()
    images, annotations, instances = [], [], []
    for number, name in ((1, "a"), (2, "b")):
        Image.new("RGB", SIZE, (90, 80, 70)).save(folder / "images" / f"{name}.jpg")
        ids = segment_ids()
        save_ids(ids, folder / "pngs" / f"{name}.png")
        Image.new("L", SIZE, 255).save(folder / "stuff" / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.jpg", "width": 16, "height": 12})
        annotations.append({"image_id": number, "file_name": f"{name}.png", "segments_info": [
            {"id": segment, "category_id": category, "iscrowd": 0,
             "area": int((ids == segment).sum())}
            for category, segment in SEGMENTS.items()]})
        for x, category in ((0, 1), (8, 3)):
            instances.append({"id": len(instances) + 1, "image_id": number, "category_id": category,
                              "bbox": [x, 1, 8, 5], "area": 40, "iscrowd": 0,
                              "segmentation": [[x, 1, x + 8, 1, x + 8, 6, x, 6]]})
    things = [{"id": c["id"], "name": c["name"]} for c in CATEGORIES if c["isthing"]]
    return ({"images": images, "annotations": annotations,
             "categories": [dict(category) for category in CATEGORIES]},
            {"images": [dict(i) for i in images], "annotations": instances, "categories": things})


def write_broken_panoptic(folder, case):
    """Writes the good set with one thing broken; returns the paths of its files and folders."""
    content, instances = write_good_panoptic(folder)
    case.breaks(content, folder, *([instances] if case.kinds.startswith("instances") else []))
    for name, value in (("panoptic.json", content), ("instances.json", instances)):
        (folder / name).write_text(json.dumps(value))
    return (folder / "panoptic.json", folder / "pngs", folder / "images", folder / "instances.json")


def _entry(**changes):
    return lambda content, folder: content["annotations"][1].update(changes)


def _without_entry(key):
    return lambda content, folder: content["annotations"][1].pop(key)


def _segment(**changes):
    return lambda content, folder: content["annotations"][1]["segments_info"][1].update(changes)


def _without_segment(key):
    return lambda content, folder: content["annotations"][1]["segments_info"][1].pop(key)


def _png(change):
    def breaks(content, folder):
        ids = segment_ids()
        save_ids(change(ids), folder / "pngs/b.png")
    return breaks


def _paint(ids):
    ids[0, :3] = 99
    return ids


def _no_stuff(content, folder):
    for entry in content["annotations"]:
        entry["segments_info"] = entry["segments_info"][:2]
    for name in "ab":
        ids = segment_ids()
        ids[6:] = 0
        save_ids(ids, folder / f"pngs/{name}.png")


def _same_stem(content, folder):
    shutil.copy(folder / "images/b.jpg", folder / "images/a.png")
    content["images"][1]["file_name"] = "a.png"


def _repeat_image(content, folder):
    content["annotations"].append(dict(content["annotations"][1]))


def _gray(content, folder):
    Image.new("L", SIZE).save(folder / "pngs/b.png")


PANOPTIC_CASES = [
    Case("thing-count", ("80 in the model, 2 in the set", "NUM_CLASSES"), lambda c, f: None,
         {"thing_count": 80}),
    Case("stuff-count", ("53 in the model, 2 in the set", "SEM_SEG_HEAD"), lambda c, f: None,
         {"stuff_count": 53}),
    Case("panoptic-one-sided", ("no stuff among 4 segments",), _no_stuff),
    Case("panoptic-file-name", ("annotations[1] (image_id 2)",), _without_entry("file_name")),
    Case("panoptic-image-unknown panoptic-image-missing instances-images",
         ("annotations[1] (image_id 9)",), _entry(image_id=9)),
    Case("panoptic-image-repeated", ("image id 2, 2 times",), _repeat_image),
    Case("panoptic-image-missing instances-images", ("'b.jpg', image id 2",),
         lambda content, folder: content["annotations"].pop()),
    Case("panoptic-stem-repeated", ("'a', 2 times",), _same_stem),
    Case("segment-id segment-unseen png-colour-unknown", ("segment id 0 of 'b.png'",),
         _segment(id=0)),
    Case("segment-id segment-unseen png-colour-unknown", ("segment id '9' of 'b.png'",),
         _segment(id="9")),
    Case("segment-id-repeated png-colour-unknown", ("segment id 7 of 'b.png', 2 times",),
         _segment(id=7)),
    Case("segment-category-unknown", ("segment id 2304 of 'b.png': category_id=2",),
         _segment(category_id=2)),
    Case("segment-crowd", ("segment id 2304 of 'b.png': iscrowd=None",),
         _without_segment("iscrowd")),
    Case("segment-area", ("segment id 2304 of 'b.png': area=41, 40 pixels",), _segment(area=41)),
    Case("segment-area", ("area=None, 40 pixels",), _without_segment("area")),
    Case("segment-unseen segment-area", ("segment id 2304 of 'b.png'",),
         _png(lambda ids: np.where(ids == SEGMENTS[3], SEGMENTS[1], ids))),
    Case("png-folder", ("pngs",), lambda content, folder: shutil.rmtree(folder / "pngs")),
    Case("png-missing", ("image id 2: no file", "b.png"),
         lambda content, folder: (folder / "pngs/b.png").unlink()),
    Case("png-unreadable", ("b.png", "cannot identify"),
         lambda content, folder: (folder / "pngs/b.png").write_text("<html>")),
    Case("png-mode", ("b.png: mode L", "R + 256 G"), _gray),
    Case("png-size segment-area", ("b.png is 16x6, the JSON says 16x12",),
         _png(lambda ids: ids[::2])),
    Case("png-colour-unknown", ("b.png: 3 pixels of (99, 0, 0), id 99",), _png(_paint)),
    Case("png-void segment-unseen", ("b.png",), _png(np.zeros_like)),
    Case("stuff-missing", ("image id 2: no file", "stuff/b.png", "derived"),
         lambda content, folder: (folder / "stuff/b.png").unlink()),
    Case("stuff-missing", ("stuff/b.png: cannot identify",),
         lambda content, folder: (folder / "stuff/b.png").write_text("")),
    Case("stuff-mode", ("stuff/b.png: mode P",), lambda content, folder: Image.new(
        "P", SIZE).save(folder / "stuff/b.png")),
    Case("stuff-size", ("stuff/b.png is 12x16, the JSON says 16x12",),
         lambda content, folder: Image.new("L", SIZE[::-1]).save(folder / "stuff/b.png")),
    Case("stuff-label", ("stuff/b.png has 3, and there are 2",),
         lambda content, folder: Image.new("L", SIZE, 3).save(folder / "stuff/b.png")),
    Case("instances-things", ("category id 3: 'pig' there, 'dog' here",),
         lambda content, folder, instances: instances["categories"][1].update(name="pig")),
    Case("instances-images", ("'c.jpg', image id 3",),
         lambda content, folder, instances: instances["images"].append(
             {"id": 3, "file_name": "c.jpg", "width": 16, "height": 12})),
]
