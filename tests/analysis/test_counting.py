"""Counts of models against published figures, formulas written out here, and fvcore."""

import subprocess
import sys

import pytest
import torch
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from test_published_figures import PUBLISHED
from torch import nn

from resnest_dense import ResNeStError, create_backbone
from resnest_dense.analysis import analyze, analyze_backbone, model_parts
from resnest_dense.cli import main
from resnest_dense.frameworks import analyze_config
from resnest_dense.nn import Deformable

CONVOLUTIONS = ("conv", "addmm", "linear", "bmm", "matmul")


@pytest.mark.parametrize("name", [name for name, row in PUBLISHED.items() if row[0]])
def test_the_published_figures_of_the_networks(name):
    _, parameters, macs = PUBLISHED[name]
    total = analyze_backbone(name).total
    assert abs(total.parameters / 1e6 - parameters) < 0.0055
    # The published figure has a classifier of 2.05 M multiply-adds, and in some sources the norms,
    # up to 1 %.
    assert 0.99 * macs <= (total.macs + 2048 * 1000) / 1e9 <= 1.002 * macs


def test_fvcore_counts_the_same_in_each_stage():
    net, image = create_backbone("resnest26").eval(), torch.zeros(1, 3, 65, 97)
    ours = analyze(net, image, model_parts(net, {}, backbone=""), net).parts
    macs, activations = FlopCountAnalysis(net, image), ActivationCountAnalysis(net, image)
    for counter in (macs, activations):
        counter.unsupported_ops_warnings(False)
    for stage, counts in ours.items():
        by_operator = macs.by_module_and_operator()[stage]
        assert counts.macs == sum(by_operator[name] for name in CONVOLUTIONS)
        assert counts.activations == activations.by_module()[stage]


def test_a_deformable_convolution_counts_as_a_plain_one_and_its_offsets():
    image = torch.empty(1, 3, 64, 64, device="meta")
    with torch.device("meta"):
        nets = [create_backbone("resnest14", deform=deform).eval()
                for deform in (None, Deformable(("res5",), groups=2))]
    plain, deformable = (analyze(net, image, model_parts(net, {}, backbone=""), net).parts["res5"]
                         for net in nets)
    # 512 channels in two groups of 256 -> 27 values a group, over 4x4 (the pool strides later).
    assert deformable.macs - plain.macs == 4 * 4 * 2 * 27 * 256 * 9
    assert deformable.activations - plain.activations == 4 * 4 * 2 * 27
    assert deformable.parameters - plain.parameters == 2 * 27 * (256 * 9 + 1)


def test_heads_of_a_mask_rcnn_by_formula():
    parts = analyze_config("resnest50_mask_rcnn", (640, 960)).parts
    levels = [(640 // s, 960 // s) for s in (4, 8, 16, 32, 64)]
    cells = sum(height * width for height, width in levels)
    assert parts["RPN"].macs == cells * (9 * 256 * 256 + 256 * 3 * 5)
    assert parts["RPN"].activations == cells * (256 + 3 * 5)
    box = 4 * 49 * 9 * 256 * 256 + 49 * 256 * 1024 + 1024 * (81 + 80 * 4)
    assert parts["box head"].macs == 1000 * box
    mask = 4 * 196 * 9 * 256 * 256 + 196 * 4 * 256 * 256 + 784 * 256 * 80
    assert parts["mask head"].macs == 100 * mask
    lateral = [height * width * channels * 256
               for (height, width), channels in zip(levels, (256, 512, 1024, 2048))]
    output = [height * width * 9 * 256 * 256 for height, width in levels[:4]]
    assert parts["FPN"].macs == sum(lateral) + sum(output)
    # The norms of these layers have a scale and a shift.
    convolutions = 256 * sum((256, 512, 1024, 2048)) + 4 * 9 * 256 * 256
    assert parts["FPN"].parameters == convolutions + 8 * 512


def test_frozen_stages_have_the_parameters_of_the_network():
    stages = ("stem", "res2", "res3", "res4", "res5")
    frozen = analyze_config("resnest50_faster_rcnn").parts  # stem and res2 are frozen
    assert round(sum(frozen[s].parameters for s in stages) / 1e6, 2) == 25.43


def test_a_segmentor_has_its_parts():
    analysis = analyze_config("resnest50_fcn_ade20k")
    assert analysis.size == (512, 512) and analysis.parts["auxiliary head"].macs == 0
    head = 64 * 64 * (9 * 2048 * 512 + 9 * 512 * 512 + 9 * (2048 + 512) * 512 + 512 * 150)
    assert analysis.parts["decode head"].macs == head
    assert abs(sum(analysis.parts[s].parameters for s in ("stem", "res2", "res3", "res4", "res5"))
               - 25.43e6) < 5500


def test_the_paper_s_count_of_its_segmentor():
    # docs/recipes.md 6, table 1: DeepLabV3 on ADE20K with ResNeSt-50, 44.0 M.
    total = analyze_config("resnest50_deeplabv3_ade20k").total
    assert round(total.parameters / 1e6, 1) == 44.0


def test_weights_outside_the_parts_are_no_silent_loss():
    net = nn.Sequential(nn.Conv2d(3, 4, 1))
    with pytest.raises(ResNeStError, match="outside its known parts"):
        analyze(net, torch.zeros(1, 3, 8, 8), {"other": ("other",)}, net)


def test_the_command_prints_parts_size_and_unit(capsys):
    assert main(["analyze", "resnest14", "--size", "64x96"]) == 0
    output = capsys.readouterr().out
    assert "res5" in output and "64x96" in output and "2 FLOPs" in output
    assert main(["analyze", "resnest14", "--size", "64"]) == 2
    assert "HEIGHTxWIDTH" in capsys.readouterr().err
    assert main(["analyze", "resnest15"]) == 2


def test_analyze_needs_no_torchvision():
    code = "import sys\nfrom resnest_dense.cli import main\n" \
           "assert main(['analyze', 'resnest14']) == 0 and 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
