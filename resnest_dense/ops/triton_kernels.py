# Pointers and numbers have types to Triton alone.
# mypy: allow-incomplete-defs
"""The Triton kernels of norms and average pools, and what all kernels share.

A program takes one image, a run of its pixels and a block of channels. Maps are read by strides, so
either memory layout keeps its own order. Sums over pixels are written per run and added afterwards:
no result depends on the order in which programs finish. Wherever a map is
``relu(x * scale + shift)``, it is made from ``x`` on the fly and never written.
"""

import torch
import triton
import triton.language as tl

__all__ = ["ACC", "affine", "avg_pool_gradient_kernel", "avg_pool_kernel",
           "batch_norm_gradient_kernel", "batch_norm_kernel", "moments_kernel", "normalise_kernel",
           "normalise_sums_kernel", "pixels", "place", "relu"]

# The type of accumulation, by that of the sums.
ACC = {torch.float32: tl.float32, torch.float64: tl.float64}


@triton.jit
def place(BLOCKS):
    """Image, run of pixels, block of channels. The blocks of one run lie next to each other in the
    grid, so that what they share is still in the cache."""
    program, n = tl.program_id(0), tl.program_id(1).to(tl.int64)
    return n, program // BLOCKS, program % BLOCKS


@triton.jit
def pixels(run, step, STEPS: tl.constexpr, BLOCK_P: tl.constexpr):
    return ((run * STEPS + step) * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)


@triton.jit
def affine(scale, shift, channel, mask, ACC: tl.constexpr):
    return (tl.load(scale + channel, mask=mask, other=0).to(ACC),
            tl.load(shift + channel, mask=mask, other=0).to(ACC))


