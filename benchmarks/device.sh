#!/usr/bin/env bash
# Everything that is measured on a lent GPU, offline and in one call.
#
#     benchmarks/device.sh prepare             # here: wheels of what a bare machine lacks, into .whl/
#     benchmarks/device.sh run OUT [STEP...]   # there: .whl/ installed, each step within its own time
#
# The machine has Python 3.12, torch 2.11, torchvision 0.26, Triton 3.6, timm, pytest and OpenCV.
# OUT gets results.json, written anew after every figure, and a log a step. SECONDS_IN_ALL (540) caps
# all steps together; --quick after the steps runs tiny sizes on a CPU.
set -uo pipefail
cd "$(dirname "$0")/.."

# A step, and the seconds after which it is ended.
declare -A limits=([checks]=100 [kernels]=45 [backbone]=100 [compiled]=170 [detectors]=110 [demo]=40
                   [rest]=90)
order=(checks kernels backbone detectors compiled demo rest)

prepare() {
    rm -rf .whl && mkdir .whl
    local get=(python3 -m pip --quiet --disable-pip-version-check)
    "${get[@]}" download --no-deps --dest .whl --only-binary=:all: --python-version 3.12 \
        --platform manylinux2014_x86_64 --constraint requirements.lock \
        yacs omegaconf hydra-core pycocotools termcolor setuptools || return 1
    "${get[@]}" download --no-deps --dest .whl --only-binary=:all: --python-version 3.10 \
        resnest==0.0.6b20230402 sal-detectron2==0.7.2 || return 1
    # On the index as sources alone; all three are pure Python.
    "${get[@]}" wheel --no-deps --wheel-dir .whl --constraint requirements.lock \
        fvcore iopath antlr4-python3-runtime || return 1
    python3 - <<'PYTHON' || return 1
"""detectron2's Python sources for any Python: without the compiled part, and its package `tools`."""
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

source = next(Path(".whl").glob("sal_detectron2-*.whl"))
name, version, *_ = source.name.split("-")
with ZipFile(source) as old, ZipFile(f".whl/{name}-{version}-py3-none-any.whl", "w",
                                     ZIP_DEFLATED) as new:
    for entry in old.infolist():
        if not entry.filename.startswith(("detectron2/_C", "tools/")):
            new.writestr(entry.filename, old.read(entry))
source.unlink()
PYTHON
    du -sh .whl
}

run() {
    local out=${1:?usage: device.sh run OUT [STEP...] [--quick]} quick="" steps=() site=${SITE:-/tmp/site}
    shift
    for word; do
        if [[ $word == --quick ]]; then quick=--quick; else steps+=("$word"); fi
    done
    ((${#steps[@]})) || steps=("${order[@]}")
    mkdir -p "$out"
    out=$(cd "$out" && pwd)
    python3 -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile \
        --no-cache-dir --upgrade --target "$site" .whl/*.whl 2>&1 | tee "$out/install.txt"
    # The shipped configs are the package's, as after an install.
    ln -sfn ../configs resnest_dense/configs
    export PYTHONPATH="$site:$PWD" PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore
    SECONDS=0
    for step in "${steps[@]}"; do
        local limit=${limits[$step]} left=$((${SECONDS_IN_ALL:-540} - SECONDS))
        [[ -n $quick ]] && limit=900 left=900
        ((left < limit)) && limit=$left
        if ((limit < 15)); then
            echo "device.sh: no time left for $step" | tee -a "$out/log.txt"
            continue
        fi
        echo "== $step, at $SECONDS s, for $limit s" | tee -a "$out/log.txt"
        timeout --kill-after=5 "$limit" python3 -m benchmarks.device "$step" --out "$out" \
            --seconds "$limit" $quick 2>&1 | tee -a "$out/log.txt"
    done
    echo "== end, at $SECONDS s" | tee -a "$out/log.txt"
}

case ${1:-} in
prepare) prepare ;;
run) run "${@:2}" ;;
*) sed -n '2,9s/^# \?//p' "$0" >&2; exit 2 ;;
esac
