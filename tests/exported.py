"""Small graphs under the contract of exported files: what they find depends on the pixels.

The detector sees a picture in cells of 16 pixels: where the mean of a channel is over half of 255
there is an object of that channel's class (red, green, blue), as large as the cell, a disc. The
segmentor labels each pixel by the largest of red, green and blue, with a dark class before them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

from resnest_dense.runtime.contract import KEY, Classes, Contract, Panoptic, Resize, Thresholds

COLOURS = ((220, 30, 30), (30, 220, 30), (30, 30, 220))
DETECTOR = Contract(
    "detect", "0.1.0", Classes((1, 5, 9), ("red", "green", "blue"), COLOURS),
    "BGR", (10.0, 20.0, 30.0), (1.0, 1.0, 1.0), Resize("none"), 32,
    thresholds=Thresholds(0.05, 0.5, 100))
PANOPTIC = replace(
    DETECTOR, task="panoptic", panoptic=Panoptic(stuff_area=16),
    classes=replace(DETECTOR.classes, stuff_ids=(0, 20), stuff_names=("things", "dark")))
SEGMENTOR = Contract(
    "segment", "0.1.0", Classes((0, 1, 2, 3), ("dark", "red", "green", "blue"),
                                ((0, 0, 0), *COLOURS)),
    "RGB", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), Resize("none", filter="opencv"))

_HEAD = '<ir_version: 9, opset_import: ["" : 18]> '
_DETECTOR = """(float[N,3,H,W] images, int64[N,2] sizes) =>
    (float[K,4] boxes, float[K] scores, int64[K] classes, int64[K] image_index{outputs}) {{
  raw = Add(images, mean)
  cells = AveragePool <kernel_shape=[16,16], strides=[16,16]> (raw)
  share = Div(cells, full)
  rgb = Gather <axis=1> (share, backwards)
  minus = Constant <value_ints=[0,0,-1]> ()
  flat = Reshape(rgb, minus)
  shape = Shape(cells)
  zero = Constant <value_int=0> ()
  one = Constant <value_int=1> ()
  two = Constant <value_int=2> ()
  three = Constant <value_int=3> ()
  high = Gather(shape, two)
  wide = Gather(shape, three)
  total = Mul(high, wide)
  number = Range(zero, total, one)
  row = Div(number, wide)
  whole = Mul(row, wide)
  column = Sub(number, whole)
  last = Constant <value_ints=[1]> ()
  c = Unsqueeze(column, last)
  r = Unsqueeze(row, last)
  corner = Concat <axis=1> (c, r, c, r)
  places = Cast <to=1> (corner)
  scaled = Mul(places, cell)
  grid = Add(scaled, end)
  first = Constant <value_ints=[0]> ()
  gridded = Unsqueeze(grid, first)
  count = Gather(shape, first)
  others = Constant <value_ints=[1,1]> ()
  times = Concat <axis=0> (count, others)
  each = Tile(gridded, times)
  chosen = NonMaxSuppression(each, flat, most, overlap, least)
  image_index = Gather <axis=1> (chosen, zero)
  classes = Gather <axis=1> (chosen, one)
  place = Gather <axis=1> (chosen, two)
  scores = GatherND(flat, chosen)
  boxes = Gather <axis=0> (grid, place)
  {more}
}}"""
_MASKS = "known = Shape(scores)\nside = Constant <value_ints=[28,28]> ()\n" \
         "all = Concat <axis=0> (known, side)\nmasks = Expand(disc, all)\n"
_SEMANTIC = "semantic = Conv(rgb, weight, bias)\n"
_SEGMENTOR = """(float[N,3,H,W] images) => (float[N,4,h,w] logits) {
  pooled = AveragePool <kernel_shape=[2,2], strides=[2,2]> (images)
  logits = Conv(pooled, weight, bias)
}"""


def write_detector(path: Path, contract: Contract = DETECTOR, **changes) -> Path:
    """An ONNX file with masks, and ``semantic`` if the contract is of a panoptic model."""
    more, outputs = _MASKS, ", float[K,28,28] masks"
    if contract.task == "panoptic":
        more, outputs = more + _SEMANTIC, outputs + ", float[N,C,h,w] semantic"
    y, x = np.mgrid[:28, :28] - 13.5
    constants = {
        "mean": np.array(contract.mean, np.float32)[:, None, None], "full": np.float32(255),
        "backwards": np.array([2, 1, 0]), "cell": np.float32(16),
        "end": np.array([0, 0, 16, 16], np.float32), "most": np.int64(100),
        "overlap": np.float32(0.5), "least": np.float32(0.5),
        "disc": (np.hypot(x, y) < 13).astype(np.float32)}
    if contract.task == "panoptic":  # things where a cell is bright, or else dark
        constants["weight"] = np.array([[1] * 3, [0] * 3], np.float32)[:, :, None, None]
        constants["bias"] = np.array([0, 0.6], np.float32)
    return _save(_DETECTOR.format(outputs=outputs, more=more), constants, path,
                 replace(contract, **changes))


def write_segmentor(path: Path, contract: Contract = SEGMENTOR, **changes) -> Path:
    """An ONNX file whose logits have half the size of the image."""
    weight = np.vstack([np.zeros(3), np.eye(3)]).astype(np.float32)[:, :, None, None]
    constants = {"weight": weight, "bias": np.array([0.5, 0, 0, 0], np.float32)}
    return _save(_SEGMENTOR, constants, path, replace(contract, **changes))


def write_openvino(source: Path, path: Path, contract: Contract) -> Path:
    """The same graph as an OpenVINO file."""
    import openvino

    model = openvino.Core().read_model(source)
    model.set_rt_info(contract.to_json(), KEY)
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def colour_cells(height: int, width: int, cells: dict[tuple[int, int], int]) -> np.ndarray:
    """A black image (H, W, 3) with cells (row, column) of 16 pixels in a channel's colour."""
    image = np.zeros((height, width, 3), np.uint8)
    for (row, column), channel in cells.items():
        image[row * 16:row * 16 + 16, column * 16:column * 16 + 16, channel] = 200 + 10 * channel
    return image


def _save(graph: str, constants: dict[str, np.ndarray], path: Path, contract: Contract) -> Path:
    model = parser.parse_model(_HEAD + "exported " + graph)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name)
                                   for name, value in constants.items())
    onnx.helper.set_model_props(model, {KEY: contract.to_json()})
    onnx.save(model, path)
    return path
