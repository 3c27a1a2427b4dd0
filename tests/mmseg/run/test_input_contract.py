"""The input that a checkpoint was trained on, kept beside it, against that of the config."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from resnest_dense import ResNeStValueError
from resnest_dense.mmseg.run import evaluate, train
from resnest_dense.mmseg.run.predict import SegmentationPredictor
from resnest_dense.weights import InputContract
from resnest_dense.weights.source import Metadata, write_metadata

IMAGENET = InputContract("RGB", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BGR = InputContract("BGR", 255, (103.53, 116.28, 123.675), (1, 1, 1))
SAID = "(?s)expect BGR.*config gives RGB.*model.data_preprocessor.bgr_to_rgb"


@pytest.fixture
def checkpoint(config, tmp_path):
    """Weights of the config's network, said to be trained on the input that is asked for."""
    def make(contract):
        init_default_scope("mmseg")
        model = MODELS.build(Config.fromfile(config).model)
        path = tmp_path / "weights.pth"
        torch.save(dict(state_dict=model.state_dict(), meta={}), path)
        write_metadata(path, Metadata(("resnest14",), contract, "official"), about={})
        return path

    return make


def test_testing_and_training_refuse_another_input(config, checkpoint, tmp_path):
    path, work_dir = str(checkpoint(BGR)), ["--work-dir", str(tmp_path / "run")]
    with pytest.raises(ResNeStValueError, match=SAID):
        evaluate.run(evaluate.make_parser().parse_args([str(config), path, *work_dir]))
    with pytest.raises(ResNeStValueError, match=SAID):
        train.run(train.make_parser().parse_args(
            [str(config), *work_dir, "--cfg-options", f"load_from={path}"]))


def test_prediction_refuses_another_input(config, checkpoint):
    with pytest.raises(ResNeStValueError, match=SAID):
        SegmentationPredictor(config, checkpoint(BGR), device="cpu")
    assert SegmentationPredictor(config, checkpoint(IMAGENET), device="cpu").classes
