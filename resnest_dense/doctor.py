"""What is installed, what is missing, and the exact fix of combinations that are known to fail."""

import importlib
import importlib.util
import platform
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version

__all__ = ["Advice", "advise", "installed", "report", "versions_table"]

# Distribution names, in the order in which they are shown.
DISTRIBUTIONS = (
    "torch", "torchvision", "numpy", "pillow", "setuptools", "opencv-python",
    "opencv-python-headless", "pycocotools", "safetensors", "detectron2", "sal-detectron2",
    "fvcore", "panopticapi", "panopticapi-lite", "tensorboard", "mmsegmentation", "mmengine",
    "mmcv", "mmcv-lite", "mmdet", "ftfy", "regex", "onnx", "onnxruntime",
    "openvino", "fastapi", "uvicorn",
)
# Modules that forks bring under distribution names of their own, and whose name they go by here.
MODULES = {"detectron2": "detectron2", "mmseg": "mmsegmentation", "mmengine": "mmengine",
           "mmcv": "mmcv", "mmdet": "mmdet"}
# What is asked of the interpreter rather than of a distribution's metadata.
COMPILED = ("detectron2._C", "mmcv._ext")
_WANTED = "torch for torchvision"

Versions = Mapping[str, "str | None"]


@dataclass(frozen=True)
class Advice:
    """One known combination.

    Args:
        serious: whether something fails; otherwise it only limits or slows.
        applies: tells from the versions whether the combination is there.
        text: what happens, and the fix.
    """

    serious: bool
    applies: Callable[[Versions], bool]
    text: str


def installed() -> dict[str, str | None]:
    """Version of everything that matters here, of a fork with its name behind it; None for what is
    missing; for modules "yes", or "broken" and the reason where one is there and cannot be
    imported.
    """
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    found |= _forks(found)
    found[_WANTED] = _wanted_torch()
    for name in COMPILED:
        found[name] = _state(name)
    found["pkg_resources"] = "yes" if _exists("pkg_resources") else None
    found["cuda"] = _cuda() if found["torch"] else None
    return found


def _wanted_torch() -> str | None:
    """The version of torch that torchvision is compiled for, where it says so."""
    with suppress(PackageNotFoundError):
        for line in requires("torchvision") or ():
            if pinned := re.match(r"torch *\(?== *([\d.]+)\)?$", line):
                return pinned[1]
    return None


def _forks(found: Mapping[str, str | None]) -> dict[str, str | None]:
    """Versions of distributions that are not among the known ones and bring their modules."""
    forks: dict[str, str | None] = {}
    owners_of = packages_distributions()
    for module, name in MODULES.items():
        owners = owners_of.get(module, [])
        if owners and not any(found.get(owner) for owner in owners):
            forks[name] = f"{version(owners[0])} ({owners[0]})"
    return forks


def advise(versions: Versions) -> list[Advice]:
    """The known combinations that ``versions`` has, serious ones first."""
    found = [advice for advice in _KNOWN if advice.applies(versions)]
    return sorted(found, key=lambda advice: not advice.serious)


def versions_table() -> str:
    """The versions of everything as text."""
    return "\n".join(f"{name:24} {value or 'missing'}" for name, value in installed().items())


def report() -> str:
    """Versions and advice as text."""
    advice = advise(installed())
    lines = [versions_table(), "",
             *(f"{'PROBLEM' if a.serious else 'note'}: {a.text}" for a in advice)]
    if not any(a.serious for a in advice):
        lines.append("No known problem.")
    return "\n".join(lines)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _cuda() -> str | None:
    import torch

    return torch.version.cuda if torch.cuda.is_available() else None


def _state(module: str) -> str | None:
    if not _exists(module):
        return None
    try:
        importlib.import_module(module)
    except (ImportError, OSError) as error:
        return f"broken ({str(error).splitlines()[0]})"
    return "yes"


def _number(text: str | None) -> tuple[int, ...]:
    """The leading numbers of a version, for comparison; () where it is missing."""
    return tuple(int(part) for part in re.findall(r"\d+", (text or "").split("+")[0])[:3])


def _has(versions: Versions, *names: str) -> bool:
    return any(versions.get(name) for name in names)


def _mismatched_torchvision(v: Versions) -> bool:
    wanted = _number(v.get(_WANTED))
    return bool(wanted) and _number(v.get("torch")) not in ((), wanted)


def _detectron2(v: Versions) -> bool:
    return _has(v, "detectron2", "sal-detectron2")


def _broken(module: str) -> Callable[[Versions], bool]:
    return lambda v: (v.get(module) or "").startswith("broken")


