"""Classifiers on images: what the commands say is what the network says of the prepared image."""

import json
import shutil

import numpy as np
import pytest
import torch
from own_catalog import write_catalog
from PIL import Image
from resnest.torch.transforms.transforms import ECenterCrop
from torchvision.transforms.functional import to_tensor

from resnest_dense import create_classifier
from resnest_dense.cli import main
from resnest_dense.imagenet import open_classifier
from resnest_dense.imagenet.preparation import Preparation, preparation_of
from resnest_dense.weights import InputContract, catalog

CLASSES = ("red", "green", "blue")
PLAIN = InputContract("RGB", 1, (0, 0, 0), (1, 1, 1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network whose classifier says which colour has the largest mean, and pictures of each."""
    root = tmp_path_factory.mktemp("classes")
    generator = np.random.default_rng(0)
    for number in range(len(CLASSES)):
        (root / "val" / f"n{number}").mkdir(parents=True)
        for i in range(3):
            pixels = generator.integers(0, 40, (90 + 7 * i, 120, 3))
            pixels[..., number] += 200
            Image.fromarray(pixels.astype(np.uint8)).save(root / "val" / f"n{number}" / f"{i}.png")
    torch.manual_seed(0)
    net = create_classifier("resnest14", 3).eval()
    with torch.no_grad():  # the classifier that tells the mean features of the colours apart
        prepare = preparation_of("", "resnest14", None)
        features = torch.stack([net.dropout(torch.flatten(torch.nn.functional.adaptive_avg_pool2d(
            super(type(net), net).forward(prepare(np.array(Image.open(
                root / "val" / f"n{i}" / "0.png")))[None])["res5"], 1), 1))[0] for i in range(3)])
        net.linear.weight.copy_(torch.linalg.pinv(features).T * 10)
        net.linear.bias.zero_()
    torch.save(net.state_dict(), root / "net.pth")
    (root / "names.txt").write_text("\n".join(CLASSES))
    return root


def options(root):
    return ["--weights", str(root / "net.pth"), "--architecture", "resnest14", "--classes",
            str(root / "names.txt")]


@pytest.mark.parametrize("size", [(120, 90), (33, 500), (224, 224)])
def test_the_centre_is_the_official_one(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = Preparation(PLAIN, 64, "bilinear")(image)
    expected = to_tensor(ECenterCrop(64)(Image.fromarray(image)))
    torch.testing.assert_close(found, expected, atol=2 / 255, rtol=0)


@pytest.mark.parametrize("name,crop,method", [
    ("resnest50", 224, "bicubic"), ("resnest101", 256, "bicubic"), ("resnest200", 320, "bicubic"),
    ("resnest269", 416, "bicubic"), ("resnet50", 224, "bilinear")])
def test_images_are_prepared_as_published(name, crop, method):
    entry = catalog.get(name)
    found = preparation_of(entry.file, entry.architecture, entry.contract)
    assert (found.crop, found.interpolation) == (crop, method)
    assert found.contract.scaled(1).mean == (0.485, 0.456, 0.406)


def test_classes_are_told_and_written(trained, tmp_path, capsys):
    shutil.copytree(trained / "val", tmp_path / "val")
    (tmp_path / "val" / "bad.jpg").write_bytes(b"no image")
    out = tmp_path / "out" / "found.json"
    assert main(["classify", str(tmp_path / "val"), "--top", "2", "--json", str(out),
                 *options(trained)]) == 1
    rows = json.loads(out.read_text())
    assert {row["image"]: row["classes"][0]["name"] for row in rows} == {
        f"n{number}/{i}.png": name for number, name in enumerate(CLASSES) for i in range(3)}
    assert all(len(row["classes"]) == 2 for row in rows)
    said = capsys.readouterr()
    table = said.out.splitlines()
    assert table[0].split() == ["image", "%", "class"]
    [first] = [i for i, line in enumerate(table) if line.startswith("n1/0.png ")]
    assert table[first].split()[2] == "green" and table[first + 1].startswith(" " * 8)
    assert {line.rindex(line.split()[-1]) for line in table} == {table[0].index("class")}
    assert "bad.jpg" in said.err


def test_a_folder_of_classes_is_measured(trained, capsys):
    assert main(["evaluate-imagenet", str(trained / "val"), "--batch", "2", *options(trained)]) == 0
    assert "9 images, centre at 224x224, bicubic: top-1 100.00, top-5 100.00" in (
        capsys.readouterr().out)


def test_published_weights_are_compared_with_their_figure(trained, tmp_path, monkeypatch, capsys):
    write_catalog(tmp_path / "catalog.json", monkeypatch,
                  {"own": {"file": "net.pth", "architecture": "resnest14"}})
    main(["evaluate-imagenet", str(trained / "val"), *options(trained)])
    *_, found, published = capsys.readouterr().out.splitlines()
    top1 = float(found.partition("top-1 ")[2].partition(",")[0])
    assert published == f"published: top-1 70.50 (ours), difference {top1 - 70.5:+.2f}"


def test_classes_have_the_names_of_imagenet_where_there_are_1000(tmp_path):
    torch.save(create_classifier("resnest14", 1000).state_dict(), tmp_path / "net.pth")
    names = open_classifier(tmp_path / "net.pth", architecture="resnest14").classes
    assert (len(names), names[0], names[207], names[999]) == (
        1000, "tench", "golden retriever", "toilet tissue")


@pytest.mark.parametrize("change,said", [
    (lambda root: (root / "val" / "n3").mkdir(), "has 4 folders"),
    (lambda root: shutil.rmtree(root / "val"), "has 0 folders"),
    (lambda root: [path.unlink() for path in (root / "val" / "n0").iterdir()], "no image there"),
    (lambda root: (root / "val" / "n0" / "0.png").write_bytes(b"x"), "0.png"),
    (lambda root: (root / "names.txt").write_text("red\n"), "has 1 names and the classifier 3"),
])
def test_bad_folders_are_one_line(change, said, trained, tmp_path, capsys):
    root = shutil.copytree(trained, tmp_path / "copy")
    change(root)
    assert main(["evaluate-imagenet", str(root / "val"), *options(root)]) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_backbone_alone_is_no_classifier(trained, tmp_path, capsys):
    state = {key: value for key, value in torch.load(trained / "net.pth").items()
             if not key.startswith("linear")}
    torch.save(state, tmp_path / "backbone.pth")
    file = str(tmp_path / "backbone.pth")
    assert main(["classify", str(trained / "val"), "--weights", file]) == 2
    assert "has no classifier" in capsys.readouterr().err
