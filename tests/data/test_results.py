"""Many images: which are found, under which names, and what happens to those that fail."""

import json

import numpy as np
import pytest
from PIL import Image

from resnest_dense import ResNeStError
from resnest_dense.data.inputs import find_images, split_videos
from resnest_dense.data.results import JsonList, each_image, save_picture, tell_failures


@pytest.fixture
def folder(tmp_path):
    """Images in nested folders, some with the same names, and what is none."""
    for name in ("a/1.png", "a/deep/2.jpg", "b/1.png", "c.tif", ".hidden/1.png", "a/._1.png",
                 "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(tmp_path / name, format="PNG")
    return tmp_path


@pytest.mark.parametrize("sources,names", [
    ([""], ["a/1.png", "a/deep/2.jpg", "b/1.png", "c.tif"]),
    (["a"], ["1.png", "deep/2.jpg"]),
    (["a/*"], ["1.png"]), (["*/*.png"], ["a/1.png", "b/1.png"]),
    (["**/*.png"], ["a/1.png", "b/1.png"]),
    (["a/1.png", "c.tif"], ["1.png", "c.tif"]),
    (["a/1.png", "b/1.png", "c.tif"], ["a/1.png", "b/1.png", "c.tif"]),
    (["a", "b"], ["a/1.png", "a/deep/2.jpg", "b/1.png"]),
    (["a/._1.png"], ["._1.png"])])
def test_images_are_found_with_their_folders(folder, sources, names):
    assert [image.name for image in find_images(folder / source for source in sources)] == names


@pytest.mark.parametrize("source,words", [("none", "no image there"), ("*.gif", "no image there"),
                                          (".hidden/*.jpg", "no image there")])
def test_a_source_without_an_image_is_refused(folder, source, words):
    with pytest.raises(ResNeStError, match=words):
        find_images([folder / source])


def test_images_that_would_be_written_to_one_file_are_refused(folder):
    Image.new("RGB", (4, 3)).save(folder / "a/1.bmp")
    with pytest.raises(ResNeStError, match="same a/1.png"):
        find_images([folder])
    with pytest.raises(ResNeStError, match="no video"):
        split_videos([str(folder / "none.mp4")])


def test_failures_are_passed_over_and_told(folder, tmp_path, capsys):
    (folder / "b/1.png").write_bytes((folder / "b/1.png").read_bytes()[:40])
    written = {}

    def find(image):
        if len(written) == 1:
            raise RuntimeError("too large")
        return image.shape

    def write(found, image, file, number):
        written[number, file.stem] = found

    images = find_images([folder, folder / "c.tif"])
    failures = each_image(images, find, lambda *args: write(*args))
    assert written == {(1, "a/1"): (3, 4, 3)}
    assert tell_failures(failures, len(images), tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "3 of 4 failed" in said and "2.jpg: too large" in said and "b/1.png" in said
    assert (tmp_path / "out/failures.txt").read_text().count("\n") == 3


def test_many_failures_are_told_briefly(tmp_path, capsys):
    failures = {f"/a/long/folder/name/image_{i:06}.jpg": "no image that can be read" * 9
                for i in range(5000)}
    assert tell_failures(failures, 5001, tmp_path) == 1
    said = capsys.readouterr().err
    assert len(said) < 2000 and "more" in said
    assert (tmp_path / "failures.txt").read_text().count("image_") == 5000
    assert tell_failures({}, 3, tmp_path) == 0


def test_results_grow_on_the_disk(tmp_path):
    results = JsonList(tmp_path / "sub/all.json")
    results.add([{"id": 1}, {"id": 2}])
    assert not (tmp_path / "sub/all.json").exists()
    assert '"id": 2' in (tmp_path / "sub/all.json.part").read_text()
    results.add([{"id": 3}])
    results.close()
    content = json.loads((tmp_path / "sub/all.json").read_text())
    assert [one["id"] for one in content] == [1, 2, 3]
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["all.json"]


def test_an_error_in_writing_ends_all_and_leaves_no_half_picture(folder, tmp_path):
    class Broken(Image.Image):
        def save(self, path, **options):
            path.write_bytes(b"half")
            raise OSError("disk full")

    def write(found, image, file, number):
        save_picture(Broken(), tmp_path / "out/a.png")

    with pytest.raises(OSError, match="disk full"):
        each_image(find_images([folder]), np.mean, write)
    assert not list((tmp_path / "out").iterdir())
