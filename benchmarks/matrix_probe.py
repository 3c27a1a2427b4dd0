"""Run by `benchmarks.matrix` in a fresh environment: what of this package works in it.

    python -m benchmarks.matrix_probe FOLDER PART ...      # network, detectron2, mmseg, mmdet

Prints one line of JSON: of each part and step "" where it worked, or else the line that a user
gets. Tools and commands are started as a user starts them, in processes of their own.
"""

import importlib
import importlib.metadata
import json
import math
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ORACLE = Path(__file__).parent / "results/matrix_oracle.json"
ARCHITECTURE, SIDES = "resnest14", (65, 97)
ITERATIONS = 5
NEAR = 1e-10  # of the largest value; in float64


def fill(state):
    """Fills weights without a generator of random numbers, which versions of torch need not share;
    in the order of the network, which is the official one's too."""
    import torch

    for i, value in enumerate(value for value in state.values() if value.is_floating_point()):
        steps = torch.arange(value.numel(), dtype=torch.float64).reshape(value.shape)
        # By its shape: weights of a convolution, or of a norm.
        share = 2 / math.sqrt(value[0].numel()) if value.dim() > 1 else 0.1
        value.copy_((value.dim() == 1) + share * torch.sin(0.7 * steps + i))


def picture():
    import torch

    count = 2 * 3 * SIDES[0] * SIDES[1]
    return torch.sin(0.01 * torch.arange(count, dtype=torch.float64)).reshape(2, 3, *SIDES)


