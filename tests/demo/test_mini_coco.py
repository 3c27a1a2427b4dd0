from itertools import combinations

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from demo import mini_coco
from demo.mini_coco import write_mini_coco
from demo.scenes import draw_scene
from demo.toys import CATEGORIES, SUPERSAMPLING
from resnest_dense import ResNeStValueError


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_mini_coco(tmp_path_factory.mktemp("mini"), train=41, val=21)


@pytest.fixture(scope="module", params=["train", "val"])
def split(request, written):
    """The COCO index of a split and the folder of its images."""
    return (COCO(str(getattr(written, f"{request.param}_json"))),
            getattr(written, f"{request.param}_images"))


def toys(coco):
    return coco.loadAnns(coco.getAnnIds(iscrowd=False))


def files(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}


def test_paths_are_those_of_coco(written):
    root = written.train_json.parents[1]
    assert written.train_json == root / "annotations" / "instances_train.json"
    assert written.val_json == root / "annotations" / "instances_val.json"
    assert (written.train_images, written.val_images) == (root / "train", root / "val")
    assert (root / "val" / "000000000001.jpg").is_file()


def test_every_field_of_coco_is_there(split):
    dataset = split[0].dataset
    assert set(dataset) == {"info", "licenses", "images", "annotations", "categories"}
    assert {"id", "file_name", "width", "height", "license"} <= set(dataset["images"][0])
    fields = {"id", "image_id", "category_id", "iscrowd", "segmentation", "area", "bbox"}
    assert all(set(annotation) == fields for annotation in dataset["annotations"])


def test_ids_are_unique_and_category_ids_have_gaps(split):
    dataset = split[0].dataset
    for kind in ("images", "annotations", "categories"):
        ids = [entry["id"] for entry in dataset[kind]]
        assert len(set(ids)) == len(ids)
    ids = sorted(category["id"] for category in dataset["categories"])
    assert len(ids) >= 4 and all(after - before > 1 for before, after in zip(ids, ids[1:]))
    assert {annotation["category_id"] for annotation in toys(split[0])} == set(ids)


def test_image_files_have_the_size_given(split):
    coco, folder = split
    for image in coco.dataset["images"]:
        pixels = cv2.imread(str(folder / image["file_name"]))
        assert pixels.shape == (image["height"], image["width"], 3) == (128, 160, 3)


def test_holds_the_hard_cases_of_coco(split):
    coco, _ = split
    assert any(not coco.getAnnIds(imgIds=image) for image in coco.imgs)
    assert any(annotation["iscrowd"] for annotation in coco.anns.values())
    assert any(len(toy["segmentation"]) > 1 for toy in toys(coco))
    areas = [toy["area"] for toy in toys(coco)]
    assert min(areas) < 32**2 and max(areas) > 96**2


def test_masks_give_the_areas_and_boxes(split):
    coco, _ = split
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        rows, columns = np.nonzero(mask)
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert annotation["area"] == mask.sum() > 0
        assert tuple(annotation["bbox"]) == box


def test_crowds_are_uncompressed_run_lengths(split):
    coco, _ = split
    for crowd in coco.loadAnns(coco.getAnnIds(iscrowd=True)):
        counts = crowd["segmentation"]["counts"]
        assert crowd["segmentation"]["size"] == [128, 160] and sum(counts) == 128 * 160
        assert sum(counts[1::2]) == crowd["area"]


def test_boxes_overlap_but_visible_parts_do_not(split):
    coco, _ = split
    overlaps = 0
    for image in coco.imgs:
        seen = [(coco.annToMask(toy), toy["bbox"]) for toy in coco.imgToAnns[image]]
        for (first, (x, y, width, height)), (second, _) in combinations(seen, 2):
            overlaps += second[int(y):int(y + height), int(x):int(x + width)].sum() > 50
            border = 0.1 * np.sqrt(first.sum() + second.sum()) + 8  # pixels that outlines share
            assert np.sum(first & second) <= border
    assert overlaps > 10


