"""A COCO-format set that a small detector learns in seconds: a red box and a blue disc on grey."""

import json

import numpy as np
from PIL import Image, ImageDraw

CATEGORIES = {3: "box", 17: "disc"}
SIZE = (96, 64)


def write_easy_shapes(folder, count=8):
    """Writes ``images/`` and ``easy.json``; returns the paths of both."""
    rng = np.random.default_rng(1)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(1, count + 1):
        picture = Image.fromarray(rng.integers(90, 120, (SIZE[1], SIZE[0], 3), dtype=np.uint8))
        pen = ImageDraw.Draw(picture)
        for left, category in zip((4, 52), rng.permutation(list(CATEGORIES))):
            x, y = left + int(rng.integers(0, 12)), int(rng.integers(2, 30))
            side = int(rng.integers(24, 32))
            angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            outline = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
            if CATEGORIES[int(category)] == "disc":
                outline = [(x + side / 2 * (1 + np.cos(a)), y + side / 2 * (1 + np.sin(a)))
                           for a in angles]
            pen.polygon(outline, fill=(200, 30, 30) if len(outline) == 4 else (30, 40, 210))
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": int(category),
                "bbox": [x, y, side, side], "area": side * side, "iscrowd": 0,
                "segmentation": [[float(v) for point in outline for v in point]]})
        name = f"{number}.png"
        picture.save(folder / "images" / name)
        images.append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
    content = {"images": images, "annotations": annotations,
               "categories": [{"id": i, "name": name} for i, name in CATEGORIES.items()]}
    (folder / "easy.json").write_text(json.dumps(content))
    return folder / "images", folder / "easy.json"
