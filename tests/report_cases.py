"""Runs of a few files, as the frameworks leave them, and detections at random."""

import json

import numpy as np
from PIL import Image

from resnest_dense.report.measures.instances import measure
from resnest_dense.report.run import InstanceFiles
from resnest_dense.training.record import RECORD, fingerprint

# Numbers of objects that no recall of COCO's 101 is a fraction of, and so where rounding decides.
WANTED = (37, 41, 53)
NAMES = ("<script>alert(1)</script>", "$x^ & co", "Blutkörperchen")


def random_set(folder, *, seed=0, images=9, wanted=WANTED, crowds=0):
    """A COCO-format set of boxes, and results of each kind of error, in files."""
    rng = np.random.default_rng(seed)
    objects, results = [], []

    def box_like(box, amount):
        return [float(v) for v in np.maximum(np.array(box) + rng.normal(0, amount, 4), 1)]

    for label, count in enumerate(wanted):
        for _ in range(count):
            box = [float(v) for v in (*rng.uniform(0, 160, 2), *rng.uniform(6, 130, 2))]
            image = int(rng.integers(1, images + 1))
            objects.append(dict(id=len(objects) + 1, image_id=image, category_id=label + 1,
                                bbox=box, area=box[2] * box[3], iscrowd=0, segmentation=[]))
            for _ in range(rng.integers(0, 4)):  # missed, met, met twice; of a class at random
                other = rng.uniform() < 0.25
                results.append(dict(
                    image_id=image, score=float(rng.uniform(0.05, 1)),
                    category_id=int(rng.integers(len(wanted)) if other else label) + 1,
                    bbox=box_like(box, rng.choice([1, 6, 18]))))
    for _ in range(60):  # on nothing
        results.append(dict(image_id=int(rng.integers(1, images + 1)), score=float(rng.uniform()),
                            category_id=int(rng.integers(len(wanted))) + 1,
                            bbox=[float(v) for v in rng.uniform(5, 90, 4)]))
    for _ in range(crowds):
        objects.append(dict(id=len(objects) + 1, image_id=1, category_id=1, bbox=[0, 0, 90, 90],
                            area=8100, iscrowd=1,
                            segmentation=dict(size=[200, 250], counts=[0, 18000, 32000])))
    return write_set(folder, objects, results, images=images, classes=NAMES[:len(wanted)])


def write_set(folder, objects, results, *, images=1, classes=NAMES):
    """A set with these annotations and results, whose images are of one colour."""
    (folder / "images").mkdir(parents=True)
    (folder / "inference").mkdir()
    entries = [dict(id=i + 1, file_name=f"<b>{i}.png", width=250, height=200)
               for i in range(images)]
    for entry in entries:
        Image.new("RGB", (250, 200), (90, 120, 90)).save(folder / "images" / entry["file_name"])
    truth = dict(images=entries, annotations=objects, categories=[
        dict(id=i + 1, name=name) for i, name in enumerate(classes)])
    (folder / "truth.json").write_text(json.dumps(truth))
    found = folder / "inference/coco_instances_results.json"
    found.write_text(json.dumps(results))
    return InstanceFiles("own_val", folder / "truth.json", folder / "images", found,
                         fingerprint(folder / "truth.json"))


def scored(folder, **options):
    """The boxes of :func:`random_set` against the truth."""
    (scores,) = measure(random_set(folder, **options))
    return scores


def write_detector_run(folder, *, done=40, evaluated=True):
    """The files of a detector's run, as detectron2 and our tools leave them."""
    files = random_set(folder)
    start = dict(
        time="2026-01-02T03:04:05+00:00", command=["train_net.py", "--name", "<i>"], cwd="",
        seed=3, versions={"torch": "2.11.0", "mmcv": None}, commit="abc+", weights={},
        data={"own_val": {str(files.truth): files.fingerprint, str(files.images): "9 files"}},
        config=dict(MODEL={}, SOLVER=dict(MAX_ITER=40, IMS_PER_BATCH=2),
                    DATASETS=dict(TRAIN=["own_train"], TEST=["own_val"]),
                    TEST=dict(DETECTIONS_PER_IMAGE=100, KEYPOINT_OKS_SIGMAS=[])))
    (folder / RECORD).write_text(json.dumps(start) + "\n")
    rows = [dict(iteration=i, total_loss=3 / (i + 1), loss_cls=1 / (i + 1), lr=0.01, time=0.5,
                 data_time=0.1) for i in range(19, done, 20)]
    if evaluated:
        rows.append({"iteration": done, "bbox/AP": 12.5, "bbox/AP50": 30.0,
                     "bbox/APl": float("nan")})
    (folder / "metrics.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows)
                                         + '{"iteration": 5')  # as a kill leaves it
    if not evaluated:
        files.results.unlink()
    (folder / "log.txt").write_text(
        "[01/02 03:04:05] resnest_dense.d2.data.checks INFO: Data set own_val:\n"
        "truth.json: 9 images\nno problems found\n"
        "[01/02 03:04:06] resnest_dense.d2.train.trainer WARNING: Preflight, weights: warning: all "
        "are random\n[01/02 03:04:07] d2.utils.events INFO: eta: 0:01 max_mem: 1234M\n"
        "[01/02 03:04:08] d2.engine.hooks INFO: Total training time: 0:01:30 (0:00:01 on hooks)\n"
        "[01/02 03:04:09] resnest_dense.d2.train.evaluation INFO: Evaluation of own_val: network "
        "0.1 s/img, post-processing 0.2 s/img, metrics 0.1 s for 9 images; 9% is not.\n")
    return folder
