"""The Triton kernels of split attention: pool, weighted sum, and one backward for both.

A program takes an image, a block of channels of one split (all splits in turn) and a run of pixels.
Maps are read by strides, so either memory layout keeps its own order. Sums over pixels are written
per run and added by torch: the result does not depend on the order in which programs finish.
"""

import triton
import triton.language as tl

__all__ = ["backward_kernel", "pool_kernel", "sum_kernel"]


@triton.jit
def _activate(x, scale, shift, channel, mask, AFFINE: tl.constexpr, ACC: tl.constexpr):
    """relu(x * scale + shift) in the type of accumulation, or x itself."""
    x = x.to(ACC)
    if AFFINE:
        s = tl.load(scale + channel, mask=mask, other=0).to(ACC)
        t = tl.load(shift + channel, mask=mask, other=0).to(ACC)
        # As relu does: what is not a number stays none, and training notices.
        x = tl.maximum(x * s[None, :] + t[None, :], 0.0, propagate_nan=tl.PropagateNan.ALL)
    return x


@triton.jit
def pool_kernel(x, scale, shift, sums, C, PIXELS, RUNS, image_stride, channel_stride, pixel_stride,
                R: tl.constexpr, AFFINE: tl.constexpr, ACC: tl.constexpr,
                BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, STEPS: tl.constexpr):
    """sums[n, run, c] = sum over the run's pixels and the splits. R C values in for each pixel."""
    n, run, block = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    total = tl.zeros([BLOCK_C], dtype=ACC)
    for step in range(STEPS):
        p = ((run * STEPS + step) * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
        mask = (p < PIXELS)[:, None] & (c < C)[None, :]
        for r in tl.static_range(R):
            at = n * image_stride + p[:, None] * pixel_stride + (r * C + c)[None, :] * channel_stride
            y = _activate(tl.load(x + at, mask=mask, other=0), scale, shift, r * C + c, c < C,
                          AFFINE, ACC)
            # A pixel outside the map is 0, but its activation is relu(shift).
            total += tl.sum(tl.where(mask, y, 0), axis=0)
    tl.store(sums + (n * RUNS + run) * C + c, total, mask=c < C)


@triton.jit
def sum_kernel(x, attention, scale, shift, out, C, PIXELS,
               image_stride, channel_stride, pixel_stride,
               out_image_stride, out_channel_stride, out_pixel_stride,
               R: tl.constexpr, AFFINE: tl.constexpr, ACC: tl.constexpr,
               BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    """out[n, c, p] = sum over r of attention[n, r, c] * activation. R C in, C out for each pixel."""
    n, run, block = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    p = (run * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
    mask = (p < PIXELS)[:, None] & (c < C)[None, :]
    total = tl.zeros([BLOCK_P, BLOCK_C], dtype=ACC)
    for r in tl.static_range(R):
        at = n * image_stride + p[:, None] * pixel_stride + (r * C + c)[None, :] * channel_stride
        y = _activate(tl.load(x + at, mask=mask, other=0), scale, shift, r * C + c, c < C,
                      AFFINE, ACC)
        weight = tl.load(attention + n * R * C + r * C + c, mask=c < C, other=0).to(ACC)
        total += weight[None, :] * y
    at = n * out_image_stride + p[:, None] * out_pixel_stride + c[None, :] * out_channel_stride
    tl.store(out + at, total.to(out.dtype.element_ty), mask=mask)


@triton.jit
def backward_kernel(x, weights, grad, scale, shift, grad_x, products, counts, C, PIXELS, RUNS,
                    image_stride, channel_stride, pixel_stride,
                    out_image_stride, out_channel_stride, out_pixel_stride,
                    R: tl.constexpr, MAP: tl.constexpr, AFFINE: tl.constexpr, ACC: tl.constexpr,
                    BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, STEPS: tl.constexpr):
    """Gradient of sum(grad * weights * activation) by x, and two sums over the run's pixels from
    which those by weights, scale and shift follow: products = sum(grad x), counts = sum(grad), both
    where the activation is positive. Without a MAP the gradient is 1 everywhere (the pool's).

    (R + 1) C values in and R C out for each pixel; the pool's, R C in and R C out.
    """
    n, run, block = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    c = block * BLOCK_C + tl.arange(0, BLOCK_C)
    for r in tl.static_range(R):
        rc = r * C + c
        weight = tl.load(weights + n * R * C + rc, mask=c < C, other=0).to(ACC)
        product = tl.zeros([BLOCK_C], dtype=ACC)
        count = tl.zeros([BLOCK_C], dtype=ACC)
        for step in range(STEPS):
            p = ((run * STEPS + step) * BLOCK_P + tl.arange(0, BLOCK_P)).to(tl.int64)
            mask = (p < PIXELS)[:, None] & (c < C)[None, :]
            at = n * image_stride + p[:, None] * pixel_stride + rc[None, :] * channel_stride
            value = tl.load(x + at, mask=mask, other=0).to(ACC)
            if MAP:
                g = tl.load(grad + n * out_image_stride + p[:, None] * out_pixel_stride
                            + c[None, :] * out_channel_stride, mask=mask, other=0).to(ACC)
            else:
                g = tl.where(mask, 1.0, 0.0).to(ACC)
            if AFFINE:
                s = tl.load(scale + rc, mask=c < C, other=0).to(ACC)
                t = tl.load(shift + rc, mask=c < C, other=0).to(ACC)
                g = tl.where(value * s[None, :] + t[None, :] > 0, g, 0)
                grad_value = g * (weight * s)[None, :]
            else:
                grad_value = g * weight[None, :]
            tl.store(grad_x + at, grad_value.to(grad_x.dtype.element_ty), mask=mask)
            product += tl.sum(g * value, axis=0)
            count += tl.sum(g, axis=0)
        to = (n * RUNS + run) * R * C + rc
        tl.store(products + to, product, mask=c < C)
        tl.store(counts + to, count, mask=c < C)
