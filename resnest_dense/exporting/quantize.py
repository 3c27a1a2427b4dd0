"""int8: the weights and activations of a network's layers in 8 bits, by NNCF.

Only the layers: what the graph does around them, with anchors, boxes and scores, stays in float32,
as a box of 1000 pixels in 256 steps is none.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resnest_dense.data.images import read_rgb
from resnest_dense.errors import ResNeStError
from resnest_dense.exporting.accuracy import Scores, Validation, worst_loss
from resnest_dense.exporting.subject import Subject
from resnest_dense.runtime.images import batch_images, resize_image, target_size
from resnest_dense.runtime.runner import Runner
from resnest_dense.runtime.session import Session

__all__ = ["find_calibration", "kept_layers", "quantize", "require_nncf"]

_MOST = 300  # images, from which the ranges of activations are taken
_RANKED = 24  # images, those that suffered most, by which layers are ranked
# Names of nodes are the modules that they are in: those in none are the graph's own arithmetic
# (that of `_Inside` is in "graph"), and what OpenVINO puts in, transposed convolutions among it,
# which it does not load in 8 bits.
_FLOAT = (r"(/graph)?/?[^/]+$", r".*/anchor_generator/.*", r".*/level_poolers.*",
          r".*/predictor[^/]*/.*")  # of masks: OpenVINO cannot load a quantised one of few classes
# OpenVINO (2026.4) adds an enlarged map wrongly to what a convolution in 8 bits puts out: a pyramid
# was off by 0.2 to 0.45 of its norm, and is by 0.06 where only its first convolutions stay.
_FLOAT_IN_OPENVINO = (r".*/fpn_lateral.*",)
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Convolution", "GroupConvolution",
           "ConvolutionBackpropData", "GroupConvolutionBackpropData")  # of ONNX, of OpenVINO


def require_nncf() -> Any:
    """NNCF itself.

    Raises:
        ResNeStError: it is not installed.
    """
    os.environ.setdefault("NNCF_CI", "1")  # else it tells its makers that it is used
    try:
        import nncf
    except ImportError as error:
        raise ResNeStError("int8 needs NNCF: pip install 'resnest_dense[export]' "
                           f"({error}).") from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def find_calibration(given: Sequence[Path], subject: Subject) -> Sequence[Path]:
    """Some images, evenly spread, of those given, or else of the set that the model was trained on.

    Raises:
        ResNeStError: there are none.
    """
    images = given or [path for path in subject.training() if path.is_file()]
    if not images:
        raise ResNeStError("int8 needs images like those that the model will see, and the config's "
                           "training set is not there: name some by --calibration.")
    return [images[number * len(images) // _MOST] for number in range(_MOST)] if len(
        images) > _MOST else images


def quantize(model: Any, subject: Subject, pictures: Sequence[Path],
             validation: Validation | None = None, before: Scores | None = None,
             most_loss: float = 0.5) -> Any:
    """The model with int8 layers.

    Args:
        model: onnx.ModelProto or openvino.Model, in float32.
        subject: what it was made from.
        pictures: image files that are like those that it will see.
        validation: where there is one, layers go back to float32, those first that cost most, until
            no score loses more than ``most_loss`` points.
        before: scores of the model in float32 on it.
        most_loss: see above.

    Raises:
        ResNeStError: it loses more whichever layers go back.
    """
    nncf = require_nncf()
    data = nncf.Dataset(pictures, lambda path: _arrays(read_rgb(path), subject))
    patterns = list(_FLOAT)
    if hasattr(model, "graph"):
        _keep_outputs(model)
    else:
        patterns += _FLOAT_IN_OPENVINO
    given = dict(preset=nncf.QuantizationPreset.MIXED, subset_size=len(pictures),
                 ignored_scope=nncf.IgnoredScope(patterns=patterns, validate=False))
    if validation is None:
        return nncf.quantize(model, data, **given)

    def measure(prepared: Any, numbers: Iterable[int]) -> tuple[float, None]:
        runner = Runner(Session(subject.contract, _opened(prepared, subject)), threshold=None)
        return 100 - worst_loss(before or {}, validation.score(runner, list(numbers))), None

    quantized = nncf.quantize_with_accuracy_control(
        model, data, nncf.Dataset(range(len(validation.images))), measure, max_drop=most_loss,
        drop_type=nncf.DropType.ABSOLUTE, **given,
        # Each of its workers holds models of its own; by default they fill the memory.
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            num_ranking_workers=1, ranking_subset_size=_RANKED))
    if not _has_quantizers(quantized):  # NNCF gives back what it was given
        raise ResNeStError(f"In 8 bits this model loses more than {most_loss:g} points, whichever "
                           "layers go back to float32: allow more by --most-loss, or take "
                           "--precision float16.")
    return quantized


def kept_layers(model: Any) -> tuple[str, ...]:
    """The layers with weights that are not in 8 bits."""
    if hasattr(model, "graph"):
        made_by = {name: node for node in model.graph.node for name in node.output}
        weights = {one.name for one in model.graph.initializer}
        return tuple(node.name for node in model.graph.node
                     if node.op_type in _LAYERS and _source(node.input[1], made_by) in weights)
    return tuple(one.get_friendly_name() for one in model.get_ordered_ops()
                 if one.get_type_name() in _LAYERS and _is_float(one.input_value(1).get_node()))


def _has_quantizers(model: Any) -> bool:
    if hasattr(model, "graph"):
        return any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    return any(one.get_type_name() == "FakeQuantize" for one in model.get_ops())


def _source(name: str, made_by: dict[str, Any]) -> str:
    """A value that is called otherwise on the way, by its first name."""
    while name in made_by and made_by[name].op_type == "Identity":
        name = made_by[name].input[0]
    return name


def _is_float(node: Any) -> bool:
    """Whether an OpenVINO node is a constant in float32, or one in another shape."""
    while node.get_type_name() == "Reshape":
        node = node.input_value(0).get_node()
    return node.get_type_name() == "Constant" and node.get_element_type().is_real()


def _arrays(image: np.ndarray, subject: Subject) -> dict[str, np.ndarray]:
    contract = subject.contract
    ready = resize_image(image, target_size(image.shape[:2], contract.resize),
                         contract.resize.filter)
    arrays = {"images": batch_images([ready], contract),
              "sizes": np.array([ready.shape[:2]], np.int64)}
    return {name: arrays[name] for name in subject.inputs}


def _keep_outputs(model: Any) -> None:
    """Gives outputs a node of their own: NNCF loses those that a cast to the same type makes."""
    from onnx import helper

    names = {one.name for one in model.graph.output}
    for node in [node for node in model.graph.node if names & {*node.output}]:
        [name] = node.output
        node.output[0] = f"{name}_before"
        model.graph.node.append(helper.make_node("Identity", [node.output[0]], [name]))


def _opened(prepared: Any, subject: Subject) -> Callable[..., dict[str, np.ndarray]]:
    """What runs a model that NNCF gives: OpenVINO's compiled, ONNX's not."""
    if hasattr(prepared, "graph"):
        import onnxruntime

        session = onnxruntime.InferenceSession(prepared.SerializeToString())
        return lambda arrays: dict(zip(subject.outputs,
                                       session.run(list(subject.outputs), dict(arrays))))
    return lambda arrays: dict(zip(subject.outputs, prepared(dict(arrays)).values()))
