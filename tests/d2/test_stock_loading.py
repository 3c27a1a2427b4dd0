"""detectron2's own loaders, in fresh interpreters: any layout fills the backbone, or is refused."""

import datetime
import pickle
import textwrap
from collections import OrderedDict

import numpy as np
import pytest
import torch
from forks import run_forked
from peers import official_network

START = """
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.modeling import build_model
import resnest_dense.d2 as resnest_d2
from resnest_dense import ResNeStError
from resnest_dense.configs import find_config

def make_cfg(name="resnest14_faster_rcnn"):
    cfg = resnest_d2.get_cfg()
    cfg.merge_from_file(str(find_config(name, "detectron2")))
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.ROI_BOX_HEAD.CONV_DIM = cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 8
    return cfg

def is_filled(model):
    theirs = torch.load("raw14.pth")
    ours = model.backbone.bottom_up
    return (torch.equal(ours.stem.conv1_1.weight, theirs["conv1.0.weight"])
            and torch.equal(ours.res5[0].conv3.weight, theirs["layer4.0.conv3.weight"]))

def refusal(path, cfg=None):
    try:
        DetectionCheckpointer(build_model(cfg or make_cfg())).load(path)
    except ResNeStError as error:
        return str(error)
    raise AssertionError("loaded")

"""
CASES = {
    "a raw file": """
        import contextlib, io
        model, said = build_model(make_cfg()), io.StringIO()
        with contextlib.redirect_stderr(said):
            DetectionCheckpointer(model).load("raw14.pth")
        assert is_filled(model)
        assert "backbone 100% (127/127), heads 0%" in said.getvalue()
        """,
    "the heuristics that a user may have asked for": """
        model = build_model(make_cfg())
        DetectionCheckpointer(model).load("raw14.pth?matching_heuristics=True")
        assert is_filled(model)""",
    "the predictor": """
        from detectron2.engine import DefaultPredictor
        cfg = make_cfg()
        cfg.DATASETS.TEST = ()
        cfg.MODEL.WEIGHTS = "raw14.pth"
        assert is_filled(DefaultPredictor(cfg).model)""",
    "a name in the catalog": """
        import os, shutil
        shutil.copy("raw14.pth", "gluon_resnest14-9c8fe254.pth")
        os.environ["RESNEST_DENSE_WEIGHTS_DIR"] = os.getcwd()
        model = build_model(make_cfg())
        DetectionCheckpointer(model).resume_or_load("resnest14", resume=False)
        assert is_filled(model)""",
    "a backbone by itself": """
        net = resnest_d2.ResNeStBackbone(resnest_d2.backbone.get_architecture("resnest14"))
        DetectionCheckpointer(net).load("raw14.pth")
        assert torch.equal(net.stem.conv1_1.weight, torch.load("raw14.pth")["conv1.0.weight"])""",
    "four channels": """
        cfg = make_cfg()
        cfg.MODEL.PIXEL_MEAN, cfg.MODEL.PIXEL_STD = [0.0] * 4, [1.0] * 4
        model = build_model(cfg)
        DetectionCheckpointer(model).load("raw14.pth")
        torch.testing.assert_close(model.backbone.bottom_up.stem.conv1_1.weight[:, 3],
                                   torch.load("raw14.pth")["conv1.0.weight"][:, 0] * 3 / 4)""",
    "a training goes on": """
        class Step:
            count = 0
            state_dict = lambda self: {"count": self.count}
            def load_state_dict(self, state): self.count = state["count"]

        model, step = build_model(make_cfg()), Step()
        DetectionCheckpointer(model).load("raw14.pth")
        step.count = 7
        DetectionCheckpointer(model, "run", optimizer=step).save("model_0000002", iteration=2)
        other, step = build_model(make_cfg()), Step()
        rest = DetectionCheckpointer(other, "run", optimizer=step).resume_or_load("", resume=True)
        assert step.count == 7 and rest["iteration"] == 2 and is_filled(other)
        assert torch.equal(other.roi_heads.box_predictor.cls_score.weight,
                           model.roi_heads.box_predictor.cls_score.weight)""",
    "another input": """
        import shutil
        shutil.copy("raw14.pth", "gluon_resnest14-9c8fe254.pth")
        cfg = make_cfg()
        cfg.INPUT.FORMAT = "BGR"
        said = refusal("gluon_resnest14-9c8fe254.pth", cfg)
        assert "INPUT.FORMAT" in said and "to RGB" in said, said""",
    "another depth": """
        said = refusal("raw14.pth", make_cfg("resnest26_faster_rcnn"))
        assert "file looks like resnest14" in said and "the model is resnest26" in said""",
    "a plain ResNet": "assert 'plain ResNet with 1-1-1-1 blocks' in refusal('resnet.pth')",
    "a cut file": "assert 'damaged or cut off' in refusal('cut.pth')",
    "a page": "assert 'not a file of weights' in refusal('page.pth')",
    "a pickle": "assert 'turn it into plain weights once' in refusal('code.pkl')",
    "no file": "assert \"'raw15.pth' is neither\" in refusal('raw15.pth')",
    "the next load after a refusal": """
        checkpointer = DetectionCheckpointer(build_model(make_cfg()))
        for path in ("page.pth", "raw14.pth"):
            try:
                checkpointer.load(path)
            except ResNeStError:
                assert path == "page.pth"
        assert is_filled(checkpointer.model)""",
    "plain ResNets are detectron2's": """
        from detectron2.config import get_cfg
        cfg = get_cfg()
        cfg.MODEL.RESNETS.RES2_OUT_CHANNELS, cfg.MODEL.RESNETS.DEPTH = 64, 18
        cfg.MODEL.DEVICE, cfg.MODEL.BACKBONE.NAME = "cpu", "build_resnet_backbone"
        cfg.MODEL.META_ARCHITECTURE = "ProposalNetwork"
        model = build_model(cfg)
        DetectionCheckpointer(model).load("R-50.pkl")
        assert float(model.backbone.stem.conv1.weight.mean()) == 3""",
    "detectron2 as it was": """
        resnest_d2.patches.uninstall()
        model = build_model(make_cfg())
        DetectionCheckpointer(model).load("raw14.pth")
        assert not is_filled(model)
        resnest_d2.patches.install()
        DetectionCheckpointer(model).load("raw14.pth")
        assert is_filled(model)""",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    state = official_network("resnest14").state_dict()
    torch.save(state, folder / "raw14.pth")
    (folder / "cut.pth").write_bytes((folder / "raw14.pth").read_bytes()[:100_000])
    (folder / "page.pth").write_text("<html>Forbidden</html>")
    torch.save(OrderedDict((f"layer{i}.0.conv2.weight", torch.zeros(1)) for i in (1, 2, 3, 4)),
               folder / "resnet.pth")
    stem = {"conv1_w": np.full((64, 3, 7, 7), 3, np.float32)}
    (folder / "R-50.pkl").write_bytes(pickle.dumps(stem))
    (folder / "code.pkl").write_bytes(pickle.dumps({**stem, "when": datetime.date(2020, 4, 19)}))
    (folder / "run").mkdir()
    cases = {name: START + textwrap.dedent(code) for name, code in CASES.items()}
    preload = ("detectron2.engine", "detectron2.modeling")
    return run_forked(cases, preload=preload, cwd=folder)


@pytest.mark.parametrize("case", CASES)
def test_stock_detectron2_loads(case, failures):
    assert failures[case] == ""
