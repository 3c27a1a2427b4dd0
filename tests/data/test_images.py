"""The reader of images: the same pixels for checks, training in both frameworks and prediction."""

import zlib

import cv2
import numpy as np
import pytest
from detectron2.data import detection_utils
from mmcv.transforms import LoadImageFromFile
from PIL import Image

import resnest_dense.d2
import resnest_dense.mmseg  # noqa: F401 - both put the reader into their framework
from resnest_dense import ResNeStValueError
from resnest_dense.data import images
from resnest_dense.data.image_files import look_at
from resnest_dense.data.images import read_rgb, read_values

UPRIGHT = np.zeros((30, 44, 3), np.uint8)
UPRIGHT[:10, :20, 0] = UPRIGHT[20:, 30:, 1] = 255
# What is stored so that a reader that follows the tag sees it upright.
STORED = {3: UPRIGHT[::-1, ::-1], 6: np.rot90(UPRIGHT), 5: UPRIGHT.transpose(1, 0, 2)}
FORMATS = {"jpg": {"quality": 100, "subsampling": 0}, "png": {}, "tif": {},
           "webp": {"lossless": True}}


def everywhere(path):
    """The image as each part reads it, in RGB."""
    trained = LoadImageFromFile()(dict(img_path=str(path)))["img"][:, :, ::-1]
    return [read_rgb(path), detection_utils.read_image(str(path), "RGB"), trained,
            detection_utils.read_image(str(path), "BGR")[:, :, ::-1]]


def save(path, pixels, orientation=1, **options):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(path, exif=exif, **options)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", STORED)
def test_an_image_is_turned_once_in_every_format_and_by_every_reader(
        suffix, orientation, tmp_path):
    path = tmp_path / f"a.{suffix}"
    save(path, STORED[orientation], orientation, **FORMATS[suffix])
    for image in everywhere(path):
        assert image.shape == UPRIGHT.shape
        assert abs(image.astype(int) - UPRIGHT).max() < 12
    look = look_at(path)
    assert look.size == (44, 30) and look.orientation == orientation and not look.faults
    assert look.stored == STORED[orientation].shape[1::-1]


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "I;16"])
def test_a_turned_tiff_without_compression_keeps_its_rows(mode, tmp_path):
    grey = np.arange(21 * 33, dtype=np.uint16).reshape(21, 33)
    pixels = {"L": grey.astype(np.uint8), "I;16": grey * 90}.get(mode)
    picture = (Image.fromarray(np.dstack([grey % 250] * 3).astype(np.uint8)).convert(mode)
               if pixels is None else Image.fromarray(pixels))
    exif = Image.Exif()
    picture.save(tmp_path / "upright.tif")
    exif[274] = 6
    picture.save(tmp_path / "turned.tif", exif=exif)
    expected = np.rot90(read_rgb(tmp_path / "upright.tif"), -1)
    assert all((image == expected).all() for image in everywhere(tmp_path / "turned.tif"))


def test_an_orientation_behind_the_pixels_of_a_png_is_followed(tmp_path):
    save(tmp_path / "early.png", STORED[6], 6)
    data = (tmp_path / "early.png").read_bytes()
    start = data.index(b"eXIf") - 4
    length = int.from_bytes(data[start:start + 4], "big") + 12
    block = data[start:start + length]
    assert int.from_bytes(block[-4:], "big") == zlib.crc32(block[4:-4])
    end = data.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(
        data[:start] + data[start + length:end] + block + data[end:])
    assert all((image == UPRIGHT).all() for image in everywhere(tmp_path / "late.png"))
    assert look_at(tmp_path / "late.png").size == (44, 30)


def ramp(dtype, scale):
    return (np.arange(256).reshape(16, 16) * scale).astype(dtype)


DEEP = {"grey.png": ramp(np.uint16, 257), "grey.tif": ramp(np.uint16, 256),
        "big.tiff": ramp(">u2", 257), "grey.pgm": ramp(np.uint16, 257),
        "colour.png": np.dstack([ramp(np.uint16, 257)] * 3),
        "colour.tif": np.dstack([ramp(np.uint16, 256)] * 3),
        "alpha.png": np.dstack([ramp(np.uint16, 257)] * 4)}


@pytest.mark.parametrize("name", DEEP)
def test_of_sixteen_bits_the_upper_eight_are_read(name, tmp_path):
    path = tmp_path / name
    if DEEP[name].ndim == 3:
        cv2.imwrite(str(path), DEEP[name])
    else:
        Image.fromarray(DEEP[name]).save(path)
    for image in everywhere(path):
        np.testing.assert_array_equal(image, np.dstack([np.arange(256).reshape(16, 16)] * 3))
    assert [kind for kind, _ in look_at(path).faults] == ["image-depth"]


def test_what_is_odd_is_logged_once(tmp_path, caplog):
    images._said.clear()
    Image.fromarray(DEEP["grey.png"]).save(tmp_path / "a.png")
    for _ in range(2):
        read_rgb(tmp_path / "a.png")
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'a.png'}: 16 bits a value: the upper 8 are used."]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_values_without_a_known_range_are_refused_by_every_reader(dtype, tmp_path):
    Image.fromarray(ramp(dtype, 1)).save(tmp_path / "a.tif")
    for read in (read_rgb, detection_utils.read_image,
                 lambda path: LoadImageFromFile()(dict(img_path=str(path)))):
        with pytest.raises(ResNeStValueError, match="(?s)a.tif.*mode [FI]. Scale the images to 8"):
            read(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode, tmp_path):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture = Image.fromarray(UPRIGHT).convert(mode)
    picture.save(path)
    expected = np.asarray(picture.convert("RGB"))
    assert all((image == expected).all() for image in everywhere(path))
    assert len(look_at(path).faults) == (mode != "P")


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
def test_the_first_of_several_frames_is_read_and_told(suffix, tmp_path):
    path, other = tmp_path / f"a.{suffix}", Image.fromarray(255 - UPRIGHT)
    Image.fromarray(UPRIGHT).save(path, save_all=True, append_images=[other], lossless=True)
    assert all((image == UPRIGHT).all() for image in everywhere(path))
    assert look_at(path).faults[0] == ("image-frames", f": 2 in the {Image.open(path).format}")


@pytest.mark.parametrize("suffix", [*FORMATS, "bmp"])
def test_a_file_that_ends_too_early_is_never_whole(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(noise).save(path, **FORMATS.get(suffix, {}))
    data = path.read_bytes()
    assert not look_at(path).faults
    for share in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99):
        path.write_bytes(data[:int(len(data) * share)])
        with pytest.raises(ResNeStValueError, match=str(path)):
            read_rgb(path)
        try:
            assert [kind for kind, _ in look_at(path).faults] == ["image-truncated"]
        except ResNeStValueError:
            pass  # not even a head


def test_a_label_is_read_as_it_stands(tmp_path):
    picture = Image.fromarray(ramp(np.uint8, 1)).convert("P")
    picture.putpalette([7] * 768)
    picture.save(tmp_path / "p.png")
    Image.fromarray(ramp(np.uint16, 257)).save(tmp_path / "deep.png")
    assert (read_values(tmp_path / "p.png") == ramp(np.uint8, 1)).all()
    assert (read_values(tmp_path / "deep.png") == ramp(np.uint16, 257)).all()
