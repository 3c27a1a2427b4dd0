#!/usr/bin/env bash
# The commands behind benchmarks/results/, by group; each command takes one to 20 minutes on two
# cores, which should do nothing else (but for "memory").
#
#     PYTHON=.venv/bin/python benchmarks/recorded.sh eval train half compiled shares memory models plot
#     PYTHON=.venv/bin/python benchmarks/recorded.sh cuda
set -e
networks="${NETWORKS:-resnest50 resnest101}"

record() { "${PYTHON:-python}" -W ignore -m "benchmarks.$1" --out "benchmarks/results/$1.json" "${@:2}"; }

backbones() { for network in $networks; do record backbone --architecture "$network" "$@"; done; }

models() { for network in $networks; do record "$1" --depth "${network#resnest}" "${@:2}"; done; }

for group; do
    case $group in
    eval) backbones --parts time --rounds 9 ;;
    train) backbones --parts time --rounds 5 --phase train ;;
    half) backbones --parts time --rounds 5 --dtype bfloat16 ;;
    compiled)
        backbones --parts time --rounds 5 --compile --layouts "channels last" \
            --only "ours fused" "official torch" timm "ResNet of detectron2" \
            "ResNet of detectron2 fused"
        backbones --parts time --rounds 5 --compile --layouts "channels last" --phase train \
            --only ours "official torch" timm ;;
    shares)
        backbones --parts shares --layouts "channels last"
        backbones --parts shares --layouts "channels last" --phase train ;;
    memory)
        backbones --parts memory
        backbones --parts memory --phase train
        for size in "800 1216" "512 512"; do models detector --parts memory --size $size; done
        models segmentor --parts memory ;;
    models)
        models detector --rounds 3 --parts eval
        models detector --rounds 2 --parts train
        models detector --rounds 3 --parts eval train --size 512 512
        models segmentor --rounds 3 --parts eval train
        models segmentor --rounds 2 --parts eval --size 800 1216 ;;
    plot) record speed_ap --rounds 3 ;;
    cuda)
        for size in "8 800 1216" "16 512 512"; do
            backbones --device cuda --dtype bfloat16 --autocast --compile --size $size
            # Without each stage checkpointed by itself, whose compilation would take most of the time.
            backbones --device cuda --dtype bfloat16 --phase train --compile --size $size --only \
                ours "ours checkpointed all" "official torch" "official detectron2" timm \
                MMSegmentation "ResNet of detectron2"
        done
        for dtype in bfloat16 float32; do
            "${PYTHON:-python}" -m benchmarks.attention --device cuda --dtype $dtype --size 8 800 1216
        done ;;
    *) echo "$0: no group $group" >&2; exit 2 ;;
    esac
done
