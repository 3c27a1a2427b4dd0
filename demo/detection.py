"""Trains a small ResNeSt Mask R-CNN on the miniature COCO set and shows what it learned.

    python -m demo.detection --out results/demo
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from demo.mini_coco import write_mini_coco
from demo.run_report import draw_curve, draw_detections, final_metrics, read_metrics, write_table

TRAIN_NET = Path(__file__).parents[1] / "tools/train_net.py"
CONFIG = "resnest14_mask_rcnn_mini.yaml"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/demo"), help="results folder")
    parser.add_argument("opts", nargs="*", help="KEY VALUE overrides of the config")
    args = parser.parse_args()
    started = time.perf_counter()

    data, run = write_mini_coco(args.out / "data"), args.out / "run"
    print(f"Miniature COCO set written to {args.out / 'data'}; training starts.", flush=True)
    subprocess.run([
        sys.executable, TRAIN_NET, "--config-file", CONFIG,
        "--train-json", data.train_json, "--train-images", data.train_images,
        "--val-json", data.val_json, "--val-images", data.val_images,
        "--overwrite", *args.opts, "OUTPUT_DIR", run,
    ], check=True)

    rows = read_metrics(run)
    metrics = final_metrics(rows)
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    write_table(metrics, args.out / "ap.md")
    draw_curve(rows, args.out / "curve.png")
    draw_detections(data.val_json, data.val_images, run / "inference/coco_instances_results.json",
                    args.out / "detections.png")
    print((args.out / "ap.md").read_text())
    print(f"demo: box AP50 {metrics['bbox/AP50']:.1f}, mask AP50 {metrics['segm/AP50']:.1f}, "
          f"{time.perf_counter() - started:.0f} s, results in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
