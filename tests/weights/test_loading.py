"""Loading into our networks: what is reported, and what is refused."""

import logging

import pytest
import torch
from torch import nn

from resnest_dense import Deformable, ResNeStError, create_backbone, weights
from resnest_dense.weights import catalog


class Detector(nn.Module):
    """A backbone where detectron2 has it, and two heads."""

    def __init__(self, name="resnest14", classes=3):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.bottom_up = create_backbone(name)
        self.backbone.fpn = nn.Conv2d(2048, 4, 1)
        self.roi_heads = nn.Linear(4, classes)


def values(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_report_counts_and_names_what_was_left_out(file14):
    report = weights.load(create_backbone("resnest14"), file14)
    assert report.coverage == 1 and report.backbone == (127, 127) and report.heads == (0, 0)
    assert report.ignored == ("fc.weight", "fc.bias")
    assert not report.missing and not report.unexpected and not report.mismatched
    assert str(report) == ("some14.pth: layout upstream, backbone 100% (127/127); ignored on "
                           "purpose: fc.weight, fc.bias")


def test_the_report_is_logged(file14, caplog):
    with caplog.at_level(logging.INFO, "resnest_dense"):
        report = weights.load(create_backbone("resnest14"), file14)
    assert caplog.messages == [str(report)]


def test_image_net_weights_into_a_detector_leave_the_heads(file14):
    model = Detector()
    before = values(model.roi_heads)
    report = weights.load(model, file14)
    assert report.backbone == (127, 127) and report.heads == (0, 4)
    assert "backbone 100% (127/127), heads 0% (0/4)" in str(report)
    assert same(values(model.roi_heads), before)


def test_a_detector_into_a_detector_loads_the_heads_that_fit():
    trained, model = Detector(classes=80), Detector(classes=3)
    report = weights.load(model, trained.state_dict())
    assert report.backbone == (127, 127) and report.heads == (2, 4)
    assert [str(m) for m in report.mismatched] == [
        "roi_heads.weight (80, 4) in the file, (3, 4) in the model",
        "roi_heads.bias (80,) in the file, (3,) in the model"]
    assert same(values(model.backbone), values(trained.backbone))


def test_a_detector_into_a_backbone_ignores_the_heads():
    trained, model = Detector(), create_backbone("resnest14")
    report = weights.load(model, trained.state_dict())
    assert report.coverage == 1 and len(report.ignored) == 4 and not report.unexpected
    assert same(values(model), values(trained.backbone.bottom_up))


def test_a_detector_in_a_parallel_wrapper():
    trained, model = Detector(), Detector()
    report = weights.load(nn.DataParallel(model), nn.DataParallel(trained).state_dict())
    assert report.backbone == (127, 127)
    assert same(values(model.backbone.bottom_up), values(trained.backbone.bottom_up))


@pytest.mark.parametrize("name,file", [("resnest26", "resnest14"), ("resnest14", "resnest26")])
def test_another_network_is_refused_and_nothing_is_changed(name, file):
    model = create_backbone(name)
    before = values(model)
    state = create_backbone(file).state_dict()
    with pytest.raises(ResNeStError, match=f"looks like {file} .*the model is {name}"):
        weights.load(model, state)
    assert same(values(model), before)
    report = weights.load(model, state, strict=False)
    assert report.problem and not same(values(model), before)


@pytest.mark.parametrize("name,file", [
    ("resnest101", "resnest200"),  # which has all weights of the first, in the same shapes
    ("resnest269", "resnest200"),
    ("resnest50_fast_2s2x40d", "resnest50_fast_1s2x40d"),
    ("resnest50_fast_1s4x24d", "resnest50_fast_1s2x40d"),
])
def test_other_networks_are_told_apart(name, file):
    with torch.device("meta"):
        state, model = create_backbone(file).state_dict(), create_backbone(name)
    problem = weights.adapt(model, state)[1].problem
    assert f"looks like {file} (" in problem and f"the model is {name} (" in problem


def test_shapes_that_differ_are_listed_on_both_sides():
    state = create_backbone("resnest14").state_dict()
    state["res3.0.conv1.weight"] = torch.zeros(7, 256, 1, 1)
    with pytest.raises(ResNeStError) as caught:
        weights.load(create_backbone("resnest14"), state)
    assert ("backbone 99% (126/127); of another shape: res3.0.conv1.weight (7, 256, 1, 1) in the "
            "file, (128, 256, 1, 1) in the model") in str(caught.value)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(value, strict):
    model = create_backbone("resnest14")
    before, state = values(model), create_backbone("resnest14").state_dict()
    state["res3.0.conv1.weight"][0, 0] = value
    with pytest.raises(ResNeStError, match="NaN or infinite .* 1 of .*res3.0.conv1.weight.*div"):
        weights.load(model, state, strict=strict)
    assert same(values(model), before)


@pytest.mark.parametrize("change", [
    lambda value: value.to(torch.int64), lambda value: value.to(torch.complex64),
    lambda value: value.to("meta"), lambda value: value.to_sparse(),
    lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)])
