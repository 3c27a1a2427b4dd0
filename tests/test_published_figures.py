"""Parameter counts and multiply-adds that others have published (docs/recipes.md 1.1 and 1.2; of
the networks before ResNeSt, torchvision and timm)."""

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from resnest_dense import create_backbone, list_architectures

# name: (million parameters with classifier, million without, GMACs at 224)
PUBLISHED = {
    "resnest14": (10.61, 8.56, 2.76), "resnest26": (17.07, 15.02, 3.64),
    "resnest50": (27.48, 25.43, 5.40), "resnest101": (48.28, 46.23, 10.27),
    "resnest152": (None, None, None),
    "resnest200": (70.20, 68.15, 17.53), "resnest269": (110.93, 108.88, 22.58),
    "resnest101_fast": (48.17, 46.12, 8.07),
    "resnest50_fast_1s1x64d": (26.22, 24.17, 4.34), "resnest50_fast_2s1x64d": (27.48, 25.43, 4.34),
    "resnest50_fast_4s1x64d": (31.91, 29.86, 4.35), "resnest50_fast_1s2x40d": (25.95, 23.90, 4.38),
    "resnest50_fast_2s2x40d": (26.94, 24.90, 4.38), "resnest50_fast_4s2x40d": (30.42, 28.37, 4.41),
    "resnest50_fast_1s4x24d": (25.68, 23.63, 4.42),
    "resnet50": (25.56, 23.51, 4.09), "resnet101": (44.55, 42.50, 7.80),
    "resnet50d": (25.58, 23.53, 4.35), "resnet101d": (44.57, 42.52, 8.08),
    "resnext50_32x4d": (25.03, 22.98, 4.23), "resnext101_32x8d": (88.79, 86.74, 16.41),
    "seresnet50": (28.09, 26.04, 4.09), "seresnext50_32x4d": (27.56, 25.51, 4.23),
    "sknet50": (27.48, 25.43, 4.50),
}
# Of which nobody has published any.
UNPUBLISHED = {"resnet50_msra", "resnet101_msra", "resnet14d", "seresnet14d", "seresnet50d",
               "scse_resnet50d", "sknet14"}
NAMES = [name for name, (params, *_) in PUBLISHED.items() if params]
# What is traced has all its weights.
TRACED = [pytest.param(name, marks=[pytest.mark.long] * (PUBLISHED[name][0] > 60))
          for name in NAMES]


class Classifier(nn.Module):
    """The backbone with the 1000-way classifier that the published figures include."""

    def __init__(self, name):
        super().__init__()
        self.backbone = create_backbone(name, out_features=["res5"])
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        return self.fc(self.backbone(x)["res5"].mean((2, 3)))


def test_the_table_covers_every_architecture():
    assert list(PUBLISHED) and {*PUBLISHED} | UNPUBLISHED == {*list_architectures()}


@pytest.mark.parametrize("name", NAMES)
def test_parameters(name):
    with_classifier, without, _ = PUBLISHED[name]
    with torch.device("meta"):
        net = Classifier(name)
    count = sum(p.numel() for p in net.parameters()) / 1e6
    assert round(count, 2) == with_classifier
    assert abs(count - 2.049 - without) < 0.0055  # Both are rounded to two digits.


@pytest.mark.parametrize("name", TRACED)
def test_multiply_adds(name):
    published = PUBLISHED[name][2]
    counter = FlopCountAnalysis(Classifier(name).eval(), torch.zeros(1, 3, 224, 224))
    counter.unsupported_ops_warnings(False)
    # The sources differ by up to 0.02 in whether they count norms beside the convolutions.
    near = 0.005 if name.startswith("resnest") else 0.008
    assert abs(counter.total() / 1e9 - published) <= near * published
