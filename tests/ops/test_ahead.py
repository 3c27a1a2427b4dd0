"""The kernels compile for GPUs that are not here, without spills and with wide loads of maps.

Each kernel for each GPU, with types, radices, layouts and sizes in turn, so that each value of one
meets many of the others; ``RESNEST_DENSE_AHEAD=all`` (``make matrix``) compiles all of their
combinations.
"""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resnest_dense.ops import triton_launch

pytest.importorskip("triton")

ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
TYPES = ("bfloat16", "float16", "float32", "float64")
LAYOUTS = ("channels last", "channels first")
SUMS = ("moments_kernel", "normalise_sums_kernel", "pool_kernel", "weighted_sums_kernel")
MAPS = ("normalise_kernel", "sum_kernel", "gradient_kernel", "avg_pool_kernel",
        "avg_pool_gradient_kernel")
VECTORS = ("batch_norm_kernel", "batch_norm_gradient_kernel")
FLAGS = dict(MAP=True, WEIGHTS=True, POOL=True, RELU=True, AFFINE=True, MOMENTS=True, RESIDUAL=True,
             TRACK=True, K=3, S=2, PAD=1, INCLUDE_PAD=True, MOMENTUM=0.1, EPS=1e-5)
# Registers of a thread; four warps of 255 still leave two programs a multiprocessor.
MOST_REGISTERS = 255
WORKER = Path(__file__).with_name("ahead.py")


def most_spills(wanted):
    """In bytes. Values of float64 take two registers, and windows of channels that 16 does not
    divide are addressed one value at a time; neither occurs in a network of the paper."""
    return 2048 if wanted["dtype"] == "float64" or not wanted["divisible"] else 0


def case(kernel, arch, dtype, radix, layout, divisible, large):
    """One compilation, cut as a launch on 8 maps of 256 channels would be."""
    if kernel in VECTORS:
        sizes = dict(BLOCK_C=16 if kernel == "batch_norm_kernel" else 128, BLOCK_R=128, STEPS=8)
    else:
        small = kernel in SUMS or "avg_pool" in kernel
        tile = triton_launch.SMALL_TILE if small else triton_launch.TILE
        cut = triton_launch.cut(8, 256, 60800, layout == "channels last", tile, kernel in SUMS)
        sizes = dict(BLOCK_C=cut.block_c, BLOCK_P=cut.block_p, STEPS=cut.steps)
    return dict(kernel=kernel, arch=arch, dtype=dtype, layout=layout, divisible=divisible,
                large=large, warps=triton_launch.WARPS, constants=FLAGS | sizes | {"R": radix})


def cases():
    kernels = SUMS + MAPS + VECTORS
    values = (TYPES, (2, 1, 4), LAYOUTS, (True, False), (False, True))
    if os.environ.get("RESNEST_DENSE_AHEAD") == "all":
        return [case(*chosen) for chosen in itertools.product(kernels, ARCHITECTURES, *values)
                if chosen[1:3] != (75, "bfloat16")]
    found = [case(kernel, 90, "bfloat16", 2, "channels last", True, False) for kernel in kernels]
    pairs = list(itertools.product(ARCHITECTURES, kernels))[::3]
    for i, (arch, kernel) in enumerate(pairs):
        types = TYPES[1:] if arch == 75 else TYPES  # sm_75 has no bfloat16.
        found.append(case(kernel, arch, types[i % len(types)], (2, 1, 4)[i % 3],
                          LAYOUTS[i // 2 % 2], i % 5 != 0, i % 4 == 3))
    return found


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Each case with what the compiler reports of it, by a process without Triton's interpreter."""
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    environment.pop("TRITON_INTERPRET", None)
    wanted = cases()
    done = subprocess.run([sys.executable, WORKER], input=json.dumps(wanted), text=True,
                          capture_output=True, env=environment, cwd=WORKER.parents[2])
    assert done.returncode == 0, done.stderr
    return list(zip(wanted, json.loads(done.stdout), strict=True))


def test_every_kernel_compiles(reports):
    failed = [(wanted, found["error"]) for wanted, found in reports if "error" in found]
    assert not failed, failed[0]


def test_registers_suffice(reports):
    for wanted, found in reports:
        assert found["registers"] <= MOST_REGISTERS, wanted
        assert found["spills"] <= most_spills(wanted), (wanted, found)


def test_maps_move_in_128_bits_at_a_time(reports):
    seen = 0
    for wanted, found in reports:
        if wanted["layout"] == "channels last" and wanted["divisible"] and \
                wanted["kernel"] not in VECTORS and wanted["dtype"] != "float64":
            assert found["loads"].count(128) >= 1, (wanted, found)
            assert wanted["kernel"] in SUMS or set(found["stores"]) == {128}, (wanted, found)
            seen += 1
    assert seen >= len(SUMS + MAPS)
