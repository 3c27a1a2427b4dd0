from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (ROOT / "resnest_dense" / "__init__.py").read_text().splitlines()
    if line.startswith("__version__")
)
# `configs/` stands at the top of the repository and is installed as the folder
# `resnest_dense/configs`, beside the module `resnest_dense/configs.py` that finds it.
CONFIG_FILES = [
    str(path.relative_to(ROOT / "configs"))
    for path in sorted((ROOT / "configs").rglob("*"))
    if path.suffix in (".yaml", ".py")
]
# Exported models run without torch, which therefore comes with the extras that need it.
TORCH = ["torch>=2.4", "torchvision>=0.19"]
RUNTIME = ["onnxruntime>=1.20", "openvino>=2025.0"]

setup(
    name="resnest_dense",
    version=VERSION,
    description="ResNeSt backbones for dense prediction with detectron2 and MMSegmentation",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=[*find_packages(include=["resnest_dense", "resnest_dense.*"]),
              "resnest_dense.configs"],
    package_dir={"resnest_dense.configs": "configs"},
    package_data={
        "resnest_dense": ["data/kinds.json", "data/*/kinds.json", "weights/*.json",
                          "published/*.json", "published/*.md", "report/*.html", "serve/*.html"],
        "resnest_dense.configs": CONFIG_FILES,
    },
    install_requires=["numpy", "pillow", "safetensors", "filelock", "tqdm", "pyyaml"],
    extras_require={
        "torch": TORCH,
        "runtime": RUNTIME,
        "export": [*TORCH, *RUNTIME, "onnx>=1.16", "nncf>=3.4", "pycocotools"],
        "serve": [*RUNTIME, "fastapi", "uvicorn", "python-multipart"],
        # detectron2 itself is on no package index under its own name: see docs/install.md.
        "detectron2": [
            *TORCH, "fvcore", "iopath", "yacs", "omegaconf", "hydra-core", "pycocotools",
            "opencv-python", "tabulate", "cloudpickle", "termcolor", "tensorboard", "matplotlib",
            "packaging", "black", "jinja2", "setuptools<82",
        ],
        "mmseg": [
            # mmcv is left to the user: mmcv-lite, or mmcv where it can be compiled.
            *TORCH, "mmsegmentation>=1.2", "mmengine>=0.10", "ftfy", "regex",
            "opencv-python", "matplotlib", "jinja2", "setuptools<82",
        ],
        "slurm": ["submitit"],
        "test": ["pytest", "pytest-xdist", "pytest-cov", "coverage>=7.10", "hypothesis", "timm",
                 "segmentation-models-pytorch", "build", "ruff", "mypy", "onnx", "nncf>=3.4",
                 "httpx", "playwright", "mmdet==3.3.0", "submitit", "tidecv==1.0.1"],
        "docs": ["sphinx>=8.1", "furo", "myst-nb", "sphinx-argparse"],
    },
    entry_points={"console_scripts": ["resnest-dense = resnest_dense.cli:main"]},
)