@triton.jit
def relu(y):
    # As torch's: NaN stays NaN, and training notices.
    return tl.maximum(y, 0.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def moments_kernel(x, means, squares, C, PIXELS, RUNS, BLOCKS,
                   image_stride, channel_stride, pixel_stride, ACC: tl.constexpr,
                   BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, STEPS: tl.constexpr):
    """Mean of each run and its sum of squared deviations. C values in for each pixel.

    Values are taken about the run's first one: the difference of two large sums would lose digits.
    """
    n, run, block = place(BLOCKS)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    first = (run * STEPS * BLOCK_P).to(tl.int64)
    pivot = tl.load(x + n * image_stride + first * pixel_stride + c * channel_stride, mask=c < C,
                    other=0).to(ACC)
    sums = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    squared = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for step in range(STEPS):
        p = pixels(run, step, STEPS, BLOCK_P)
        mask = (p < PIXELS)[:, None] & (c < C)[None, :]
        at = n * image_stride + p[:, None] * pixel_stride + c[None, :] * channel_stride
        value = tl.where(mask, tl.load(x + at, mask=mask, other=0).to(ACC) - pivot[None, :], 0)
        sums += value
        squared += value * value
    count = tl.minimum(PIXELS - first, STEPS * BLOCK_P).to(ACC)
    total = tl.sum(sums, axis=0)
    to = (n * RUNS + run) * C + c
    tl.store(means + to, pivot + total / count, mask=c < C)
    tl.store(squares + to, tl.sum(squared, axis=0) - total * (total / count), mask=c < C)


@triton.jit
def batch_norm_kernel(means, squares, weight, bias, running_mean, running_var, batches,
                      scale, shift, mean_out, rstd_out, C, ROWS, RUNS, PIXELS, LENGTH,
                      MOMENTUM: tl.constexpr, EPS: tl.constexpr, TRACK: tl.constexpr,
                      ACC: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_R: tl.constexpr,
                      STEPS: tl.constexpr):
    """Scale and shift of a batch norm from the moments of all runs, and its running statistics."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    total = (ROWS // RUNS).to(ACC) * PIXELS
    pivot = tl.load(means + c, mask=c < C, other=0)
    sums = tl.zeros([BLOCK_R, BLOCK_C], dtype=ACC)
    squared = tl.zeros([BLOCK_R, BLOCK_C], dtype=ACC)
    for step in tl.static_range(STEPS):
        row = step * BLOCK_R + tl.arange(0, BLOCK_R)
        mask = (row < ROWS)[:, None] & (c < C)[None, :]
        count = tl.minimum(PIXELS - (row % RUNS) * LENGTH, LENGTH).to(ACC)[:, None]
        at = row[:, None] * C + c[None, :]
        off = tl.where(mask, tl.load(means + at, mask=mask, other=0) - pivot[None, :], 0)
        sums += count * off
        squared += tl.load(squares + at, mask=mask, other=0) + count * off * off
    off = tl.sum(sums, axis=0) / total
    mean = pivot + off
    var = tl.sum(squared, axis=0) / total - off * off
    rstd = 1 / tl.sqrt(var + EPS)
    s = tl.load(weight + c, mask=c < C, other=0).to(ACC) * rstd
    tl.store(scale + c, s, mask=c < C)
    tl.store(shift + c, tl.load(bias + c, mask=c < C, other=0).to(ACC) - mean * s, mask=c < C)
    tl.store(mean_out + c, mean, mask=c < C)
    tl.store(rstd_out + c, rstd, mask=c < C)
    if TRACK:
        unbiased = var * (total / tl.maximum(total - 1, 1))
        known = tl.load(running_mean + c, mask=c < C, other=0).to(ACC)
        known += MOMENTUM * (mean - known)
        tl.store(running_mean + c, known.to(running_mean.dtype.element_ty), mask=c < C)
        known = tl.load(running_var + c, mask=c < C, other=0).to(ACC)
        known += MOMENTUM * (unbiased - known)
        tl.store(running_var + c, known.to(running_var.dtype.element_ty), mask=c < C)
        if tl.program_id(0) == 0:
            tl.store(batches, tl.load(batches) + 1)


@triton.jit
def batch_norm_gradient_kernel(by_scale, by_shift, weight, mean, rstd, by_weight, by_bias,
                               offset, slope, C, COUNT, ACC: tl.constexpr, BLOCK_C: tl.constexpr):
    """Gradients of a batch norm's weight and bias by those of its scale and shift, and the gradient
    of its input through its moments, offset + slope * x."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    m, r = affine(mean, rstd, c, c < C, ACC)
    gs, gt = affine(by_scale, by_shift, c, c < C, ACC)
    w = tl.load(weight + c, mask=c < C, other=0).to(ACC)
    gs -= m * gt  # shift = bias - mean * scale
    tl.store(by_weight + c, (gs * r).to(by_weight.dtype.element_ty), mask=c < C)
    tl.store(by_bias + c, gt.to(by_bias.dtype.element_ty), mask=c < C)
    b = -gs * w * r * r * r / COUNT
    tl.store(slope + c, b, mask=c < C)
    tl.store(offset + c, -gt * w * r / COUNT - m * b, mask=c < C)


@triton.jit
def normalise_kernel(x, scale, shift, residual, out, C, PIXELS, BLOCKS,
                     image_stride, channel_stride, pixel_stride, RELU: tl.constexpr,
                     RESIDUAL: tl.constexpr, ACC: tl.constexpr,
                     BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """out = relu(x * scale + shift + residual), relu and residual where there is one."""
    n, run, block = place(BLOCKS)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    p = pixels(run, 0, 1, BLOCK_P)
    mask = (p < PIXELS)[:, None] & (c < C)[None, :]
    at = n * image_stride + p[:, None] * pixel_stride + c[None, :] * channel_stride
    s, t = affine(scale, shift, c, c < C, ACC)
    y = tl.load(x + at, mask=mask, other=0).to(ACC) * s[None, :] + t[None, :]
    if RESIDUAL:
        y += tl.load(residual + at, mask=mask, other=0).to(ACC)
    if RELU:
        y = relu(y)
    tl.store(out + at, y.to(out.dtype.element_ty), mask=mask)


@triton.jit
def normalise_sums_kernel(x, grad, out, scale, shift, masked, products, counts,
                          C, PIXELS, RUNS, BLOCKS, image_stride, channel_stride, pixel_stride,
                          RELU: tl.constexpr, RESIDUAL: tl.constexpr, ACC: tl.constexpr,
                          BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, STEPS: tl.constexpr):
    """The sums of grad * x and of grad over a run, where the ReLU is open; with a residual, of
    which ``out`` holds where it is, that gradient is written too (it is the residual's)."""
    n, run, block = place(BLOCKS)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    s, t = affine(scale, shift, c, c < C, ACC)
    product = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    count = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for step in range(STEPS):
        p = pixels(run, step, STEPS, BLOCK_P)
        mask = (p < PIXELS)[:, None] & (c < C)[None, :]
        at = n * image_stride + p[:, None] * pixel_stride + c[None, :] * channel_stride
        value = tl.load(x + at, mask=mask, other=0).to(ACC)
        g = tl.load(grad + at, mask=mask, other=0)
        if RESIDUAL:
            g = tl.where(tl.load(out + at, mask=mask, other=0) > 0, g, 0)
            tl.store(masked + at, g, mask=mask)
        elif RELU:
            g = tl.where(value * s[None, :] + t[None, :] > 0, g, 0)
        g = g.to(ACC)
        product += g * value
        count += g
    to = (n * RUNS + run) * C + c
    tl.store(products + to, tl.sum(product, axis=0), mask=c < C)
    tl.store(counts + to, tl.sum(count, axis=0), mask=c < C)


@triton.jit
def avg_pool_kernel(x, out, C, PIXELS, BLOCKS, H, W, OUT_W,
                    image_stride, channel_stride, pixel_stride,
                    out_image_stride, out_channel_stride, out_pixel_stride,
                    K: tl.constexpr, S: tl.constexpr, PAD: tl.constexpr, INCLUDE_PAD: tl.constexpr,
                    ACC: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """A window of values in (from the cache, but for the first time) and one out."""
    program, n = tl.program_id(0), tl.program_id(1).to(tl.int64)
    c = program % BLOCKS * BLOCK_C + tl.arange(0, BLOCK_C)
    p = (program // BLOCKS * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
    top, left = p // OUT_W * S - PAD, p % OUT_W * S - PAD
    total = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for i in tl.static_range(K):
        for j in tl.static_range(K):
            h, w = top + i, left + j
            inside = (p < PIXELS) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
            at = (n * image_stride + (h * W + w)[:, None] * pixel_stride
                  + c[None, :] * channel_stride)
            total += tl.load(x + at, mask=inside[:, None] & (c < C)[None, :], other=0).to(ACC)
    total /= _values(top, left, H, W, K, INCLUDE_PAD).to(ACC)[:, None]
    to = n * out_image_stride + p[:, None] * out_pixel_stride + c[None, :] * out_channel_stride
    mask = (p < PIXELS)[:, None] & (c < C)[None, :]
    tl.store(out + to, total.to(out.dtype.element_ty), mask=mask)


@triton.jit
def avg_pool_gradient_kernel(grad, out, C, PIXELS, BLOCKS, H, W, GRAD_H, GRAD_W,
                             image_stride, channel_stride, pixel_stride,
                             out_image_stride, out_channel_stride, out_pixel_stride,
                             K: tl.constexpr, S: tl.constexpr, PAD: tl.constexpr,
                             INCLUDE_PAD: tl.constexpr, ACC: tl.constexpr,
                             BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """What each window that holds a pixel gives to it."""
    program, n = tl.program_id(0), tl.program_id(1).to(tl.int64)
    c = program % BLOCKS * BLOCK_C + tl.arange(0, BLOCK_C)
    p = (program // BLOCKS * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
    h, w = p // W + PAD, p % W + PAD
    total = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for i in tl.static_range((K + S - 1) // S):
        for j in tl.static_range((K + S - 1) // S):
            # The last window that begins at or before the pixel, and those before that one.
            row, column = h // S - i, w // S - j
            inside = ((p < PIXELS) & (row >= 0) & (row < GRAD_H) & (column >= 0) & (column < GRAD_W)
                      & (h - row * S < K) & (w - column * S < K))
            at = (n * image_stride + (row * GRAD_W + column)[:, None] * pixel_stride
                  + c[None, :] * channel_stride)
            value = tl.load(grad + at, mask=inside[:, None] & (c < C)[None, :], other=0).to(ACC)
            count = _values(row * S - PAD, column * S - PAD, H, W, K, INCLUDE_PAD).to(ACC)
            total += tl.where(inside[:, None], value / count[:, None], 0)
    to = n * out_image_stride + p[:, None] * out_pixel_stride + c[None, :] * out_channel_stride
    mask = (p < PIXELS)[:, None] & (c < C)[None, :]
    tl.store(out + to, total.to(out.dtype.element_ty), mask=mask)


@triton.jit
def _values(top, left, H, W, K: tl.constexpr, INCLUDE_PAD: tl.constexpr):
    """By how many values a window's sum is divided."""
    if INCLUDE_PAD:
        return tl.zeros_like(top) + K * K
    rows = tl.minimum(top + K, H) - tl.maximum(top, 0)
    columns = tl.minimum(left + K, W) - tl.maximum(left, 0)
    return tl.maximum(rows * columns, 1)