_KNOWN = (
    Advice(True, lambda v: () < _number(v.get("torch")) < (2, 4),
           "resnest_dense needs torch 2.4 or later. Fix: pip install 'torch>=2.4' torchvision"),
    Advice(True, _mismatched_torchvision,
           "torch and torchvision do not belong together: torchvision is compiled for another "
           "torch. Fix: pip install --upgrade torch torchvision, in one command"),
    Advice(True, lambda v: (_detectron2(v) or bool(v.get("mmengine")))
           and not v.get("pkg_resources"),
           "setuptools 82 and later have no pkg_resources, which detectron2's model zoo and "
           "mmengine's configs import. Fix: pip install 'setuptools<82'"),
    Advice(True, lambda v: bool(v.get("opencv-python")) and bool(v.get("opencv-python-headless")),
           "opencv-python and opencv-python-headless are both installed over one folder. Fix: pip "
           "uninstall opencv-python opencv-python-headless, then pip install opencv-python"),
    Advice(True, lambda v: (_detectron2(v) or bool(v.get("mmengine")))
           and not _has(v, "opencv-python", "opencv-python-headless"),
           "cv2 is missing; detectron2 imports it without declaring it. Fix: pip install "
           "opencv-python"),
    Advice(True, lambda v: bool(v.get("detectron2")) and bool(v.get("sal-detectron2")),
           "detectron2 and sal-detectron2 are both installed over one folder. Fix: pip uninstall "
           "sal-detectron2 detectron2, then install one of them"),
    Advice(True, lambda v: _detectron2(v) and not v.get("pycocotools"),
           "detectron2 needs pycocotools for COCO-format data. Fix: pip install pycocotools"),
    Advice(True, lambda v: _detectron2(v) and not v.get("tensorboard"),
           "detectron2's trainer writes for tensorboard and fails without it. Fix: pip install "
           "tensorboard"),
    Advice(True, lambda v: bool(v.get("mmsegmentation")) and not _has(v, "mmcv", "mmcv-lite"),
           "mmsegmentation needs mmcv. Fix: pip install mmcv-lite==2.1.0 (or mmcv==2.1.0 where "
           "it can be compiled)"),
    Advice(True, lambda v: _number(v.get("mmcv") or v.get("mmcv-lite")) >= (2, 2)
           and () < _number(v.get("mmsegmentation")) <= (1, 2, 2),
           "mmsegmentation 1.2.2 refuses mmcv 2.2. Fix: pip install mmcv-lite==2.1.0 (or "
           "mmcv==2.1.0)"),
    Advice(True, lambda v: () < _number(v.get("mmcv") or v.get("mmcv-lite")) < (2,)
           and _number(v.get("mmsegmentation")) >= (1,),
           "mmsegmentation 1 needs mmcv 2. Fix: pip uninstall mmcv mmcv-full, then pip install "
           "mmcv-lite==2.1.0 (or mmcv==2.1.0)"),
    Advice(True, lambda v: () < _number(v.get("mmsegmentation")) < (1,),
           "resnest_dense.mmseg needs mmsegmentation 1. Fix: pip install 'mmsegmentation>=1.2'"),
    Advice(True, lambda v: bool(v.get("mmcv")) and bool(v.get("mmcv-lite")),
           "mmcv and mmcv-lite are both installed over one folder. Fix: pip uninstall mmcv "
           "mmcv-lite, then install one of them"),
    Advice(True, _broken("mmcv._ext"),
           "mmcv's compiled part cannot be loaded: it was built for another torch or CUDA. Fix: "
           "pip uninstall mmcv, then pip install mmcv-lite==2.1.0 (or build mmcv==2.1.0 again)"),
    Advice(True, lambda v: bool(v.get("mmsegmentation")) and not (v.get("ftfy") and v.get("regex")),
           "mmsegmentation imports ftfy and regex without declaring them. Fix: pip install ftfy "
           "regex"),
    Advice(True, lambda v: bool(v.get("mmengine")) and _number(v.get("python")) >= (3, 14),
           "mmengine 0.10 uses pkgutil.find_loader, which Python 3.14 removed. Fix: Python 3.13 or "
           "earlier"),
    Advice(False, lambda v: not _detectron2(v),
           "detectron2 is not installed: resnest_dense.d2 cannot be imported. See docs/install.md"),
    Advice(False, lambda v: not v.get("mmsegmentation"),
           "mmsegmentation is not installed: resnest_dense.mmseg builds backbones only, for "
           "libraries on mmengine. See docs/install.md"),
    Advice(False, lambda v: _detectron2(v) and not v.get("detectron2._C"),
           "detectron2 is without its compiled part: rotated boxes and its own deformable "
           "convolution are missing; everything of resnest_dense works"),
    Advice(False, _broken("detectron2._C"),
           "detectron2's compiled part cannot be loaded: it was built for another torch or CUDA. "
           "Everything of resnest_dense works without it. Fix: pip install --no-build-isolation "
           "--force-reinstall --no-deps git+https://github.com/facebookresearch/detectron2"),
    Advice(False, lambda v: bool(v.get("sal-detectron2")) and _number(v.get("numpy")) >= (2,),
           "this detectron2's SemSegEvaluator fails with numpy 2 unless it is given a function "
           "that loads labels; the evaluators of resnest_dense give one. Fix for your own: "
           "numpy<2"),
    Advice(False, lambda v: bool(v.get("mmcv-lite")),
           "mmcv-lite has no compiled operators: resnest_dense.mmseg puts stand-ins in their "
           "place, which raise when one is really used"),
    Advice(False, lambda v: bool(v.get("mmengine")) and _number(v.get("torch")) >= (2, 6),
           "mmengine 0.10 cannot read its own checkpoints under torch 2.6 and later; "
           "resnest_dense.mmseg can"),
    Advice(False, lambda v: not v.get("torch"),
           "torch is not installed: exported models run, networks do not. Fix: pip install "
           "'resnest_dense[torch]'"),
    Advice(False, lambda v: not v.get("cuda"), "no GPU in use: everything runs on the CPU"),
)
