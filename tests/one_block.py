"""The networks before ResNeSt with one block a stage, for what is tested of each form of block."""

from dataclasses import replace

from resnest_dense import architectures

# Every stem, shortcut, stride, 3x3 and gate; the others are these with more blocks or groups.
EACH_FORM = ("resnet50", "resnet50_msra", "resnet14d", "resnext50_32x4d", "seresnet50",
             "seresnet14d", "seresnext50_32x4d", "scse_resnet50d", "sknet14")


def use_one_block(monkeypatch, name):
    """Lets the network called ``name`` have one block a stage."""
    row = architectures.get_architecture(name)
    monkeypatch.setitem(architectures._ARCHITECTURES, name, replace(row, blocks=(1, 1, 1, 1)))
