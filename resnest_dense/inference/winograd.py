"""3x3 convolutions with a quarter of the multiplications, for inference on a CPU.

Winograd's F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308): 6x6 tiles of the input become 36 maps, a
1x1 convolution with 36 groups of channels serves them all, and what it puts out becomes 4x4 tiles
of the output. A convolution of oneDNN runs at nine tenths of a core's peak, so that nothing but
fewer multiplications can be faster; the transforms are passes over memory, which many channels pay
for. Transformed weights take four times the memory.
"""

from collections.abc import Sequence
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from resnest_dense.inference.onednn import OneDNNConv2d

__all__ = ["Winograd", "is_winograd_conv", "suits_winograd"]

TILE, KERNEL = 4, 3
WINDOW = TILE + KERNEL - 1
# With these, rounding errors are a quarter of those with the usual 0, 1, -1, 2, -2. All are exact.
POINTS = (0, 0.75, -0.75, 1.5, -1.5)
# Narrower groups take longer than by oneDNN's own 3x3, as do maps that fill little of their tiles.
LEAST_GROUP = 64
LEAST_FILL = 2 / 3
# The transformed input and output of a chunk of tiles, which should stay in the cache.
CHUNK_BYTES = 24e6
# oneDNN orders the weights of a 1x1 otherwise for fewer pixels, and would do so in each call.
LEAST_TILES = 64


