# Pointers and numbers have types to Triton alone.
# mypy: allow-incomplete-defs
"""The Triton kernels of split attention, in the terms of
:mod:`resnest_dense.ops.triton_kernels`."""

import triton
import triton.language as tl

from resnest_dense.ops.triton_kernels import affine, pixels, place, relu

__all__ = ["gradient_kernel", "pool_kernel", "sum_kernel", "weighted_sums_kernel"]


@triton.jit
def pool_kernel(x, scale, shift, products, counts, C, PIXELS, RUNS, BLOCKS,
                image_stride, channel_stride, pixel_stride,
                AFFINE: tl.constexpr, ACC: tl.constexpr,
                BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, STEPS: tl.constexpr):
    """The sum of x over a run and the number of its pixels, both where the ReLU is open: the sum of
    the map is scale * the one + shift * the other. C values in for each pixel."""
    n, run, block = place(BLOCKS)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    product = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    count = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    if AFFINE:
        s, t = affine(scale, shift, c, c < C, ACC)
    for step in range(STEPS):
        p = pixels(run, step, STEPS, BLOCK_P)
        mask = (p < PIXELS)[:, None] & (c < C)[None, :]
        at = n * image_stride + p[:, None] * pixel_stride + c[None, :] * channel_stride
        value = tl.load(x + at, mask=mask, other=0).to(ACC)
        if AFFINE:
            # Not "y > 0", so that NaN stays NaN; a pixel outside the map is 0, but its y is not.
            is_open = mask & ~(value * s[None, :] + t[None, :] <= 0)
            product += tl.where(is_open, value, 0)
            count += tl.where(is_open, 1.0, 0.0).to(ACC)
        else:
            product += value
    to = (n * RUNS + run) * C + c
    tl.store(products + to, tl.sum(product, axis=0), mask=c < C)
    tl.store(counts + to, tl.sum(count, axis=0), mask=c < C)


@triton.jit
def sum_kernel(x, attention, scale, shift, out, C, PIXELS, BLOCKS,
               image_stride, channel_stride, pixel_stride,
               out_image_stride, out_channel_stride, out_pixel_stride,
               R: tl.constexpr, AFFINE: tl.constexpr, ACC: tl.constexpr,
               BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """out = sum over the splits of attention * map. R C values in and C out for each pixel."""
    n, run, block = place(BLOCKS)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    p = pixels(run, 0, 1, BLOCK_P)
    mask = (p < PIXELS)[:, None] & (c < C)[None, :]
    total = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for r in tl.static_range(R):
        rc = r * C + c
        at = n * image_stride + p[:, None] * pixel_stride + rc[None, :] * channel_stride
        y = tl.load(x + at, mask=mask, other=0).to(ACC)
        if AFFINE:
            s, t = affine(scale, shift, rc, c < C, ACC)
            y = relu(y * s[None, :] + t[None, :])
        weight = tl.load(attention + n * R * C + rc, mask=c < C, other=0).to(ACC)
        total += weight[None, :] * y
    to = n * out_image_stride + p[:, None] * out_pixel_stride + c[None, :] * out_channel_stride
    tl.store(out + to, total.to(out.dtype.element_ty), mask=mask)


@triton.jit
def weighted_sums_kernel(x, grad, scale, shift, products, counts, C, PIXELS, RUNS, BLOCKS,
                         image_stride, channel_stride, pixel_stride,
                         out_image_stride, out_channel_stride, out_pixel_stride,
                         R: tl.constexpr, AFFINE: tl.constexpr, ACC: tl.constexpr,
                         BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, STEPS: tl.constexpr):
    """The sums of grad * x and of grad over a run, for each split where its ReLU is open: what the
    gradients by attention, scale and shift are made of. (R + 1) C values in for each pixel."""
    n, run, block = place(BLOCKS * R)
    r, c = block % R, block // R * BLOCK_C + tl.arange(0, BLOCK_C)
    rc = r * C + c
    if AFFINE:
        s, t = affine(scale, shift, rc, c < C, ACC)
    product = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    count = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for step in range(STEPS):
        p = pixels(run, step, STEPS, BLOCK_P)
        mask = (p < PIXELS)[:, None] & (c < C)[None, :]
        at = n * image_stride + p[:, None] * pixel_stride + rc[None, :] * channel_stride
        value = tl.load(x + at, mask=mask, other=0).to(ACC)
        g = tl.load(grad + n * out_image_stride + p[:, None] * out_pixel_stride
                    + c[None, :] * out_channel_stride, mask=mask, other=0).to(ACC)
        if AFFINE:
            g = tl.where(value * s[None, :] + t[None, :] > 0, g, 0)
        product += g * value
        count += g
    to = (n * RUNS + run) * R * C + rc
    tl.store(products + to, tl.sum(product, axis=0), mask=c < C)
    tl.store(counts + to, tl.sum(count, axis=0), mask=c < C)


@triton.jit
def gradient_kernel(x, grad, weights, pooled, scale, shift, offset, slope, out, C, PIXELS, BLOCKS,
                    image_stride, channel_stride, pixel_stride,
                    grad_image_stride, grad_channel_stride, grad_pixel_stride,
                    R: tl.constexpr, MAP: tl.constexpr, WEIGHTS: tl.constexpr, POOL: tl.constexpr,
                    RELU: tl.constexpr, AFFINE: tl.constexpr, MOMENTS: tl.constexpr,
                    ACC: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """The gradient of a convolution's output, all of it in one pass: of the map made from it by the
    norm's scale and shift, weighted by the attention (grad * weights), through the pool, and
    through the norm's moments (offset + slope * x). (R + 1) C values in and R C out for each pixel.
    """
    n, run, block = place(BLOCKS)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    p = pixels(run, 0, 1, BLOCK_P)
    mask = (p < PIXELS)[:, None] & (c < C)[None, :]
    if MAP:
        from_map = tl.load(grad + n * grad_image_stride + p[:, None] * grad_pixel_stride
                           + c[None, :] * grad_channel_stride, mask=mask, other=0).to(ACC)
    if POOL:
        from_pool = tl.load(pooled + n * C + c, mask=c < C, other=0).to(ACC)
    for r in tl.static_range(R):
        rc = r * C + c
        at = n * image_stride + p[:, None] * pixel_stride + rc[None, :] * channel_stride
        g = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
        if MAP:
            if WEIGHTS:
                weight = tl.load(weights + n * R * C + rc, mask=c < C, other=0).to(ACC)
                g += from_map * weight[None, :]
            else:
                g += from_map
        if POOL:
            g += from_pool[None, :]
        if RELU or MOMENTS:
            value = tl.load(x + at, mask=mask, other=0).to(ACC)
        if AFFINE:
            s, t = affine(scale, shift, rc, c < C, ACC)
            if RELU:
                g = tl.where(value * s[None, :] + t[None, :] > 0, g, 0)
            g = g * s[None, :]
        if MOMENTS:
            a, b = affine(offset, slope, rc, c < C, ACC)
            g += a[None, :] + b[None, :] * value
        tl.store(out + at, g.to(out.dtype.element_ty), mask=mask)
