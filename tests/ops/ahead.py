"""Compiles the Triton kernels for GPUs that need not be there: ``python ahead.py CASES.json``.

Reads a list of cases from standard input and prints, for each, what the compiler reports. A process
of its own, because a process that runs kernels in Triton's interpreter cannot compile them.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from resnest_dense.ops import triton_attention_kernels, triton_kernels

TYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float64": "fp64"}
# Pointers to maps, which have the type of the case; all others are sums and vectors.
MAPS = {"x", "grad", "out", "residual", "masked", "attention"}
ONES = {"channels last": "channel_stride", "channels first": "pixel_stride"}
BINARIES = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


def compile_case(case: dict) -> dict:
    """Registers, bytes of spills, and the widths of loads and stores of maps, in bits."""
    name = case["kernel"]
    kernel = getattr(triton_kernels, name, None) or getattr(triton_attention_kernels, name)
    wide = "fp64" if case["dtype"] == "float64" else "fp32"
    constants = {key: value for key, value in case["constants"].items() if key in kernel.arg_names}
    if "ACC" in kernel.arg_names:
        import torch

        constants["ACC"] = triton_kernels.ACC[torch.float64 if wide == "fp64" else torch.float32]
    signature, attributes = {}, {}
    unit = ONES[case["layout"]]
    for index, argument in enumerate(kernel.arg_names):
        if argument in constants:
            signature[argument] = "constexpr"
        elif argument.endswith(unit):
            signature[argument], constants[argument] = "constexpr", 1
        elif argument == "batches":
            signature[argument] = "*i64"
        elif argument.isupper() or "stride" in argument:
            signature[argument] = "i64" if case["large"] and "stride" in argument else "i32"
            if case["divisible"]:
                attributes[(index,)] = [["tt.divisibility", 16]]
        else:
            signature[argument] = f"*{TYPES[case['dtype']] if argument in MAPS else wide}"
            attributes[(index,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    compiled = triton.compile(source, target=GPUTarget("cuda", case["arch"], 32),
                              options={"num_warps": case["warps"]})
    return report(compiled.asm["ptx"], case["arch"])


def report(ptx: str, arch: int) -> dict:
    """What ptxas says of the machine code, and the PTX of the loads and stores."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(ptx)
        target = re.search(r"^\.target (\S+?)(?:,|$)", ptx, re.MULTILINE)[1]
        ptxas = BINARIES / ("ptxas-blackwell" if arch >= 100 else "ptxas")
        done = subprocess.run(
            [ptxas, "-v", f"--gpu-name={target}", path, "-o", f"{folder}/kernel.o"],
            capture_output=True, text=True, check=True)
    widths = {kind: [int(count or 1) * int(bits) for count, bits in re.findall(
        rf"{kind}\.global(?:\.[A-Za-z_]\w*(?:::\w+)*)*?(?:\.v(\d))?\.b(\d+)", ptx)]
        for kind in ("ld", "st")}
    return {"registers": int(re.search(r"Used (\d+) registers", done.stderr)[1]),
            "spills": sum(map(int, re.findall(r"(\d+) bytes spill", done.stderr))),
            "loads": widths["ld"], "stores": widths["st"]}


def main() -> None:
    found = []
    for case in json.load(sys.stdin):
        try:
            found.append(compile_case(case))
        except Exception as error:  # The test says which case it was.
            found.append({"error": f"{type(error).__name__}: {error}"[:2000]})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
