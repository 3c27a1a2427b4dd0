"""A traced graph as an ONNX model.

By torch's TorchScript exporter: its successor (``dynamo=True``) fails on R-CNNs to this day (torch
2.15), and takes minutes for a ResNeSt. All that depends on the exporter is here.
"""

import io
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from torch.onnx import symbolic_helper

from resnest_dense.errors import ResNeStError
from resnest_dense.exporting.subject import Subject

__all__ = ["make_onnx"]

_OPSET = 18  # 16 has RoiAlign as torchvision means it, 18 what OpenVINO and onnxruntime share
_DEFORMABLE_OPSET = 19  # has DeformConv
_LARGE = 1024  # values of a weight that is worth a node
_PER_IMAGE = ("logits", "semantic")


def make_onnx(subject: Subject) -> onnx.ModelProto:
    """The model, of standard operators alone.

    Raises:
        ResNeStError: an operator that is not in the standard, or a graph that torch cannot export.
    """
    buffer: Any = io.BytesIO()  # which the exporter's types do not have
    example = subject.example()
    opset = _DEFORMABLE_OPSET if subject.deformable else _OPSET
    torch.onnx.register_custom_op_symbolic("torchvision::deform_conv2d", _deform_conv,
                                           _DEFORMABLE_OPSET)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of exporter and tracer: the check is what counts
            torch.onnx.export(subject.graph, example, buffer, dynamo=False, opset_version=opset,
                              input_names=list(subject.inputs), output_names=list(subject.outputs),
                              dynamic_axes=_axes(subject))
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ResNeStError(f"torch cannot export this {subject.family}: {error}") from error
    model = onnx.load_from_string(buffer.getvalue())
    foreign = sorted({f"{node.domain}::{node.op_type}" for node in _nodes(model.graph)
                      if node.domain not in ("", "ai.onnx")})
    if foreign:
        raise ResNeStError(f"The graph has operators outside of the ONNX standard: "
                           f"{', '.join(foreign)}. Export a model without them.")
    if subject.contract.precision == "float16":
        _halve(model.graph)
    return model


def _axes(subject: Subject) -> dict[str, dict[int, str]]:
    axes = {"images": {0: "N", 2: "H", 3: "W"}, "sizes": {0: "N"}}
    for name in subject.outputs:
        per_image = name in _PER_IMAGE or not subject.contract.detects
        axes[name] = {0: "N", 2: f"{name}_h", 3: f"{name}_w"} if per_image else {0: "K"}
    return {name: axes[name] for name in (*subject.inputs, *subject.outputs)}


def _halve(graph: onnx.GraphProto) -> None:
    """Keeps large weights in half of their bytes; runtimes compute in float32 as before."""
    large = [tensor for tensor in graph.initializer
             if tensor.data_type == onnx.TensorProto.FLOAT and math.prod(tensor.dims) >= _LARGE]
    casts = []
    for tensor in large:
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name],
                                           to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


@symbolic_helper.parse_args(*"vvvvviiiiiiiib")
def _deform_conv(g: Any, x: Any, weight: Any, offset: Any, mask: Any, bias: Any, stride_h: int,
                 stride_w: int, pad_h: int, pad_w: int, dilation_h: int, dilation_w: int,
                 groups: int, offset_groups: int, use_mask: bool) -> Any:
    """torchvision's operator, whose offsets are ordered as ONNX's."""
    return g.op("DeformConv", x, weight, offset, bias, *[mask] * use_mask,
                strides_i=[stride_h, stride_w], pads_i=[pad_h, pad_w] * 2,
                dilations_i=[dilation_h, dilation_w], group_i=groups,
                offset_group_i=offset_groups)
