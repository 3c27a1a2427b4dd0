"""The head, the blur, the metric and the checkpoint names."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, init_default_scope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from peers import official_network

from resnest_dense.configs import find_config
from resnest_dense.mmseg.parts.heads import DeepLabV3Head
from resnest_dense.weights.identify import to_ours

TYPES = {DATASETS: "FolderDataset", HOOKS: "PreflightHook", METRICS: "SegmentationMetric",
         MODELS: "PublishedProtocol", TRANSFORMS: "RandomGaussianBlur"}


@pytest.mark.parametrize("registry", TYPES)
def test_every_part_is_found_by_its_type(registry):
    assert registry.get(f"resnest_dense.{TYPES[registry]}").__name__ == TYPES[registry]


def head(**options):
    return DeepLabV3Head(in_channels=16, channels=4, num_classes=5, in_index=0,
                         norm_cfg=dict(type="BN"), align_corners=True, **options)


def test_the_head_has_the_paper_s_size():
    with torch.device("meta"):
        paper = DeepLabV3Head(in_channels=2048, channels=256, num_classes=150,
                              norm_cfg=dict(type="BN"))
    convolutions = 2048 * 256 * (1 + 3 * 9 + 1) + 5 * 256 * 256 + 256 * 256 * 9
    norms = 2 * 256 * 7
    assert sum(p.numel() for p in paper.parameters()) == convolutions + norms + 256 * 150 + 150


def test_the_pooled_branch_learns_from_one_image():
    features = torch.randn(1, 16, 9, 9)
    head().train()([features]).sum().backward()


def test_the_head_sees_the_whole_image_through_its_pooled_branch():
    torch.manual_seed(0)
    net = head(dilations=(1, 1, 1)).eval()
    x = torch.randn(1, 16, 21, 21)
    changed = x.clone()
    changed[..., 0, 0] += 10
    assert not torch.equal(net([x])[..., 15:, 15:], net([changed])[..., 15:, 15:])


def test_the_blur_keeps_the_mean_and_lowers_the_contrast():
    blur = TRANSFORMS.build(dict(type="resnest_dense.RandomGaussianBlur", prob=1.0))
    image = np.random.randint(0, 255, (40, 40, 3), np.uint8)
    np.random.seed(0)  # draws a deviation of 0.7 pixels
    blurred = blur(dict(img=image.copy()))["img"]
    assert blurred.std() < image.std() and abs(blurred.mean() - image.mean()) < 2
    never = TRANSFORMS.build(dict(type="resnest_dense.RandomGaussianBlur", prob=0.0))
    assert np.array_equal(never(dict(img=image))["img"], image)


def test_the_metric_is_not_rounded():
    metric = METRICS.build(dict(type="resnest_dense.SegmentationMetric"))
    metric.dataset_meta = dict(classes=("a", "b"))
    label = torch.tensor([[[0, 0, 0, 1, 1, 1, 255]]])
    prediction = torch.tensor([[[0, 0, 1, 1, 1, 1, 0]]])
    metric.process({}, [SegDataSample(pred_sem_seg=PixelData(data=prediction),
                                      gt_sem_seg=PixelData(data=label)).to_dict()])
    assert metric.evaluate(1) == pytest.approx(
        dict(pixAcc=500 / 6, mAcc=(2 / 3 + 1) * 50, mIoU=(2 / 3 + 3 / 4) * 50))


# PyTorch-Encoding's heads: (name of the convolution, number of it, inputs, outputs, size)
AUXILIARY = ("auxlayer.conv5", 0, 1024, 256, 3)
HEADS = {
    "resnest50_deeplabv3_ade20k": ("head.block.4", 256, [
        *((f"head.aspp.b{i}", 0, 2048, 256, 1 if i == 0 else 3) for i in range(4)),
        ("head.aspp.b4.gap", 1, 2048, 256, 1), ("head.aspp.project", 0, 1280, 256, 1),
        ("head.block", 0, 256, 256, 3), AUXILIARY]),
    "resnest50_fcn_official_ade20k": ("head.conv5.4", 512, [("head.conv5", 0, 2048, 512, 3),
                                                            AUXILIARY]),
}


@pytest.mark.parametrize("config", HEADS)
def test_a_checkpoint_of_pytorch_encoding_fits_the_official_network(config):
    cfg = Config.fromfile(find_config(config, "mmseg"))
    init_default_scope("mmseg")
    with torch.device("meta"):
        model = MODELS.build(cfg.model)
        official = official_network("resnest50", 8).state_dict()
        state = {f"pretrained.{k}": v for k, v in official.items()} | dict(encoding_heads(config))
    own = {k: v.shape for k, v in model.state_dict().items()}
    assert {k: v.shape for k, v in to_ours(state).segmentor().items()} == own


def encoding_heads(config):
    """Names and shapes of the head and the auxiliary head for 150 classes."""
    classifier, width, rows = HEADS[config]
    for name, number, inputs, outputs, size in rows:
        yield f"{name}.{number}.weight", torch.empty(outputs, inputs, size, size)
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.{number + 1}.{part}", torch.empty(outputs)
        yield f"{name}.{number + 1}.num_batches_tracked", torch.empty(())
    for name, inputs in ((classifier, width), ("auxlayer.conv5.4", 256)):
        yield f"{name}.weight", torch.empty(150, inputs, 1, 1)
        yield f"{name}.bias", torch.empty(150)