def test_masks_are_the_parts_painted_in_view(tmp_path, monkeypatch):
    scenes = []

    def record(*args, **options):
        scenes.append(draw_scene(*args, **options))
        return scenes[-1]

    monkeypatch.setattr(mini_coco, "draw_scene", record)
    coco = COCO(str(write_mini_coco(tmp_path, train=20, val=3).train_json))
    painted = [toy for scene in scenes[:20] for toy in scene.toys]
    annotated = sorted(coco.anns.values(), key=lambda annotation: annotation["id"])
    assert len(painted) == len(annotated) > 40
    for toy, annotation in zip(painted, annotated):
        fine = np.kron(coco.annToMask(annotation), np.ones((SUPERSAMPLING, SUPERSAMPLING))) > 0
        assert annotation["category_id"] == toy.category.id
        assert np.sum(fine & toy.mask) > 0.88 * np.sum(fine | toy.mask)


def test_hue_hints_at_the_category_without_giving_it_away(split):
    coco, folder = split
    right = []
    for toy in toys(coco):
        photo = cv2.imread(str(folder / coco.imgs[toy["image_id"]]["file_name"]))
        colour = photo[coco.annToMask(toy) > 0].mean(0).astype(np.uint8)
        hue = cv2.cvtColor(colour[None, None], cv2.COLOR_BGR2HSV)[0, 0, 0] / 180
        nearest = min(CATEGORIES, key=lambda kind: abs((hue - kind.hue + 0.5) % 1 - 0.5))
        right.append(nearest.id == toy["category_id"])
    assert 0.6 < np.mean(right) < 0.95


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ground_truth_scores_100(split, kind):
    coco, _ = split
    results = coco.loadRes([
        {"image_id": toy["image_id"], "category_id": toy["category_id"], "score": 1.0,
         **({"bbox": toy["bbox"]} if kind == "bbox" else {"segmentation": coco.annToRLE(toy)})}
        for toy in toys(coco)
    ])
    evaluation = COCOeval(coco, results, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    np.testing.assert_allclose(evaluation.stats[:6], 1)  # AP, AP50, AP75, small, medium, large


def test_same_seed_same_bytes(written, tmp_path):
    write_mini_coco(tmp_path, train=41, val=21)
    assert files(tmp_path) == files(written.train_json.parents[1])


def test_no_image_is_in_two_splits_or_two_seeds(written, tmp_path):
    other = write_mini_coco(tmp_path, train=3, val=3, seed=1)
    images = [path.read_bytes() for folder in (written.train_images, written.val_images,
                                               other.train_images, other.val_images)
              for path in folder.iterdir()]
    assert len(images) == 41 + 21 + 3 + 3 == len(set(images))


def test_more_images_leave_the_first_as_they_were(written, tmp_path):
    fewer = write_mini_coco(tmp_path, train=3, val=3)
    for folder, whole in ((fewer.train_images, written.train_images),
                          (fewer.val_images, written.val_images)):
        assert files(folder).items() <= files(whole).items()


def test_toys_grow_with_the_image(tmp_path):
    def mean_area(width, height):
        set_ = write_mini_coco(tmp_path / str(width), train=12, val=3, size=(width, height))
        assert cv2.imread(str(set_.val_images / "000000000003.jpg")).shape == (height, width, 3)
        return np.mean([toy["area"] for toy in toys(COCO(str(set_.train_json)))])

    assert mean_area(192, 256) > 4 * mean_area(80, 64)


def test_annotations_appear_only_with_all_images(tmp_path, monkeypatch):
    written = write_mini_coco(tmp_path, train=3, val=3)
    monkeypatch.setattr(mini_coco, "draw_scene", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_mini_coco(tmp_path, train=3, val=3)
    assert not written.train_json.exists()


@pytest.mark.parametrize("argument", [{"train": 2}, {"val": 0}, {"size": (640, 63)}, {"seed": -1}])
def test_bad_arguments_are_named(tmp_path, argument):
    name, = argument
    with pytest.raises(ResNeStValueError, match=f"^{name} has .* least"):
        write_mini_coco(tmp_path / "new", **argument)
    assert not (tmp_path / "new").exists()
