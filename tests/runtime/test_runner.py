"""Exported files as a user runs them: opened, fed with images, and what is wrong with them told."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from exported import (
    DETECTOR,
    PANOPTIC,
    SEGMENTOR,
    colour_cells,
    write_detector,
    write_openvino,
    write_segmentor,
)
from PIL import Image

from resnest_dense import ResNeStError, ResNeStValueError
from resnest_dense.cli import main
from resnest_dense.runtime import Detections, Labels, Runner, draw_found
from resnest_dense.runtime.contract import KEY, Resize, Thresholds, Window

CELLS = {(1, 2): 0, (3, 5): 2, (0, 0): 1}
IMAGE = colour_cells(100, 130, CELLS)


@pytest.fixture(scope="module", params=["onnx", "xml"])
def detector(request, tmp_path_factory):
    path = write_detector(tmp_path_factory.mktemp("models") / "detector.onnx")
    return path if request.param == "onnx" else write_openvino(
        path, path.with_suffix(".xml"), DETECTOR)


def test_boxes_masks_and_scores_in_pixels_of_the_image(detector):
    found = Runner(detector)(IMAGE)
    np.testing.assert_allclose(found.scores, np.array([220, 210, 200]) / 255, rtol=1e-5)
    assert found.classes.tolist() == [2, 1, 0]
    np.testing.assert_array_equal(found.boxes, [[80, 48, 96, 64], [0, 0, 16, 16], [32, 16, 48, 32]])
    disc = found.masks[0].whole((100, 130))
    assert disc[56, 88] and not disc[49, 81] and 150 < disc.sum() < 200


def test_images_of_several_sizes_at_once_find_what_each_finds_alone(detector):
    run = Runner(detector)
    images = [colour_cells(60 + 25 * i, 150 - 20 * i, {(i % 3, 1): i % 3, (2, 0): 0})
              for i in range(5)] + [IMAGE * 0, IMAGE[..., 0], IMAGE]
    for one, image in zip(run.find(images), images, strict=True):
        alone = run(image)
        for name in ("boxes", "scores", "classes"):
            np.testing.assert_array_equal(getattr(one, name), getattr(alone, name))
        assert one.size == image.shape[:2] and len(one.masks) == len(one.boxes)
    assert [len(run(IMAGE * 0).boxes) for _ in range(3)] == [0, 0, 0]
    assert run.find([]) == []


def test_a_resized_image_gives_boxes_in_its_own_pixels(tmp_path):
    run = Runner(write_detector(tmp_path / "m.onnx", resize=Resize("stretch", (200, 260))))
    found = run(IMAGE)  # of half that size: cells of 8 pixels, which take in the borders of 16
    big = Runner(write_detector(tmp_path / "n.onnx"))(np.asarray(
        Image.fromarray(IMAGE).resize((260, 200), Image.Resampling.BILINEAR)))
    np.testing.assert_array_equal(found.boxes * 2, big.boxes)
    assert len(found.boxes) == 12


def test_thresholds(detector, tmp_path):
    assert Runner(detector, threshold=0.8)(IMAGE).classes.tolist() == [2, 1]
    strict = write_detector(tmp_path / "m.onnx", thresholds=Thresholds(0.6, 0.5, 100))
    with pytest.raises(ResNeStValueError, match="exported with 0.6"):
        Runner(strict, threshold=0.5)
    with pytest.raises(ResNeStValueError, match="0 to 1"):
        Runner(detector, threshold=50)


def test_normalisation_inside_the_graph_takes_plain_rgb(tmp_path):
    seen = {}
    run = Runner(write_detector(tmp_path / "m.onnx", preprocess="inside"))
    run._run = lambda arrays: seen.update(arrays) or {
        "boxes": np.zeros((0, 4), np.float32), "scores": np.zeros(0, np.float32),
        "classes": np.zeros(0, int), "image_index": np.zeros(0, int)}
    run(IMAGE)
    assert seen["images"].dtype == np.uint8 and seen["images"].shape == (1, 3, 128, 160)
    np.testing.assert_array_equal(seen["images"][0, :, :100, :130].transpose(1, 2, 0), IMAGE)
    np.testing.assert_array_equal(seen["sizes"], [[100, 130]])
    outside = Runner(write_detector(tmp_path / "n.onnx", pad_value=-7.0))
    outside._run = run._run
    outside(IMAGE)
    assert seen["images"][0, :, 101, 3].tolist() == [-7] * 3
    np.testing.assert_array_equal(seen["images"][0, :, 20, 40], IMAGE[20, 40, ::-1] - [10., 20, 30])


@pytest.mark.parametrize("window", [None, Window((32, 64), (20, 48))])
def test_labels(tmp_path, window):
    model = write_segmentor(tmp_path / "m.onnx", replace(SEGMENTOR, window=window))
    found = Runner(model)(IMAGE)
    wanted = np.zeros((100, 130), np.uint8)
    for (row, column), channel in CELLS.items():
        wanted[row * 16:row * 16 + 16, column * 16:column * 16 + 16] = channel + 1
    assert isinstance(found, Labels) and (found.pixels != wanted).mean() < 0.02
    shares = found.shares(SEGMENTOR.classes)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5) and shares["red"] > 0.015


def test_pictures_show_what_was_found(tmp_path):
    found = Runner(write_detector(tmp_path / "m.onnx"))(IMAGE)
    drawn = np.asarray(draw_found(IMAGE, found, DETECTOR.classes, enlarge=False)).astype(int)
    assert drawn.shape == IMAGE.shape
    assert (np.abs(drawn - IMAGE).sum(axis=2) > 40)[48:64, 80:96].mean() > 0.3
    assert draw_found(IMAGE, found, DETECTOR.classes).width == 480


def test_predict_writes_panoptic_segments(tmp_path, capsys):
    model = write_detector(tmp_path / "m.onnx", PANOPTIC)
    for name, cells in (("a", CELLS), ("b", {})):
        Image.fromarray(colour_cells(64, 96, cells)).save(tmp_path / f"{name}.png")
    assert main(["predict", str(model), str(tmp_path / "[ab].png"), "--out",
                 str(tmp_path / "out")]) == 0
    assert "2 images" in capsys.readouterr().out
    written = json.loads((tmp_path / "out/panoptic.json").read_text())
    first, second = written["annotations"]
    assert [one["category_id"] for one in first["segments_info"]] == [9, 5, 1, 20]
    assert [one["category_id"] for one in second["segments_info"]] == [20]
    coded = np.asarray(Image.open(tmp_path / "out/panoptic/a.png")).astype(int) @ [1, 256, 65536]
    for one in first["segments_info"]:
        assert (coded == one["id"]).sum() == one["area"] > 0


def test_predict_annotates_a_video(tmp_path):
    cv2 = pytest.importorskip("cv2")
    video = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10,
                            (130, 100))
    for _ in range(3):
        video.write(np.ascontiguousarray(IMAGE[..., ::-1]))
    video.release()
    for write in (write_detector, write_segmentor):
        model = write(tmp_path / "m.onnx")
        assert main(["predict", str(model), str(tmp_path / "v.mp4"), "--out",
                     str(tmp_path / "out")]) == 0
        frames = json.loads((tmp_path / "out/v.json").read_text())["frames"]
        found = frames[2]["found"]
        assert len(frames) == 3
        assert len(found) == 3 if isinstance(found, list) else found["blue"] > 0.01


def without_metadata(path):
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def test_the_contract_beside_the_file_serves_where_there_is_none_in_it(tmp_path):
    path = without_metadata(write_detector(tmp_path / "m.onnx"))
    with pytest.raises(ResNeStValueError, match="not exported by resnest_dense.*m.onnx.json"):
        Runner(path)
    (tmp_path / "m.onnx.json").write_text(DETECTOR.to_json())
    assert isinstance(Runner(path)(IMAGE), Detections)
    (tmp_path / "m.onnx.json").write_text('{"task": "detect"}')
    with pytest.raises(ResNeStValueError, match="m.onnx.json: .*not complete"):
        Runner(path)


def test_files_that_cannot_be_run(tmp_path, capsys):
    good = write_detector(tmp_path / "m.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(good.read_bytes()[:500])
    wrong = tmp_path / "wrong.xml"
    wrong.write_text("<net>")
    features = write_segmentor(tmp_path / "f.onnx", replace(SEGMENTOR, task="features"))
    for path, words in ((broken, "no model that onnxruntime can run"),
                        (wrong, "no model that openvino can run"), (tmp_path / "n.onnx", "No exp"),
                        (tmp_path / "m.pt", "ends in"), (features, "gives features")):
        with pytest.raises(ResNeStError, match=words):
            Runner(path)
    with pytest.raises(ResNeStValueError, match="device='tpu'"):
        Runner(good, device="tpu")
    with pytest.raises(ResNeStValueError, match="shape"):
        Runner(good)(np.zeros((4, 4, 3)))
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    image = str(tmp_path / "a.png")
    for words, message in (([str(good), image, "--classes", "c.json"], "brings its classes"),
                           (["resnest50_mask_rcnn", image], "give a checkpoint")):
        assert main(["predict", *words]) == 2
        assert message in capsys.readouterr().err


def test_the_metadata_key_is_the_one_that_is_read(tmp_path):
    props = onnx.load(write_detector(tmp_path / "m.onnx")).metadata_props
    assert [one.key for one in props] == [KEY] == ["resnest_dense"]