def is_winograd_conv(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether ``conv`` is such a convolution, of groups that are wide enough, for ``x`` of any
    size."""
    return (conv.kernel_size == (KERNEL, KERNEL) and x.dtype == torch.float32
            and conv.stride == (1, 1) and conv.padding == conv.dilation
            and conv.dilation[0] == conv.dilation[1]
            and conv.in_channels >= LEAST_GROUP * conv.groups)


def suits_winograd(conv: nn.Conv2d, x: Tensor) -> bool:
    """Whether ``conv`` of ``x`` has the form and ``x`` the size that are faster by
    :class:`Winograd`."""
    if not is_winograd_conv(conv, x):
        return False
    images, _, height, width = x.shape
    step = conv.dilation[0]
    tiles = step**2 * ceil(height / (step * TILE)) * ceil(width / (step * TILE))
    return images * tiles >= LEAST_TILES and height * width >= LEAST_FILL * tiles * TILE**2


class Winograd:
    """``relu(conv(x))`` for a 3x3 convolution with stride 1 that keeps the size, without gradients.

    Args:
        conv: the convolution, in float32; its weights are transformed once.
        relu: whether a ReLU follows.
    """

    def __init__(self, conv: nn.Conv2d, *, relu: bool):
        to_output, to_weight, to_input = _matrices()
        weight = conv.weight.detach().double()
        weight = torch.einsum("ai,bj,ocij->aboc", to_weight, to_weight, weight)
        weight = weight.reshape(-1, weight.shape[-1], 1, 1).to(conv.weight)
        self._to_input = torch.kron(to_input, to_input).to(conv.weight)
        self._to_output = torch.kron(to_output, to_output).to(conv.weight)
        bias = None
        if conv.bias is not None:
            # What the transform of the output turns into the bias everywhere.
            ones = torch.linalg.lstsq(to_output, torch.ones(TILE, 1, dtype=torch.float64)).solution
            bias = (torch.kron(ones, ones) * conv.bias.detach()).flatten().to(conv.bias.dtype)
        geometry = ((0, 0), (1, 1), (1, 1), WINDOW**2 * conv.groups)
        self._multiply = OneDNNConv2d(weight, bias, geometry, relu=False)
        self._relu = relu
        self._out_channels, self._dilation = conv.out_channels, conv.dilation[0]

    def __call__(self, x: Tensor) -> Tensor:
        """
        Shape:
            (N, C_in, H, W) -> (N, C_out, H, W), channels-last
        """
        height, width, step = *x.shape[2:], self._dilation
        x = x.permute(0, 2, 3, 1)
        if step == 1:
            x = self._undilated(x)
        else:
            # Every step-th pixel of every step-th row is an image that is convolved by itself.
            x = F.pad(x, (0, 0, 0, -width % step, 0, -height % step))
            x = x.unflatten(2, (-1, step)).unflatten(1, (-1, step))
            grid = x.permute(0, 2, 4, 1, 3, 5)
            x = self._undilated(grid.flatten(0, 2)).unflatten(0, grid.shape[:3])
            x = x.permute(0, 3, 1, 4, 2, 5).flatten(1, 2).flatten(2, 3)
        x = x[:, :height, :width].permute(0, 3, 1, 2)
        return x.contiguous(memory_format=torch.channels_last)

    def _undilated(self, x: Tensor) -> Tensor:
        """
        Shape:
            (N, H, W, C_in) -> (N, H, W, C_out)
        """
        (images, height, width, channels), out_channels = x.shape, self._out_channels
        rows, columns = ceil(height / TILE), ceil(width / TILE)
        out = x.new_empty(images, rows, TILE, width, out_channels)
        several, band = _chunk(images, rows, columns, 4 * WINDOW**2 * (channels + out_channels))
        for i in _starts(images, several):
            for row in _starts(rows, band):
                top, bottom = TILE * row - 1, TILE * (row + band) + 1
                part = x[i:i + several, max(top, 0):bottom]
                part = F.pad(part, (0, 0, 1, TILE * columns + 1 - width,
                                    max(-top, 0), max(bottom - height, 0)))
                self._serve(part, out[i:i + several, row:row + band])
        return out.view(images, TILE * rows, width, out_channels)[:, :height]

    def _serve(self, x: Tensor, out: Tensor) -> None:
        """
        Shape:
            (N, 4 rows + 2, 4 columns + 2, C_in), (N, rows, 4, W, C_out)
        """
        tiles = x.unfold(1, WINDOW, TILE).unfold(2, WINDOW, TILE).permute(0, 1, 2, 4, 5, 3)
        images, rows, columns, *_, channels = tiles.shape
        x = _transform(self._to_input, tiles.reshape(-1, WINDOW**2, channels))
        x = self._multiply(x.view(images, rows, columns, -1).permute(0, 3, 1, 2))
        x = x.permute(0, 2, 3, 1).reshape(-1, WINDOW**2, self._out_channels)
        x = _transform(self._to_output, x)
        x = x.view(images, rows, columns, TILE, TILE, -1).transpose(2, 3)
        whole, rest = divmod(out.shape[3], TILE)
        self._finish(x[:, :, :, :whole], out[:, :, :, :whole * TILE].unflatten(3, (whole, TILE)))
        if rest:
            self._finish(x[:, :, :, whole, :rest], out[:, :, :, whole * TILE:])

    def _finish(self, x: Tensor, out: Tensor) -> None:
        torch.clamp(x, min=0, out=out) if self._relu else out.copy_(x)


def _transform(matrix: Tensor, maps: Tensor) -> Tensor:
    return torch.bmm(matrix.expand(len(maps), -1, -1), maps)


def _chunk(images: int, rows: int, columns: int, tile_bytes: int) -> tuple[int, int]:
    """How many images and rows of tiles to serve at a time."""
    tiles = max(LEAST_TILES, CHUNK_BYTES / tile_bytes)
    band = min(rows, ceil(tiles / columns))
    even = ceil(rows / ceil(rows / band))
    band = min(rows, max(even, ceil(LEAST_TILES / columns)))
    return min(images, ceil(tiles / (band * columns))), band


def _starts(count: int, step: int) -> Sequence[int]:
    """Where chunks of ``step`` start; the last one moves back over what another served already."""
    return [min(start, count - step) for start in range(0, count, step)]


def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Matrices that transform output, weights and input along one axis (Toom and Cook).

    Input and kernel are taken as coefficients of polynomials: their values at :data:`POINTS` and at
    infinity are multiplied, and give back the coefficients of the product; here its transpose.

    Shape:
        (4, 6), (6, 3), (6, 6)
    """
    to_output, to_weight, to_input = (
        torch.zeros(shape, dtype=torch.float64)
        for shape in ((TILE, WINDOW), (WINDOW, KERNEL), (WINDOW, WINDOW)))
    for i, point in enumerate(POINTS):
        others = [other for other in POINTS if other != point]
        powers = point ** torch.arange(WINDOW).double()
        to_output[:, i] = powers[:TILE]
        to_weight[i] = powers[:KERNEL] / prod(point - other for other in others)
        to_input[i, :-1] = _polynomial(others)
    to_output[-1, -1] = to_weight[-1, -1] = 1
    to_input[-1] = _polynomial(POINTS)
    return to_output, to_weight, to_input


def _polynomial(roots: Sequence[float]) -> Tensor:
    """Coefficients, the constant one first."""
    coefficients = torch.ones(1, dtype=torch.float64)
    for root in roots:
        coefficients = F.pad(coefficients, (1, 0)) - root * F.pad(coefficients, (0, 1))
    return coefficients
