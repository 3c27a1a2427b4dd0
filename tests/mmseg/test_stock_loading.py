"""mmengine's own loaders, in fresh interpreters: any layout fills the backbone, or is refused."""

import shutil
import textwrap

import pytest
import torch
from forks import run_forked
from peers import official_network

from resnest_dense import weights

START = """
import torch
import resnest_dense.mmseg
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.registry import MODELS
from mmengine.runner import load_checkpoint
from resnest_dense import ResNeStError

class Segmentor(BaseModel):
    def __init__(self, init_cfg, preprocessor):
        super().__init__(dict(preprocessor, type="ImgDataPreprocessor"))
        self.backbone = MODELS.build(dict(
            type="resnest_dense.ResNeSt", architecture="resnest14", init_cfg=init_cfg))
        self.decode_head = torch.nn.Conv2d(4, 3, 1)

    def forward(self): pass

def build(init_cfg=None, bgr_to_rgb=True, mean=(123.675, 116.28, 103.53),
          std=(58.395, 57.12, 57.375)):
    return Segmentor(init_cfg, dict(bgr_to_rgb=bgr_to_rgb, mean=mean, std=std))

def is_filled(model):
    theirs, ours = torch.load("raw14.pth"), model.backbone
    return (torch.equal(ours.stem.conv1_1.weight, theirs["conv1.0.weight"])
            and torch.equal(ours.res5[0].conv3.weight, theirs["layer4.0.conv3.weight"]))

def refusal(load, *arguments):
    try:
        load(*arguments)
    except ResNeStError as error:
        return str(error)
    raise AssertionError("loaded")

"""
CASES = {
    "load_checkpoint of any layout": """
        for layout in ("upstream", "mm", "mmpretrain", "detectron2", "encoding"):
            model = build()
            load_checkpoint(model, layout + ".pth")
            assert is_filled(model)""",
    "the report is in the log": """
        from mmengine.logging import MMLogger
        MMLogger.get_instance("run", log_file="run.log")
        load_checkpoint(build(), "upstream.pth", logger="current")
        assert "backbone 100% (127/127), heads 0%" in open("run.log").read()""",
    "a segmentor of another layout, heads included": """
        model, other = build(), build()
        state = {f"backbone.{k}": v for k, v in torch.load("mm.pth").items()}
        head = {f"decode_head.{k}": v for k, v in model.decode_head.state_dict().items()}
        torch.save({"state_dict": {**state, **head}, "meta": {}}, "segmentor.pth")
        load_checkpoint(other, "segmentor.pth", strict=False)
        assert is_filled(other)
        assert torch.equal(other.decode_head.weight, model.decode_head.weight)""",
    "a part that is named behind a hash": """
        model, other = build(), build()
        average = {f"module.{k}": v for k, v in model.state_dict().items()}
        torch.save({"state_dict": other.state_dict(), "ema_state_dict": average}, "parts.pth")
        load_checkpoint(other, "parts.pth#ema_state_dict")
        assert torch.equal(other.decode_head.weight, model.decode_head.weight)
        assert torch.equal(other.backbone.res5[0].conv3.weight, model.backbone.res5[0].conv3.weight)
        assert "ema_state_dict" in refusal(load_checkpoint, other, "parts.pth#ema")""",
    "inside of test-time augmentation": """
        class Augmented(BaseTTAModel):
            def merge_preds(self, samples): pass

        model = build()
        load_checkpoint(Augmented(model), "upstream.pth")
        assert is_filled(model)""",
    "init_cfg": """
        model = build(dict(type="Pretrained", checkpoint="upstream.pth"))
        model.init_weights()
        assert is_filled(model)""",
    "init_cfg as a list of a class": """
        from mmengine.model import PretrainedInit
        model = build([dict(type="Constant", layer="x"),
                       dict(type=PretrainedInit, checkpoint="mm.pth")])
        model.init_weights()
        assert is_filled(model)""",
    "one channel": """
        net = MODELS.build(dict(
            type="resnest_dense.ResNeSt", architecture="resnest14", in_channels=1,
            init_cfg=dict(type="Pretrained", checkpoint="upstream.pth")))
        net.init_weights()
        torch.testing.assert_close(
            net.stem.conv1_1.weight,
            torch.load("raw14.pth")["conv1.0.weight"].sum(1, keepdim=True))""",
    "init_cfg of the segmentor": """
        model = build()
        model.init_cfg = dict(type="Pretrained", checkpoint="upstream.pth")
        model.init_weights()
        assert is_filled(model)""",
    "init_cfg on another input": """
        cfg = dict(type="Pretrained", checkpoint="gluon_resnest14-9c8fe254.pth")
        build(cfg).init_weights()
        for wrong in (dict(bgr_to_rgb=False), dict(std=[1, 1, 1]), dict(mean=[0, 0, 0])):
            said = refusal(build(cfg, **wrong).init_weights)
            assert "gluon_resnest14-9c8fe254.pth" in said and "model.data_preprocessor" in said""",
    "load_checkpoint on another input": """
        load_checkpoint(build(), "gluon_resnest14-9c8fe254.pth")
        said = refusal(load_checkpoint, build(bgr_to_rgb=False), "gluon_resnest14-9c8fe254.pth")
        assert "does not suit gluon_resnest14-9c8fe254.pth" in said, said
        plain = dict(torch.load("upstream.pth"))
        torch.save(plain, "plain.pth")  # nowhere to keep what file it is
        load_checkpoint(build(bgr_to_rgb=False), "plain.pth")""",
    "another depth": """
        said = refusal(load_checkpoint, build(), "resnest26.pth")
        assert "file looks like resnest26" in said and "the model is resnest14" in said, said""",
    "a plain ResNet": """
        said = refusal(load_checkpoint, build(), "resnet.pth")
        assert "plain ResNet with 1-1-1-1 blocks" in said""",
    "other models are mmengine's": """
        model = torch.nn.Conv2d(4, 3, 1)
        torch.save(model.state_dict(), "head.pth")
        load_checkpoint(model, "head.pth", strict=True)""",
    "mmengine as it was": """
        resnest_dense.mmseg.patches.uninstall()
        model = build()
        load_checkpoint(model, "upstream.pth")
        assert not is_filled(model)
        resnest_dense.mmseg.patches.install()
        load_checkpoint(model, "upstream.pth")
        assert is_filled(model)""",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    raw = folder / "raw14.pth"
    torch.save(official_network("resnest14").state_dict(), raw)
    torch.save(official_network("resnest26").state_dict(), folder / "resnest26.pth")
    torch.save({f"layer{i}.0.conv2.weight": torch.zeros(1) for i in (1, 2, 3, 4)},
               folder / "resnet.pth")
    for layout in ("upstream", "mm", "mmpretrain", "detectron2", "encoding"):
        weights.convert(raw, layout, folder / f"{layout}.pth")
    shutil.copy(raw, folder / "gluon_resnest14-9c8fe254.pth")
    return run_forked({name: START + textwrap.dedent(code) for name, code in CASES.items()},
                      preload=["resnest_dense.mmseg.parts.heads"], cwd=folder)


@pytest.mark.parametrize("case", CASES)
def test_stock_mmengine_loads(case, failures):
    assert failures[case] == ""
