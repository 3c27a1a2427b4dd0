"""Predictions of a detector: found where the objects are, written as pictures and as JSON."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import LazyCall, LazyConfig
from detectron2.data import MetadataCatalog
from detectron2.data.detection_utils import read_image
from detectron2.modeling import build_model
from easy_shapes import CATEGORIES, write_easy_shapes
from omegaconf import OmegaConf
from PIL import Image
from pycocotools import mask as masks

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.cli import main
from resnest_dense.configs import find_config
from resnest_dense.d2 import get_cfg
from resnest_dense.d2.classes import Classes, read_classes, write_classes
from resnest_dense.d2.predict.predictions import open_results
from resnest_dense.d2.predict.predictor import DetectionPredictor
from resnest_dense.d2.train import make_parser, run
from resnest_dense.data.inputs import find_images
from resnest_dense.data.results import each_image

DEMO = Path(__file__).parents[3] / "tools/demo.py"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """The easy set: folder of its images, and its annotations by file name."""
    folder = tmp_path_factory.mktemp("shapes")
    images, file = write_easy_shapes(folder)
    content = json.loads(file.read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    truth = {name: [a for a in content["annotations"] if names[a["image_id"]] == name]
             for name in names.values()}
    return images, file, truth


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    """The folder of a run that has learned the easy set."""
    torch.manual_seed(0)
    images, file, _ = shapes
    folder = tmp_path_factory.mktemp("run")
    run(make_parser().parse_args([
        "--config-file", "resnest14_mask_rcnn_mini", "--train-json", str(file), "--train-images",
        str(images), "SOLVER.IMS_PER_BATCH", "4", "SOLVER.MAX_ITER", "60", "SOLVER.WARMUP_ITERS",
        "10", "SOLVER.BASE_LR", "0.02", "TEST.EVAL_PERIOD", "0", "INPUT.MIN_SIZE_TRAIN", "(64,)",
        "INPUT.MIN_SIZE_TEST", "64", "MODEL.DEVICE", "cpu", "DATASETS.TEST", "()",
        "OUTPUT_DIR", str(folder)]))
    return folder


def write_detections(predictor, images, out):
    """What predicting image files has written into detections.json."""
    with open_results(predictor.classes, out) as write:
        assert not each_image(find_images(images), predictor, write)
    return json.loads((out / "detections.json").read_text())


@pytest.fixture(scope="module")
def predictor(trained):
    return DetectionPredictor(trained / "config.yaml", trained / "model_final.pth", device="cpu")


def assert_found(results, truth):
    """Every object has a detection of its class over it, by its box and by its mask."""
    for wanted in truth:
        same = [r for r in results if r["category_id"] == wanted["category_id"]]
        boxes = masks.iou([r["bbox"] for r in same], [wanted["bbox"]], [0])
        assert np.max(boxes, initial=0) > 0.5, (wanted, results)
        [outline] = masks.frPyObjects(wanted["segmentation"], 64, 96)
        assert masks.iou([r["segmentation"] for r in same], [outline], [0]).max() > 0.5


def test_it_finds_the_objects_of_a_folder(trained, shapes, tmp_path, capsys):
    images, _, truth = shapes
    assert main(["predict", str(trained / "config.yaml"), str(trained / "model_final.pth"),
                 str(images), "--out", str(tmp_path), "--device", "cpu"]) == 0
    assert "8 images" in capsys.readouterr().out
    results = json.loads((tmp_path / "detections.json").read_text())
    for name, wanted in truth.items():
        assert_found([r for r in results if r["file_name"] == name], wanted)
        # Small images are drawn larger, so that labels can be read.
        assert Image.open(tmp_path / name).size == (480, 320)


def test_bad_files_are_passed_over_and_told_and_folders_kept(trained, shapes, tmp_path, capsys):
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(shapes[0] / "1.png", tmp_path / name)
    (tmp_path / "a/0.png").write_bytes((shapes[0] / "1.png").read_bytes()[:300])
    (tmp_path / "a/._1.png").write_bytes(bytes(200))
    out = tmp_path / "out"
    assert main(["predict", str(trained / "config.yaml"), str(trained / "model_final.pth"),
                 str(tmp_path), "--out", str(out), "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "2 images" in said.out and "1 of 3 failed" in said.err and "a/0.png" in said.err
    results = json.loads((out / "detections.json").read_text())
    for name in ("a/1.png", "b/1.png"):
        assert_found([r for r in results if r["file_name"] == name], shapes[2]["1.png"])
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == {"a/1.png", "b/1.png", "detections.json", "failures.txt"}


def test_a_lower_threshold_finds_more_and_none_below_it(predictor, trained, shapes):
    low = DetectionPredictor(trained / "config.yaml", trained / "model_final.pth", device="cpu",
                             threshold=0.02)
    image = read_image(str(shapes[0] / "1.png"), "RGB")
    few, many = predictor(image)["instances"], low(image)["instances"]
    assert len(many) > len(few) and few.scores.min() >= 0.5 > many.scores.min() >= 0.02


@pytest.mark.parametrize("change", [
    lambda image: image.convert("RGBA"),
    lambda image: image.resize((192, 128)),
    lambda image: image.resize((61, 41)),
])
def test_images_of_other_kinds_and_sizes(predictor, shapes, change, tmp_path):
    images, _, truth = shapes
    image = change(Image.open(images / "1.png"))
    image.save(tmp_path / "1.png")
    results = write_detections(predictor, [tmp_path / "1.png"], tmp_path / "out")
    scale = np.divide(image.size, (96, 64))
    for wanted in truth["1.png"]:
        box = [list(np.multiply(wanted["bbox"], [*scale, *scale]))]
        same = [r["bbox"] for r in results if r["category_id"] == wanted["category_id"]]
        assert masks.iou(same, box, [0]).max() > 0.5


def test_a_photo_that_is_stored_turned_is_turned_back(predictor, shapes, tmp_path):
    turned = Image.open(shapes[0] / "1.png").transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    turned.save(tmp_path / "1.png", exif=exif)
    results = write_detections(predictor, [tmp_path / "1.png"], tmp_path / "out")
    assert_found(results, shapes[2]["1.png"])


def test_grey_arrays_do_and_other_types_are_refused(predictor):
    assert predictor(np.zeros((64, 96), np.uint8))["instances"].image_size == (64, 96)
    with pytest.raises(ResNeStError, match="float64"):
        predictor(np.zeros((64, 96, 3)))


def test_the_colour_order_of_the_config_reaches_the_network(predictor, monkeypatch):
    seen = []
    monkeypatch.setattr(predictor.model, "preprocess_image",
                        lambda inputs: seen.append(inputs[0]["image"]) or 1 / 0)
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 200
    for order, channel in (("RGB", 0), ("BGR", 2)):
        monkeypatch.setattr(predictor, "format", order)
        with pytest.raises(ZeroDivisionError):
            predictor(red)
        assert seen[-1].mean((1, 2)).argmax() == channel


def test_the_demo_finds_the_objects_in_each_frame_of_a_video(trained, shapes, tmp_path, monkeypatch,
                                                             capsys):
    images, _, truth = shapes
    # Lossless, so that what is tested is not the coding.
    video = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"FFV1"), 7.5, (96, 64))
    for name in list(truth)[:3]:
        video.write(cv2.imread(str(images / name)))
    video.release()
    monkeypatch.setattr(sys, "argv", [
        "demo.py", "--config-file", str(trained / "config.yaml"), "--video-input",
        str(tmp_path / "a.avi"), "--output", str(tmp_path / "out"), "--opts", "MODEL.WEIGHTS",
        str(trained / "model_final.pth")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(DEMO), run_name="__main__")
    assert ended.value.code == 0 and "3 frames" in capsys.readouterr().out
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert (content["fps"], content["width"], content["height"]) == (7.5, 96, 64)
    for number, (frame, name) in enumerate(zip(content["frames"], truth, strict=False)):
        assert frame["frame"] == number
        assert_found(frame["found"], truth[name])
    written = cv2.VideoCapture(str(tmp_path / "out/a.mp4"))
    keys = cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH
    assert [written.get(key) for key in keys] == [7.5, 3, 96]


def test_a_lazy_config_and_what_the_stock_tool_writes_of_it(trained, shapes, tmp_path):
    cfg = get_cfg()
    cfg.merge_from_file(str(trained / "config.yaml"))
    lazy = OmegaConf.create({
        "model": LazyCall(build_model)(cfg=LazyCall(_cfg_of)(text=cfg.dump())),
        "dataloader": {"test": {"mapper": {"image_format": "RGB", "augmentations": [
            {"_target_": "detectron2.data.transforms.ResizeShortestEdge",
             "short_edge_length": 64, "max_size": 160}]}}},
    })
    LazyConfig.save(lazy, str(tmp_path / "config.yaml"))
    (tmp_path / "lazy.py").write_text(
        "from detectron2.config import LazyConfig\n"
        f"cfg = LazyConfig.load({str(tmp_path / 'config.yaml')!r})\n"
        "model, dataloader = cfg.model, cfg.dataloader\n")
    for name in ("config.yaml", "lazy.py"):
        lazy = DetectionPredictor(tmp_path / name, trained / "model_final.pth", device="cpu")
        results = write_detections(lazy, [shapes[0] / "1.png"], tmp_path / "out")
        assert_found(results, shapes[2]["1.png"])


def _cfg_of(text):
    cfg = get_cfg()
    return cfg.__class__.load_cfg(text)


def test_a_backbone_alone_is_refused_with_the_right_pair(trained, tmp_path):
    torch.save(create_backbone("resnest50").state_dict(), tmp_path / "backbone.pth")
    with pytest.raises(ResNeStError, match="would find nothing.*resnest50_mask_rcnn.yaml and "
                       "mask_rcnn_ResNeSt_50_FPN_syncBN_1x.*model_final.pth"):
        DetectionPredictor("resnest50_mask_rcnn", tmp_path / "backbone.pth", device="cpu")


def test_heads_of_other_classes_are_refused(trained):
    words = "is not a checkpoint of .*cls_score.* .3, .* in the file, .6, "
    with pytest.raises(ResNeStError, match=words):
        DetectionPredictor(trained / "config.yaml", trained / "model_final.pth", device="cpu",
                           overrides=["MODEL.ROI_HEADS.NUM_CLASSES", "5"])


def test_class_names_come_from_a_file_that_is_named(trained, shapes, tmp_path):
    shutil.copy(trained / "model_final.pth", tmp_path)
    here = (trained / "config.yaml", tmp_path / "model_final.pth")
    MetadataCatalog.pop("own_train", None)
    write_classes(tmp_path, Classes((1,), ("alone",)))  # the checkpoint knows its own
    known = DetectionPredictor(*here, device="cpu")
    assert dict(zip(known.classes.ids, known.classes.names)) == CATEGORIES
    # Whatever set the config names: here the one of detectron2's defaults.
    other = DetectionPredictor(*here, device="cpu", overrides=[
        "DATASETS.TRAIN", "('coco_2017_train',)", "DATASETS.TEST", "('coco_2017_val',)"])
    assert other.classes == known.classes
    # A file that has them in another order gives its own ids, by name.
    turned = json.loads(shapes[1].read_text())["categories"]
    ids = {one["name"]: 100 - one["id"] for one in turned}
    (tmp_path / "turned.json").write_text(json.dumps({"categories": [
        {"id": number, "name": name} for name, number in ids.items()]}))
    named = DetectionPredictor(*here, device="cpu", classes=tmp_path / "turned.json")
    assert named.classes.names == known.classes.names
    assert named.classes.ids == tuple(ids[name] for name in known.classes.names)
    with pytest.raises(ResNeStError, match="only in .*model_final.pth: .*only in .*: alone"):
        DetectionPredictor(*here, device="cpu", classes=tmp_path / "classes.json")
    weights = torch.load(tmp_path / "model_final.pth")["model"]
    torch.save({"model": weights}, tmp_path / "model_final.pth")  # as older versions wrote them
    with pytest.raises(ResNeStError, match="detects 2 classes, and there are 1"):
        DetectionPredictor(*here, device="cpu")
    (tmp_path / "classes.json").unlink()
    with pytest.raises(ResNeStError, match="--classes"):
        DetectionPredictor(*here, device="cpu")


def test_classes_of_registered_sets_keep_their_ids(tmp_path):
    coco = Classes.from_metadata(MetadataCatalog.get("coco_2017_val_panoptic_separated"))
    assert (coco.ids[-1], coco.names[-1]) == (90, "toothbrush")
    assert (coco.stuff_ids[1], coco.stuff_names[:2]) == (92, ("things", "banner"))
    person = Classes.from_metadata(MetadataCatalog.get("keypoints_coco_2017_val"))
    write_classes(tmp_path, person)
    read = read_classes(tmp_path)
    assert (read.ids, read.names) == ((1,), ("person",))
    assert read.metadata().keypoint_names[0] == "nose"


def test_the_attention_of_a_detector_is_drawn(trained, shapes, tmp_path):
    assert main(["attention", str(trained / "config.yaml"), str(trained / "model_final.pth"),
                 str(shapes[0] / "1.png"), "--out", str(tmp_path), "--device", "cpu"]) == 0
    content = json.loads((tmp_path / "1_attention.json").read_text())
    assert [block["stage"] for block in content["blocks"]] == ["res2", "res3", "res4", "res5"]
    assert (tmp_path / "1_attention.png").is_file()


def random_detector(config, folder, change=lambda model: None, **keys):
    """The predictor of a shipped config with random weights, which finds something everywhere."""
    cfg = get_cfg()
    cfg.merge_from_file(str(find_config(config, "detectron2")))
    options = {"MODEL.DEVICE": "cpu", "INPUT.MIN_SIZE_TEST": 64, **keys}
    cfg.merge_from_list([part for option in options.items() for part in option])
    (folder / "config.yaml").write_text(cfg.dump())
    torch.manual_seed(0)
    model = build_model(cfg)
    change(model)
    torch.save({"model": model.state_dict()}, folder / "model_final.pth")
    return DetectionPredictor(folder / "config.yaml", folder / "model_final.pth", device="cpu",
                              threshold=0.0)


def test_retinanet_writes_boxes_with_the_ids_of_its_data_set(shapes, tmp_path):
    retinanet = random_detector("resnest14_retinanet", tmp_path)
    results = write_detections(retinanet, [shapes[0] / "1.png"], tmp_path)
    assert len(results) > 10 and {r["category_id"] for r in results} <= set(retinanet.classes.ids)
    assert all(len(r["bbox"]) == 4 and set(r) == {
        "file_name", "image_id", "category_id", "bbox", "score"} for r in results)


def test_keypoints_are_written_and_drawn(shapes, tmp_path):
    persons = random_detector("resnest50_keypoint_rcnn_3x", tmp_path, **{
        "MODEL.RESNETS.DEPTH": 14, "MODEL.RPN.POST_NMS_TOPK_TEST": 20,
        "TEST.DETECTIONS_PER_IMAGE": 5})
    results = write_detections(persons, [shapes[0] / "1.png"], tmp_path)
    assert results and all(len(r["keypoints"]) == 17 * 3 for r in results)
    assert {r["category_id"] for r in results} == {1}
    assert persons.classes.metadata().keypoint_names[0] == "nose"


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory):
    """A Panoptic FPN with random weights, that sees one class of stuff where no thing is."""

    def see_one_stuff(model):
        model.sem_seg_head.predictor.weight.data.zero_()
        model.sem_seg_head.predictor.bias.data[13] = 1

    folder = tmp_path_factory.mktemp("panoptic")
    return random_detector("resnest14_mask_rcnn_mini", folder, see_one_stuff, **{
        "TEST.DETECTIONS_PER_IMAGE": 3,
        "MODEL.META_ARCHITECTURE": "PanopticFPN",
        "MODEL.SEM_SEG_HEAD.IN_FEATURES": ["p3", "p4", "p5"],
        "MODEL.SEM_SEG_HEAD.COMMON_STRIDE": 8,
        "MODEL.PANOPTIC_FPN.COMBINE.STUFF_AREA_LIMIT": 1,
        "DATASETS.TEST": ("coco_2017_val_panoptic_separated",)})


def test_panoptic_segments_are_written_as_coco_does(panoptic, shapes, tmp_path):
    write_detections(panoptic, [shapes[0] / "1.png"], tmp_path)
    content = json.loads((tmp_path / "panoptic.json").read_text())
    [entry] = content["annotations"]
    coded = np.asarray(Image.open(tmp_path / "panoptic/1.png")).astype(int)
    ids = coded @ [1, 256, 65536]
    names = {category["id"]: category for category in content["categories"]}
    assert len(names) == 133 and names[1]["isthing"] == 1 and names[92]["isthing"] == 0
    assert ids.shape == (64, 96)
    assert panoptic.classes.stuff_ids[13] in [s["category_id"] for s in entry["segments_info"]]
    for segment in entry["segments_info"]:
        rows, columns = np.nonzero(ids == segment["id"])
        assert segment["area"] == len(rows) > 0
        assert segment["category_id"] in names
        x, y, width, height = segment["bbox"]
        assert (x, y, x + width - 1, y + height - 1) == (
            columns.min(), rows.min(), columns.max(), rows.max())
    assert (tmp_path / "1.png").is_file()


@pytest.mark.parametrize("arguments,code,words", [
    (["a.jpg"], 1, "a.jpg is no image"), (["*.tif"], 2, "no image there"),
    (["gone.mp4"], 2, "no video there"),
    (["bad.mp4"], 1, "bad.mp4 is no video"), (["1.jpg", "1.png"], 2, "same 1.png"),
    (["1.png", "--threshold", "2"], 2, "threshold=2"),
])
def test_what_cannot_be_read_is_named(trained, tmp_path, monkeypatch, capsys, arguments, code,
                                      words):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "bad.mp4"):
        Path(name).write_text("neither")
    for name in ("1.png", "1.jpg"):
        Image.new("RGB", (96, 64)).save(name)
    assert main(["predict", str(trained / "config.yaml"), str(trained / "model_final.pth"),
                 *arguments]) == code
    assert words in capsys.readouterr().err


def test_a_missing_config_or_checkpoint_is_named(trained):
    for config, checkpoint, words in (("no_such_config", "y", "no_such_config"),
                                      (trained / "config.yaml", "gone.pth", "gone.pth")):
        with pytest.raises(ResNeStError, match=words):
            DetectionPredictor(config, checkpoint, device="cpu")


@pytest.mark.parametrize("name,line", [
    ("lazy.py", 'model = LazyCall(dict)(x={}["x"])'), ("error.py", 'model = {}["x"]')])
def test_an_error_of_the_configs_own_code_keeps_its_traceback(name, line, tmp_path, caplog):
    (tmp_path / name).write_text(f"from detectron2.config import LazyCall\n{line}\n")
    with caplog.at_level("DEBUG", "resnest_dense"), pytest.raises(
            ResNeStError, match=f"{name}, line 2: KeyError: 'x'"):
        DetectionPredictor(tmp_path / name, "x.pth", device="cpu")
    assert line in caplog.text and "Traceback" in caplog.text
