"""Time and memory of ``resnest-dense check-data`` on a set of the size of COCO train2017.

    python -m benchmarks.check_data --out benchmarks/results/check_data.md

The set is generated: 118,287 images of 640x480 and 860,001 objects with polygons of as many points
as COCO's (28 on average), every hundredth a crowd as RLE. The images are one JPEG under many names,
whose heads are opened and compared as in a real check, which runs in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from resnest_dense.analysis import describe_machine
from resnest_dense.data.coco.check import check_coco

IMAGES, ANNOTATIONS, CATEGORIES = 118_287, 860_001, 80
WIDTH, HEIGHT = 640, 480
SHAPES = 5000  # different objects, used again and again
LINKS = 10_000  # names of one image file; file systems have a limit
SECONDS, GIGABYTES = 60, 6


def object_of(rng: np.random.Generator, *, crowd: bool) -> str:
    """What an annotation says of its object: a polygon around a centre, or the RLE of a box."""
    x, y = rng.uniform(60, WIDTH - 60), rng.uniform(60, HEIGHT - 60)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 4 + rng.geometric(1 / 25)))
    points = np.stack([x + 50 * np.cos(angles), y + 50 * np.sin(angles)], axis=1).round(2)
    low, high = points.min(axis=0), points.max(axis=0)
    mask = [points.ravel().tolist()]
    if crowd:
        solid = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
        solid[int(low[1]):int(high[1]) + 1, int(low[0]):int(high[0]) + 1] = 1
        encoded = coco_mask.encode(solid)
        mask = {"size": [HEIGHT, WIDTH], "counts": encoded["counts"].decode()}
    box = [*low.tolist(), *(high - low).round(2).tolist()]
    text = json.dumps({"segmentation": mask, "bbox": box, "area": box[2] * box[3],
                       "iscrowd": int(crowd)})
    return text[1:-1]


def write_set(folder: Path) -> tuple[Path, Path]:
    """Writes the set; returns the paths of the JSON file and of the images."""
    rng = np.random.default_rng(0)
    shapes = [object_of(rng, crowd=i % 100 == 0) for i in range(SHAPES)]
    images = folder / "images"
    images.mkdir()
    pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    entries = []
    for i in range(1, IMAGES + 1):
        name = f"{i:012d}.jpg"
        if i % LINKS == 1:
            original = images / name
            Image.fromarray(pixels).save(original, quality=50)
        else:
            os.link(original, images / name)
        entries.append({"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT})
    categories = [{"id": i, "name": f"class {i}"} for i in range(1, CATEGORIES + 1)]
    with open(folder / "set.json", "w") as file:
        file.write(f'{{"images": {json.dumps(entries)}, "categories": {json.dumps(categories)}, '
                   '"annotations": [')
        for i in range(1, ANNOTATIONS + 1):
            file.write(f'{"" if i == 1 else ","}{{"id": {i}, "image_id": {1 + i % IMAGES}, '
                       f'"category_id": {1 + i % CATEGORIES}, {shapes[i % SHAPES]}}}')
        file.write("]}")
    return folder / "set.json", images


def measure(json_path: str, images: str, check_images: bool) -> dict:
    """Seconds of a check, the most memory of this process in GB, and what was found."""
    start = time.perf_counter()
    report = check_coco(json_path, images, class_count=CATEGORIES, need_masks=True,
                        mask_format="polygon", check_images=check_images)
    seconds = time.perf_counter() - start
    # ru_maxrss is in kB on Linux.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    assert report.annotations == ANNOTATIONS and not report.errors, report.table()
    return {"seconds": seconds, "memory": memory}


def measure_apart(json_path: Path, images: Path, check_images: bool) -> dict:
    """What :func:`measure` gives in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.check_data", "--measure", str(json_path),
               str(images), str(int(check_images))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        json_path, images, check_images = args.measure
        return print(json.dumps(measure(json_path, images, check_images == "1")))
    with tempfile.TemporaryDirectory() as folder:
        json_path, images = write_set(Path(folder))
        size = json_path.stat().st_size / 1e6
        rows = [(what, measure_apart(json_path, images, check_images)) for what, check_images in
                (("the JSON file alone", False), ("with the heads of all images", True))]
    text = "\n".join([
        "# check-data on a set of COCO's size", "",
        f"{ANNOTATIONS:,} generated annotations over {IMAGES:,} images, {size:.0f} MB of JSON. "
        f"Targets: {SECONDS} s and {GIGABYTES} GB for the JSON file. {describe_machine()}.", "",
        "| checked | seconds | memory, GB |", "|---|---|---|",
        *(f"| {what} | {row['seconds']:.1f} | {row['memory']:.2f} |" for what, row in rows), ""])
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
