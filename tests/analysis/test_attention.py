"""Pictures of split attention: what is recorded is what the network did, for any kind of model."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.analysis import BlockAttention, record_attention
from resnest_dense.analysis.attention_figure import draw_attention
from resnest_dense.cli import main


def run(name):
    net = create_backbone(name).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), record_attention(net) as recording:
        net(image)
    return net, image, recording.blocks()


@pytest.mark.parametrize("name,radix", [("resnest26", 2), ("resnest50_fast_4s2x40d", 4),
                                        ("resnest50_fast_1s1x64d", 1)])
def test_every_block_is_recorded_once_with_weights_of_its_splits(name, radix):
    net, _, blocks = run(name)
    assert [(b.stage, b.block) for b in blocks] == [
        (stage, i) for stage in ("res2", "res3", "res4", "res5")
        for i in range(len(getattr(net, stage)))]
    for block in blocks:
        channels = getattr(net, block.stage)[block.block].conv2.conv.in_channels
        assert block.weights.shape == (radix, channels)
        if radix > 1:
            torch.testing.assert_close(block.weights.sum(0), torch.ones(channels))


def test_the_weights_are_those_that_made_the_output():
    net, image, blocks = run("resnest26")
    seen = {}
    unit = net.res2[1].conv2
    handles = [unit.bn0.register_forward_hook(lambda *a: seen.update(splits=a[2].relu().clone())),
               unit.register_forward_hook(lambda *a: seen.update(out=a[2].clone()))]
    with torch.no_grad():
        net(image)
    for handle in handles:
        handle.remove()
    first, second = seen["splits"].chunk(2, dim=1)
    [weights] = [b.weights for b in blocks if (b.stage, b.block) == ("res2", 1)]
    weights = weights[:, None, :, None, None]
    torch.testing.assert_close(weights[0] * first + weights[1] * second, seen["out"])


def test_the_colour_tells_the_split_and_how_clear_the_choice_is():
    weights = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    block = BlockAttention("res2", 0, weights)
    assert block.chosen.tolist()[::2] == [0, 1]
    figure = draw_attention([block, block], np.zeros((8, 8, 3), np.uint8))
    drawn = figure.subfigs[1].axes[0].images[0].get_array()
    assert drawn.shape == (2, 3, 3)
    blue, white, orange = drawn[0]
    assert blue[2] > blue[0] and orange[0] > orange[2] and np.allclose(white, 1)


def test_the_command_writes_a_picture_and_its_numbers(tmp_path, capsys):
    torch.save(create_backbone("resnest14").state_dict(), tmp_path / "net.pth")
    Image.new("RGB", (90, 60), (200, 90, 30)).save(tmp_path / "a.jpg")
    assert main(["attention", "resnest14", str(tmp_path / "net.pth"), str(tmp_path / "a.jpg"),
                 "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    picture, numbers = capsys.readouterr().out.split()[-2:]
    assert min(Image.open(picture).size) > 300
    content = json.loads(open(numbers).read())
    assert [b["channels"] for b in content["blocks"]] == [64, 128, 256, 512]
    assert all(abs(sum(b["share_of_channels"]) - 1) < 1e-3 for b in content["blocks"])


def test_a_model_without_split_attention_is_named():
    with record_attention(torch.nn.Conv2d(3, 4, 1)) as recording:
        pass
    with pytest.raises(ResNeStError, match="neither a ResNeSt"):
        recording.blocks()