@pytest.mark.parametrize("strict", [True, False])
def test_weights_that_copying_would_change_are_refused_by_name(change, strict):
    state = create_backbone("resnest14").state_dict()
    state["res4.0.conv3.weight"] = change(state["res4.0.conv3.weight"])
    with pytest.raises(ResNeStError, match=r"res4.0.conv3.weight is of .*torch.float32 is wanted"):
        weights.load(create_backbone("resnest14"), state, strict=strict)


@pytest.mark.parametrize("name", ["res2.0.conv1.weight", "res2.0.conv2.conv.weight",
                                  "stem.conv1_1.weight"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3, 3, 3)])
def test_a_shape_that_no_network_has_is_refused(name, shape):
    state = create_backbone("resnest14").state_dict()
    with pytest.raises(ResNeStError, match="does not fit"):
        weights.load(create_backbone("resnest14"), {**state, name: torch.zeros(shape)})


def test_a_counter_that_cannot_be_copied_is_refused():
    state, name = create_backbone("resnest14").state_dict(), "stem.conv1_1.norm.num_batches_tracked"
    state[name] = torch.quantize_per_tensor(torch.zeros(()), 0.1, 0, torch.qint8)
    with pytest.raises(ResNeStError, match=f"{name} is of torch.qint8"):
        weights.load(create_backbone("resnest14"), state)


def test_what_is_no_tensor_is_missing():
    state = {**create_backbone("resnest14").state_dict(), "res4.0.conv3.weight": 1, 3: None}
    with pytest.raises(ResNeStError, match="not in the file: res4.0.conv3.weight"):
        weights.load(create_backbone("resnest14"), state)


@pytest.mark.parametrize("drop", ["res4.0.conv2.fc1.bias", "stem.conv1_2.norm.running_var"])
def test_a_missing_weight_is_an_error(drop):
    state = create_backbone("resnest14").state_dict()
    del state[drop]
    with pytest.raises(ResNeStError, match=f"not in the file: {drop}"):
        weights.load(create_backbone("resnest14"), state)


def test_an_unknown_weight_of_the_backbone_is_an_error(official14):
    state = {**official14.state_dict(), "layer2.0.conv2.rectify.weight": torch.zeros(1)}
    with pytest.raises(ResNeStError, match="not in the model: layer2.0.conv2.rectify.weight"):
        weights.load(create_backbone("resnest14"), state)


def test_statistics_without_a_layer_for_them_are_an_error(file14):
    with pytest.raises(ResNeStError, match="not built alike"):
        weights.load(create_backbone("resnest14", norm="GN"), file14)


@pytest.mark.parametrize("into,out_of", [("BN", "FrozenBN"), ("FrozenBN", "BN")])
def test_counters_of_batches_may_be_missing(into, out_of):
    state = create_backbone("resnest14", norm=out_of).state_dict()
    model = create_backbone("resnest14", norm=into)
    report = weights.load(model, state)
    assert report.backbone == (127, 127) and not report.missing and not report.unexpected


def test_counters_of_batches_are_loaded():
    state = create_backbone("resnest14").state_dict()
    state["res2.0.conv1.norm.num_batches_tracked"].fill_(7)
    model = create_backbone("resnest14")
    weights.load(model, state)
    assert model.res2[0].conv1.norm.num_batches_tracked == 7


@pytest.mark.parametrize("in_channels", [1, 2, 4, 6])
def test_rgb_stems_fit_other_inputs(in_channels, file14, official14):
    model = create_backbone("resnest14", in_channels=in_channels)
    report = weights.load(model, file14)
    assert f"RGB stem adapted to {in_channels} input channels" in str(report)
    grey, rgb = torch.rand(1, 1, 8, 8), official14.conv1[0]
    with torch.no_grad():
        mine = nn.functional.conv2d(grey.expand(-1, in_channels, -1, -1),
                                    model.stem.conv1_1.weight)
        theirs = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), rgb.weight)
    if in_channels in (1, 6):  # a grey image gives the same wherever all three are used alike
        torch.testing.assert_close(mine, theirs)
    else:
        first = model.stem.conv1_1.weight[:, 0]
        torch.testing.assert_close(first, rgb.weight[:, 0] * 3 / in_channels)


