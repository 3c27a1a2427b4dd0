"""The service on an exported model: right answers, many at once, and what nobody should send."""

import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import numpy as np
import onnx
import pytest
from exported import PANOPTIC, SEGMENTOR, colour_cells, write_detector, write_segmentor
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools import mask as coco_mask
from serving import ask, encode, served, served_here

from resnest_dense.runtime import Runner
from resnest_dense.serve.app import make_app
from resnest_dense.serve.batches import Batches
from resnest_dense.serve.uploads import Limits

CELLS = {(1, 2): 0, (3, 5): 2}
IMAGE = colour_cells(100, 130, CELLS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_detector(tmp_path_factory.mktemp("model") / "detector.onnx")


@pytest.fixture(scope="module")
def url(model):
    with served(model, "--megapixels", 4, "--megabytes", 8) as url:
        yield url


def png_of(width, height):
    """A PNG that says it has so many pixels, in a few bytes."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(
            ">I", zlib.crc32(kind + content))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0,
                                                              0))
            + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


def gif():
    file, frames = BytesIO(), [Image.fromarray(IMAGE), Image.fromarray(IMAGE // 2)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def cmyk():
    file = BytesIO()
    Image.fromarray(IMAGE).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[274] = 6
    return encode(np.rot90(IMAGE).copy(), exif=exif)


TEXT_FIELD = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\na\r\n--x--\r\n'
SIXTEEN = (np.full((40, 50), 200) * 257).astype(np.uint16)
JPEG = encode(np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8), "JPEG")
UPLOADS = {
    "text": (b"hello, I am no image\n" * 9, 415, "no image of a known kind"),
    "empty": (b"", 400, "is empty"),
    "truncated JPEG": (JPEG[:len(JPEG) // 2], 422, "no image that can be read"),
    "truncated PNG": (encode(IMAGE)[:120], 422, "no image that can be read"),
    "head alone": (encode(IMAGE)[:20], 415, "no image"),
    "30000x30000": (png_of(30000, 30000), 413, "too many pixels"),
    "3000x3000": (png_of(3000, 3000), 413, "3000x3000 pixels: at most 4 million"),
    "PNG without pixels": (png_of(0, 5), 415, "no image"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "no image"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no image"),
    "32 bits": (encode(np.ones((9, 9), np.float32), "TIFF"), 422, "mode F"),
    "200 MB": (bytes(200_000_000), 413, "more than 8 MB"),
    "just too large": (bytes(8_000_001), 413, "more than 8 MB"),
    "two images in one": (gif(), 200, "first"),
    "CMYK": (cmyk(), 200, ""),
    "16 bits": (encode(SIXTEEN), 200, "16 bits"),
    "turned by EXIF": (turned(), 200, ""),
    "grey": (encode(IMAGE[..., 0]), 200, ""),
    "one pixel": (encode(IMAGE[:1, :1]), 200, ""),
    "narrow": (encode(np.zeros((1, 20000, 3), np.uint8)), 200, ""),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_whatever_is_uploaded_is_answered(url, name):
    content, status, words = UPLOADS[name]
    answer = ask(url, content)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert words in (told["error"] if status != 200 else " ".join(told["notes"])), told
    if name == "turned by EXIF":
        assert (told["width"], told["height"]) == (130, 100)
        assert [one["bbox"] for one in told["found"]] == [[80, 48, 16, 16], [32, 16, 16, 16]]
    if name == "16 bits":  # 200 of 255 in all channels
        assert {one["name"] for one in told["found"]} == {"red", "green", "blue"}
        assert told["found"][0]["score"] == pytest.approx(200 / 255, abs=1e-3)
    assert httpx.get(f"{url}health").json()["status"] == "ok"


def test_forms_that_are_none(url):
    good = encode(IMAGE)
    for field in ("file", "img"):
        answer = ask(url, good, field=field)
        assert answer.status_code == 400 and f"'image', but '{field}'" in answer.json()["error"]
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    for words in (
            dict(json={"image": "a.png"}), dict(content=good), dict(data={"image": "a.png"}),
            dict(content=b"", headers={"content-type": "multipart/form-data"}),
            dict(content=b"--y\r\nnonsense", headers=multipart),
            dict(content=b"", headers=multipart),
            dict(content=TEXT_FIELD, headers=multipart),
            dict(files=[("image", ("a.png", good)), ("image", ("b.png", good))])):
        answer = httpx.post(f"{url}predict", **words)
        assert answer.status_code in (400, 415) and len(answer.json()["error"]) > 20, answer.text
    assert httpx.get(f"{url}predict").status_code == 405
    assert httpx.get(f"{url}../etc/passwd").status_code == 404


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/hostname", "a\x00b.png", "x" * 999])
def test_the_name_of_a_file_is_not_looked_at(url, name):
    assert ask(url, encode(IMAGE), name).status_code == 200
    assert ask(url, b"", name).status_code == 400


def test_the_model_says_what_it_is(url):
    told = httpx.get(f"{url}model").json()
    assert told["classes"]["names"] == ["red", "green", "blue"] and told["task"] == "detect"
    assert "<title>" in httpx.get(url).text


def test_200_requests_of_16_clients_at_once(url, model):
    rng = np.random.default_rng(5)
    run = Runner(model, threshold=None)
    images = [colour_cells(64 + 40 * (i % 3), 96, {(int(r), int(c)): int(k) for r, c, k in
                                                  rng.integers(0, (4, 6, 3), (4, 3))})
              for i in range(25)]
    wanted = [[{**one, "image_id": 0} for one in found.coco(run.contract.classes, 0)]
              for found in run.find(images)]
    contents = [encode(image) for image in images]
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(16) as pool:
        def post(number):
            answer = client.post(f"{url}predict", files={"image": ("a", contents[number % 25])})
            return answer.status_code, answer.json()
        answers = list(pool.map(post, range(200)))
    assert [status for status, _ in answers] == [200] * 200
    for number, (_, told) in enumerate(answers):
        ours = [{key: one[key] for key in wanted[0][0] if key != "image_id"}
                for one in told["found"]]
        assert ours == [{key: one[key] for key in one if key != "image_id"}
                        for one in wanted[number % 25]]
    assert max(told["batch"] for _, told in answers) > 1
    assert httpx.get(f"{url}health").json()["waiting"] == 0


def test_a_full_queue_is_told_and_empties(model):
    content = encode(IMAGE)
    with served_here(model, waiting=1) as url, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: ask(url, content), range(60)))
        refused = [one for one in answers if one.status_code == 503]
        assert refused and {one.status_code for one in answers} == {200, 503}
        assert int(refused[0].headers["retry-after"]) > 0 and "again" in refused[0].json()["error"]
        assert ask(url, content).status_code == 200


def test_labels_and_segments(tmp_path):
    for write, contract, names in (
            (write_segmentor, SEGMENTOR, {"dark", "red", "blue"}),
            (write_detector, PANOPTIC, {"dark", "red", "blue"})):
        app = make_app(Runner(write(tmp_path / "m.onnx", contract), threshold=None), Limits())
        with TestClient(app) as client:
            told = client.post("predict", files={"image": encode(IMAGE)}).json()
        assert {one["name"] for one in told["found"]} == names
        red = next(one for one in told["found"] if one["name"] == "red")
        mask = coco_mask.decode(red["segmentation"])
        assert mask[20, 40] and red["share"] == pytest.approx(mask.mean(), abs=1e-6)
        assert red["category_id"] == 1 and 0.01 < red["share"] < 0.03


def test_a_batch_that_fails_is_told_and_the_next_one_runs():
    def infer(images):
        if any(image.max() for image in images):
            raise MemoryError("too much")
        return [image.shape for image in images]

    batches = Batches(infer, lambda image: image.shape, 4)
    with pytest.raises(MemoryError):
        batches.submit(np.ones((2, 2))).result(5)
    assert batches.submit(np.zeros((3, 2))).result(5)[0] == (3, 2)
    batches.close()


def test_those_of_one_shape_that_wait_go_together_and_none_twice():
    seen, gate = [], threading.Event()

    def infer(images):
        gate.wait(5)
        seen.append([int(image[0, 0]) for image in images])
        return [int(image[0, 0]) for image in images]

    batches = Batches(infer, lambda image: image.shape, 3)
    futures = [batches.submit(np.full((2 + number % 2, 2), number)) for number in range(9)]
    gate.set()
    assert [future.result(5)[0] for future in futures] == list(range(9))
    assert sorted(sum(seen, [])) == list(range(9)) and max(map(len, seen)) == 3
    assert all(len({number % 2 for number in batch}) == 1 for batch in seen)
    batches.close()


def slow_segmentor(path):
    """One whose convolutions take some tenths of a second."""
    model = onnx.load(write_segmentor(path))
    weight = onnx.numpy_helper.from_array(
        np.zeros((128, 3, 9, 9), np.float32), "first")
    more = onnx.numpy_helper.from_array(np.zeros((4, 128, 9, 9), np.float32), "second")
    model.graph.initializer.extend([weight, more])
    same = dict(auto_pad="SAME_UPPER")
    model.graph.node.extend([
        onnx.helper.make_node("Conv", ["pooled", "first"], ["wide"], **same),
        onnx.helper.make_node("Conv", ["wide", "second"], ["nothing"], **same),
        onnx.helper.make_node("Add", ["nothing", "some"], ["logits"])])
    model.graph.node[1].output[0] = "some"
    onnx.save(model, path)
    return path


@pytest.mark.long  # a clock, which other work beside it disturbs
def test_serving_costs_little(tmp_path):
    model = slow_segmentor(tmp_path / "m.onnx")
    image = np.kron(colour_cells(96, 128, CELLS), np.ones((2, 2, 1), np.uint8))
    content, run = encode(image, "JPEG"), Runner(model)
    run(image)
    ratios = []
    with served(model) as url, ThreadPoolExecutor(8) as pool:
        ask(url, content)
        for _ in range(3):
            start = time.perf_counter()
            run.find([np.array(Image.open(BytesIO(content))) for _ in range(16)])
            middle = time.perf_counter()
            assert all(one.status_code == 200
                       for one in pool.map(lambda _: ask(url, content), range(16)))
            ratios.append((middle - start) / (time.perf_counter() - middle))
            if ratios[-1] >= 0.9:
                break
    assert max(ratios) >= 0.9, ratios


def test_a_taken_port_is_one_line(url, model, capsys):
    from resnest_dense.cli import main

    port = url.rstrip("/").rpartition(":")[2]
    assert main(["serve", str(model), "--port", port]) == 2
    assert "cannot be listened on" in capsys.readouterr().err


def test_the_model_says_what_it_was_made_from_without_folders(tmp_path):
    made_from = {"config": "/home/me/run/config.yaml", "checkpoint": r"C:\runs\model.pth",
                 "family": "mask_rcnn"}
    model = write_detector(tmp_path / "detector.onnx", made_from=made_from)
    with TestClient(make_app(Runner(model, threshold=None), Limits())) as client:
        said = client.get("/model").json()["made_from"]
    assert said == {"config": "config.yaml", "checkpoint": "model.pth", "family": "mask_rcnn"}