def digest(features):
    """Of each map its shape, its mean and a few of its values."""
    return {name: {"shape": list(one.shape), "mean": float(one.mean()),
                   "values": one.flatten()[::max(one.numel() // 16, 1)][:16].tolist()}
            for name, one in features.items()}


def assert_near(found, expected):
    scale = max(map(abs, [expected["mean"], *expected["values"]]))
    pairs = zip([found["mean"], *found["values"]], [expected["mean"], *expected["values"]])
    assert found["shape"] == expected["shape"]
    worst = max(abs(one - other) for one, other in pairs) / scale
    assert worst < NEAR, f"differs from the official network by {worst:.1e}"


def run(*words):
    """A program as a user runs it; raises its last line where it fails."""
    done = subprocess.run([sys.executable, "-W", "ignore", *map(str, words)], text=True,
                          capture_output=True, timeout=500)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit code {done.returncode}")


def resnest(*words):
    run("-m", "resnest_dense", *words)


def network(folder):
    def imports():
        importlib.import_module("resnest_dense")

    def parity():
        from resnest_dense import create_backbone

        net = create_backbone(ARCHITECTURE).double().eval().requires_grad_(False)
        fill(net.state_dict())
        expected = json.loads(ORACLE.read_text())
        for form in (net, net.fused()):
            for name, one in digest(form(picture())).items():
                assert_near(one, expected[name])

    def training():
        import torch

        from resnest_dense import create_classifier

        torch.manual_seed(0)
        net, x = create_classifier(ARCHITECTURE, 3), torch.randn(6, 3, 64, 64)
        optimizer = torch.optim.SGD(net.parameters(), 0.01)
        losses = []
        for _ in range(ITERATIONS):
            loss = torch.nn.functional.cross_entropy(net(x), torch.arange(6) % 3)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        torch.save(net.state_dict(), folder / "network.pth")
        assert min(losses[1:]) < losses[0], losses

    def prediction():
        from resnest_dense import create_classifier, fuse

        net = create_classifier(ARCHITECTURE, 3, weights=folder / "network.pth").eval()
        x = picture().float()
        assert float((fuse(net)(x) - net(x)).abs().max()) < 1e-3

    return imports, parity, training, prediction


def detectron2(folder):
    def imports():
        importlib.import_module("resnest_dense.d2")

    def parity():
        import torch
        from detectron2.layers import ShapeSpec

        from resnest_dense.d2 import build_resnest_backbone, get_cfg

        cfg = get_cfg()
        cfg.MODEL.RESNETS.update(DEPTH=14, NORM="BN",
                                 OUT_FEATURES=["res2", "res3", "res4", "res5"])
        net = build_resnest_backbone(cfg, ShapeSpec(channels=3)).double().eval()
        with torch.no_grad():
            fill(net.state_dict())
            found, expected = digest(net(picture())), json.loads(ORACLE.read_text())
        for name, one in found.items():
            assert_near(one, expected[name])

    def training():
        from demo.mini_coco import write_mini_coco

        data = write_mini_coco(folder / "coco", train=6, val=3)
        run(ROOT / "tools/train_net.py", "--config-file", "resnest14_mask_rcnn_mini.yaml",
            "--train-json", data.train_json, "--train-images", data.train_images,
            "--val-json", data.val_json, "--val-images", data.val_images,
            "SOLVER.MAX_ITER", ITERATIONS, "SOLVER.IMS_PER_BATCH", 2, "DATALOADER.NUM_WORKERS", 0,
            "OUTPUT_DIR", folder / "d2")

    def prediction():
        resnest("predict", folder / "d2/config.yaml", folder / "d2/model_final.pth",
                folder / "coco/val", "--out", folder / "found")
        assert [*(folder / "found").iterdir()]

    return imports, parity, training, prediction


def mmseg(folder):
    config = folder / "tiny.py"

    def imports():
        importlib.import_module("resnest_dense.mmseg")
        importlib.import_module("mmseg.models")

    def parity():
        import torch
        from mmengine.registry import MODELS

        net = MODELS.build(dict(type="resnest_dense.ResNeSt", architecture=ARCHITECTURE))
        net = net.double().eval()
        with torch.no_grad():
            fill(net.state_dict())
            found, expected = net(picture()), json.loads(ORACLE.read_text())
        for one, name in zip(found, ("res2", "res3", "res4", "res5"), strict=True):
            assert_near(digest({name: one})[name], expected[name])

    def training():
        from demo.tiny_labels import CONFIG, write_tiny_labels
        from resnest_dense.configs import find_config

        images, labels = write_tiny_labels(folder)
        base = find_config("resnest14_deeplabv3_ade20k", "mmseg")
        config.write_text(CONFIG.format(base=base, images=images, labels=labels))
        run(ROOT / "tools/mmseg_train.py", config, "--work-dir", folder / "mmseg",
            "--cfg-options", f"train_cfg.max_iters={ITERATIONS}", "train_cfg.val_interval=5",
            "default_hooks.checkpoint.interval=5")

    def prediction():
        resnest("predict", config, folder / f"mmseg/iter_{ITERATIONS}.pth", folder / "images",
                "--out", folder / "labelled")
        assert [*(folder / "labelled").iterdir()]

    return imports, parity, training, prediction


def mmdet(folder):
    built = []

    def imports():
        importlib.import_module("resnest_dense.mmseg")
        importlib.import_module("mmdet.models")

    def parity():
        from mmdet.registry import MODELS
        from mmengine.config import Config
        from mmengine.registry import DefaultScope

        from resnest_dense.configs import find_shipped

        cfg = Config.fromfile(find_shipped(Path("mmdet/resnest50_faster_rcnn_coco.py")))
        cfg.model.backbone.update(architecture=ARCHITECTURE, norm_cfg=dict(type="BN"),
                                  init_cfg=None, frozen_stages=-1)
        cfg.model.roi_head.bbox_head.norm_cfg = dict(type="BN")
        with DefaultScope.overwrite_default_scope("mmdet"):
            built.append(MODELS.build(cfg.model))
        net = built[0].backbone.double().eval()
        state = {name: value.clone() for name, value in net.state_dict().items()}
        fill(net.state_dict())
        expected = json.loads(ORACLE.read_text())
        for one, name in zip(net(picture()), ("res2", "res3", "res4", "res5"), strict=True):
            assert_near(digest({name: one.detach()})[name], expected[name])
        net.load_state_dict(state)

    def sample():
        import torch
        from mmdet.structures import DetDataSample
        from mmengine.structures import InstanceData

        target = InstanceData(bboxes=torch.tensor([[2.0, 3, 40, 50]]), labels=torch.tensor([1]))
        info = dict(img_shape=(64, 96), pad_shape=(64, 96), ori_shape=(64, 96),
                    scale_factor=(1, 1))
        return DetDataSample(metainfo=info, gt_instances=target)

    def training():
        import torch

        model = built[0].float().train()
        optimizer = torch.optim.SGD(model.parameters(), 0.001)
        for _ in range(ITERATIONS):
            losses = model.loss(torch.randn(2, 3, 64, 96), [sample(), sample()])
            loss = sum(value for parts in losses.values() for value in (
                parts if isinstance(parts, list) else [parts]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert math.isfinite(float(loss.detach()))

    def prediction():
        import torch

        with torch.no_grad():
            [found] = built[0].eval().predict(torch.randn(1, 3, 64, 96), [sample()])
        assert found.pred_instances.bboxes.shape[1] == 4

    return imports, parity, training, prediction


PARTS = {part.__name__: part for part in (network, detectron2, mmseg, mmdet)}


def attempt(step):
    try:
        step()
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[-1]}"
    return ""


def version(*names):
    """The version of the first of these distributions that is there, with its name if it is not
    the first one."""
    for name in names:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return found if name == names[0] else f"{name} {found}"
    return ""


def main():
    from resnest_dense.doctor import advise, installed

    folder, parts = Path(sys.argv[1]), sys.argv[2:]
    steps, found = {}, installed()  # before our stand-ins are there
    for part in parts:
        names = ("import", "parity", "training", "prediction")
        steps[part] = {name: attempt(step) for name, step in zip(names, PARTS[part](folder))}
    versions = {"torch": version("torch"), "torchvision": version("torchvision"),
                "numpy": version("numpy"), "detectron2": version("detectron2", "sal-detectron2"),
                "compiled": found["detectron2._C"] or "no",
                "mmsegmentation": version("mmsegmentation", "onedl-mmsegmentation"),
                "mmcv": version("mmcv", "mmcv-lite", "mmcv-open2"),
                "operators": found["mmcv._ext"] or "no", "mmdet": version("mmdet")}
    print(json.dumps({"steps": steps, "versions": versions, "doctor": [
        advice.text for advice in advise(found) if advice.serious]}))


if __name__ == "__main__":
    main()
