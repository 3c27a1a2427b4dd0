"""Passes over memory that each network makes, read off its code (nothing here is measured).

A pass reads or writes one value of two bytes for each value of the map of a form; a float32 map
counts twice. Radix 2: the map of ``attention`` has C channels, its splits 2 C. All run
channels-last on CUDA, norms by torch's own kernels (statistics 1, normalise 2; backward: sums 2,
gradient 3), ReLUs in place.

Forms: ``norm ReLU`` behind conv1 and the stem's convolutions; ``attention`` from what its 3x3 puts
out to what conv3 reads; ``norm`` of the shortcut; ``end``: conv3's norm, residual, ReLU, and
backward the sum of the two gradients of the block's input; ``pool``: what average and max-pools
read and write, together; ``indices`` of the max-pool; ``output`` of a stage, which the loss reads;
``weights``, in float32 under autocast.
"""

import re
from collections.abc import Collection

__all__ = ["FLOOR", "NETWORKS", "PHASES", "passes"]

PHASES = ("eval", "eval cast", "forward", "backward")

# What backward reads besides, to form a norm's gradient while it convolves: benchmarks.floor.
FLOOR = {
    "norm ReLU": {"forward": "statistics 1", "backward": "sums 2"},
    "attention": {"eval": "pool 2, sum 3", "forward": "statistics 2, pool 2, sum 3",
                  "backward": "products and sums 3"},
    "norm": {"forward": "statistics 1", "backward": "sums 2"},
    "end": {"forward": "statistics 1, norm addition ReLU 3", "backward": "mask and sums 4"},
    "pool": {"eval": "in and out 1", "forward": "in and out 1", "backward": "in and out 1"},
}

_NORM = {"eval": "norm 2", "eval cast": "norm 2", "forward": "norm 3", "backward": "norm 5"}
_END = {"eval": "norm 2, addition 3, ReLU 2", "eval cast": "norm 2, addition 3, ReLU 2",
        "forward": "norm 3, addition 3, ReLU 2", "backward": "ReLU 3, norm 5, two gradients 3"}
_NORM_RELU = {"eval": "norm 2, ReLU 2", "eval cast": "norm 2, ReLU 2",
              "forward": "norm 3, ReLU 2", "backward": "ReLU 3, norm 5"}
_WEIGHTS = {"eval": "cast 3", "forward": "cast 3", "backward": "cast 3"}
_POOL = dict.fromkeys(PHASES, "in and out 1")
# The benchmark's loss, mean values in float32, is never compiled.
_OUTPUT = {"forward": "cast 3, mean 2", "backward": "mean 2, cast 3, two gradients 3"}
_EAGER = {"norm ReLU": _NORM_RELU, "norm": _NORM, "end": _END, "weights": _WEIGHTS, "pool": _POOL,
          "indices": dict.fromkeys(PHASES, "int64 4"), "output": _OUTPUT}
_COMPILED = {
    "norm ReLU": {"eval": "bias ReLU 2", "eval cast": "bias ReLU 2",
                  "forward": "statistics 1, norm ReLU 2", "backward": "sums 3, gradient 3"},
    "norm": {"forward": "statistics 1", "backward": "sums 2, gradient 3"},
    "end": {"eval": "bias addition ReLU 3", "eval cast": "bias addition ReLU 3",
            "forward": "statistics 1, norm addition ReLU 3",
            "backward": "two gradients through ReLU 4, sums 2, gradient 3"},
    "weights": {"forward": "cast 3", "backward": "cast 3"},
    "pool": _POOL,
    "output": _OUTPUT,
}

_LAZY = {"eval": "pool 2, sum 3", "eval cast": "pool 2, sum 3"}
_FOLDED = {"eval": "bias 4, ReLU 4, pool 2, sum 3", "eval cast": "bias 4, ReLU 4, pool 2, sum 3"}

NETWORKS = {
    # Triton kernels: each list of reads and writes is one.
    "ours": {
        **_EAGER,
        "norm ReLU": {"eval": "norm ReLU 2", "eval cast": "norm ReLU 2",
                      "forward": "statistics 1, norm ReLU 2",
                      "backward": "made again 2, sums 2, gradient 3"},
        "attention": {**_LAZY, "forward": "statistics 2, pool 2, sum 3",
                      "backward": "sum made again 3, products and sums 3, gradient 5"},
        "norm": _NORM | {"backward": "sums 2, gradient 3"},
        "end": {"eval": "norm addition ReLU 3", "eval cast": "norm addition ReLU 3",
                "forward": "statistics 1, norm addition ReLU 3",
                "backward": "two gradients 3, mask and sums 4, gradient 3"},
    },
    "official": {
        **_EAGER,
        "attention": {
            "eval": "norm 4, ReLU 4, sum of splits 5, mean 1, float32 products 6, their sum 10, "
                    "contiguous 4, cast 3, channels-last again 2",
            "eval cast": "norm 4, ReLU 4, sum of splits 5, mean 1, products 4, their sum 5, "
                         "contiguous 2, channels-last again 2",
            "forward": "norm 6, ReLU 4, sum of splits 5, mean 1, float32 products 6, their sum 10, "
                       "contiguous 4, cast 3, channels-last again 2",
            "backward": "channels-last again 2, cast 3, products by splits 8, cast 6, "
                        "products by weights 10, summed 4, mean 1, added 6, concatenated 4, "
                        "ReLU 6, norm 10"},
    },
    "timm": {
        **_EAGER,
        "attention": {
            "eval": "norm 4, ReLU 4, float32 sum of splits 4, mean 2, float32 products 6, "
                    "their sum 6, cast 3, channels-last again 2",
            "eval cast": "norm 4, ReLU 4, sum of splits 3, mean 1, products 4, their sum 3, "
                         "channels-last again 2",
            "forward": "norm 6, ReLU 4, float32 sum of splits 4, mean 2, float32 products 6, their "
                       "sum 6, cast 3, channels-last again 2",
            "backward": "channels-last again 2, cast 3, products by splits 6, cast 6, products by "
                        "weights 8, summed 4, mean 2, cast 4, added 6, ReLU 6, norm 10"},
    },
    "official compiled": {
        **_COMPILED,
        "attention": {
            "eval": "bias ReLU 4, pool 2, sum 3", "eval cast": "bias ReLU 4, pool 2, sum 3",
            "forward": "statistics 2, norm ReLU 4, pool 2, sum 3",
            "backward": "products by weights 3, sums 5, gradient 7"},
    },
}
# All three are the same arithmetic to a compiler: ours leaves its kernels to it.
NETWORKS |= {"timm compiled": NETWORKS["official compiled"],
             "ours compiled": NETWORKS["official compiled"]}
# For inference; cuDNN's convolution adds no bias: that is a pass, and so are addition and ReLU.
NETWORKS["ours fused"] = {**_EAGER, "attention": _FOLDED}


def passes(text: str, only: Collection[str] = ()) -> int:
    """The sum of what ``text`` counts, in which each step ends with its passes; of steps with the
    names ``only``, where there are any."""
    steps = re.findall(r"([^\s,][^,]*) (\d+)(?=,|$)", text)
    return sum(int(count) for name, count in steps if not only or name in only)