def test_deformable_networks_start_from_plain_weights(file14):
    model = create_backbone("resnest14", deform=Deformable())
    report = weights.load(model, file14)
    assert report.backbone == (127, 127) and "conv2_offset stays as it is" in str(report)


def test_deformable_weights_into_a_plain_network_are_an_error():
    state = create_backbone("resnest14", deform=Deformable()).state_dict()
    with pytest.raises(ResNeStError, match=r", deformable\); the model is .*not deformable"):
        weights.load(create_backbone("resnest14"), state)


def test_stages_that_are_not_built_are_ignored_on_purpose(file14):
    report = weights.load(create_backbone("resnest14", out_features=("res3",)), file14)
    assert report.coverage == 1
    assert "ignored on purpose: layer3.0.* (28), layer4.0.* (28), fc.* (2)" in str(report)


def test_half_precision_weights_are_widened():
    state = {k: v.half() if v.is_floating_point() else v
             for k, v in create_backbone("resnest14").state_dict().items()}
    model = create_backbone("resnest14")
    weights.load(model, state)
    assert model.stem.conv1_1.weight.dtype == torch.float32
    assert torch.equal(model.stem.conv1_1.weight, state["stem.conv1_1.weight"].float())


@pytest.mark.parametrize("published_as,fits", [("resnest14", True), ("resnest101_fast", False)])
def test_published_files_are_known_by_their_names(published_as, fits, file14, published):
    """Whether a network pools before or after its 3x3 is not in its weights."""
    entry = published("resnest14", file=file14.name, architecture=published_as)
    model = create_backbone("resnest14")
    if fits:
        assert weights.load(model, file14).contract == entry.contract
    else:
        with pytest.raises(ResNeStError, match="pools before its 3x3 convolutions, unlike the"):
            weights.load(model, file14)


def test_a_contract_of_three_channels_is_for_three_channels(file14, published):
    published("resnest14", file=file14.name)
    assert weights.load(create_backbone("resnest14", in_channels=4), file14).contract is None


def test_all_but_one_is_not_a_hundred_percent():
    nothing = dict.fromkeys(("loaded", "missing", "unexpected", "mismatched", "ignored"), ())
    report = weights.LoadReport("x", "mm", backbone=(999, 1000), heads=(0, 0), **nothing)
    assert "backbone 99% (999/1000)" in str(report)


@pytest.mark.parametrize("trained", ["official", "mmseg"])
@pytest.mark.parametrize("form", ["official", "mmseg"])
def test_another_dilated_form_than_the_trained_one_is_said(form, trained, file14, published):
    published("resnest14", file=file14.name, options={"dilated_form": trained})
    model = create_backbone("resnest14", output_stride=8, dilated_form=form)
    said = f"dilated_form={trained!r}, unlike the model" in str(weights.load(model, file14))
    assert said == (form != trained)


def test_models_without_exactly_one_backbone_are_refused(file14):
    for model, said in ((nn.Linear(1, 1), r"0 ResNeSts \(none\)"),
                        (nn.ModuleList([Detector(), Detector()]), "2 ResNeSts")):
        with pytest.raises(ResNeStError, match=said):
            weights.load(model, file14)


def test_a_source_that_is_nothing_is_refused():
    with pytest.raises(ResNeStError, match="'resnset14' is neither.*Did you mean 'resnest14'"):
        weights.load(create_backbone("resnest14"), "resnset14")


def test_a_name_in_the_catalog_loads_from_the_folder(official14, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    torch.save(official14.state_dict(), folder / catalog.get("resnest14").file)
    report = weights.load(create_backbone("resnest14"), "resnest14")
    assert report.source == "gluon_resnest14-9c8fe254.pth" and report.coverage == 1


def test_an_address_of_a_local_file_loads(file14):
    assert weights.load(create_backbone("resnest14"), file14.as_uri()).coverage == 1
    with pytest.raises(ResNeStError, match="there is no file"):
        weights.load(create_backbone("resnest14"), file14.with_name("other.pth").as_uri())


def test_one_of_several_state_dicts_in_a_file_is_chosen_behind_a_hash(tmp_path):
    first, average, net = (create_backbone("resnest14") for _ in range(3))
    averaged = {f"module.{name}": value for name, value in average.state_dict().items()}
    path = tmp_path / "a.pth"
    torch.save({"model": first.state_dict(), "model_ema": averaged}, path)
    for source, wanted, told in ((path, first, True), (f"{path}#model_ema", average, False)):
        report = weights.load(net, source)
        assert all(net.state_dict()[name].equal(value)
                   for name, value in wanted.state_dict().items())
        assert ("also holds model_ema, which a.pth#model_ema loads" in str(report)) == told
