"""The published test protocol against a slow direct writing of it in numpy."""

import numpy as np
import pytest
import torch
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.structures import SegDataSample

from resnest_dense import ResNeStValueError
from resnest_dense.mmseg.parts.protocol import PublishedProtocol

MEAN, STD = np.array([120.0, 110.0, 100.0]), np.array([60.0, 50.0, 40.0])
WEIGHT = np.random.default_rng(1).normal(size=(4, 3)) * 0.3


class Segmentor(torch.nn.Module):
    """Logits that depend on the pixel and on where in its window it is."""

    def __init__(self):
        super().__init__()
        self.data_preprocessor = SegDataPreProcessor(MEAN.tolist(), STD.tolist())

    def test_step(self, data):
        raise NotImplementedError

    def encode_decode(self, x, metas):
        assert all(meta["img_shape"] == x.shape[2:] for meta in metas)
        return torch.from_numpy(np.stack([slow_logits(image) for image in x.double().numpy()]))


def slow_logits(image):
    _, height, width = image.shape
    place = np.arange(height)[:, None] * 0.01 + np.arange(width) * 0.03
    return np.einsum("kc,chw->khw", WEIGHT, image) + place * np.arange(4)[:, None, None]


def slow_resize(image, height, width):
    def between(old, new):
        at = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 0.0)
        low = np.minimum(at.astype(int), old - 1)
        return low, np.minimum(low + 1, old - 1), at - low

    y0, y1, v = between(image.shape[1], height)
    x0, x1, u = between(image.shape[2], width)
    top = image[:, y0][:, :, x0] * (1 - u) + image[:, y0][:, :, x1] * u
    low = image[:, y1][:, :, x0] * (1 - u) + image[:, y1][:, :, x1] * u
    return top * (1 - v)[:, None] + low * v[:, None]


def slow_protocol(image, base, crop, scales):
    """Pixel values (3, H, W) -> scores (4, H, W), padding the raw image with black."""
    _, height, width = image.shape
    total = np.zeros((4, height, width))
    for scale in scales:
        longer = int(np.ceil(base * scale))
        h, w = ((longer, int(width * longer / height + 0.5)) if height > width
                else (int(height * longer / width + 0.5), longer))
        resized = slow_resize(image, h, w)
        side_h, side_w = max(h, crop), max(w, crop)
        stride = int(crop * 2 / 3)
        scores, count = np.zeros((4, side_h, side_w)), np.zeros((side_h, side_w))
        for top in range(0, -(-(side_h - crop) // stride) * stride + 1, stride):
            for left in range(0, -(-(side_w - crop) // stride) * stride + 1, stride):
                window = np.zeros((3, crop, crop))
                part = resized[:, top:top + crop, left:left + crop]
                window[:, :part.shape[1], :part.shape[2]] = part
                window = (window - MEAN[:, None, None]) / STD[:, None, None]
                summed = slow_logits(window) + slow_logits(window[..., ::-1])[..., ::-1]
                bottom, right = min(top + crop, side_h), min(left + crop, side_w)
                scores[:, top:bottom, left:right] += np.exp(summed)[:, :bottom - top, :right - left]
                count[top:bottom, left:right] += 1
        total += slow_resize((scores / count)[:, :h, :w], height, width)
    return total


@pytest.mark.parametrize("height,width", [(30, 47), (47, 30), (33, 33), (12, 90)])
def test_scores_equal_the_direct_writing(height, width):
    image = np.random.default_rng(0).uniform(0, 255, (3, height, width))
    scales = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
    protocol = PublishedProtocol(Segmentor(), base_size=26, crop_size=24, scales=scales)
    normalised = (image - MEAN[:, None, None]) / STD[:, None, None]
    ours = protocol.score(torch.from_numpy(normalised)[None])[0].numpy()
    np.testing.assert_allclose(ours, slow_protocol(image, 26, 24, scales), rtol=1e-6)


def sample(shape):
    data_sample = SegDataSample()
    data_sample.set_metainfo(dict(ori_shape=shape, img_shape=shape, img_path="a.jpg"))
    return data_sample


def test_the_prediction_has_the_size_of_the_image_and_the_best_class():
    image = np.random.default_rng(0).integers(0, 255, (3, 20, 31), dtype=np.uint8)
    protocol = PublishedProtocol(Segmentor(), base_size=26, crop_size=24, scales=(1.0,))
    data = dict(inputs=[torch.from_numpy(image)], data_samples=[sample((20, 31))])
    [out] = protocol.test_step(data)
    expected = slow_protocol(image.astype(float), 26, 24, (1.0,)).argmax(0)
    np.testing.assert_array_equal(out.pred_sem_seg.data[0].numpy(), expected)


def test_a_resizing_pipeline_is_refused():
    protocol = PublishedProtocol(Segmentor(), base_size=26, crop_size=24)
    data = dict(inputs=[torch.zeros(3, 20, 31)], data_samples=[sample((40, 62))])
    with pytest.raises(ResNeStValueError, match="take Resize and Pad"):
        protocol.test_step(data)
