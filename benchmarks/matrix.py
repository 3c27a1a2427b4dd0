"""Fresh environments of other versions; in each an import, parity, five iterations, a prediction.

    python -m benchmarks.matrix                 # all rows, one after the other: an hour or two
    python -m benchmarks.matrix --rows 3 7      # these ones anew
    python -m benchmarks.matrix --oracle        # what parity is compared with, by the official code

uv makes each environment from the package index, with links into its cache, and it is deleted. The
rows go over each version that counts once or more, not over all combinations. The table goes to
README.md, and what each row said to benchmarks/results/matrix.md.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.matrix_probe import ARCHITECTURE, ORACLE, ROOT, digest, fill, picture

RESULTS = Path(__file__).parent / "results"
README = ROOT / "README.md"
_BLOCK = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- /matrix -->)", re.DOTALL)
_ROOM = 12e9  # bytes that an environment may take before its links into the cache are counted
_MINUTES = 14  # that a row may take
OLD, LOCKED = "torch==2.4.1 torchvision==0.19.1", "torch==2.11.0 torchvision==0.26.0"
NEWEST = "torch torchvision"
LITE = "mmcv-lite==2.1.0"
# What MMSegmentation imports, for rows that bring another mmcv or mmengine than it asks for.
IMPORTED = ("ftfy regex opencv-python matplotlib prettytable scipy addict yapf rich termcolor "
            "packaging")


@dataclass(frozen=True)
class Row:
    """One environment.

    Args:
        python: its version.
        torch: what is asked for of torch and torchvision.
        parts: what is tried, see matrix_probe.
        extras: of this package.
        more: other packages.
        alone: packages that are installed without what they ask for.
        remark: what the row is for.
    """

    python: str
    torch: str
    parts: tuple[str, ...]
    extras: str
    more: str = "setuptools<82"
    alone: str = ""
    remark: str = ""


NETWORK, BOTH = ("network",), ("network", "detectron2", "mmseg")
ROWS = (
    Row("3.10", OLD, NETWORK, "torch", "numpy<2", remark="the oldest of all, no framework"),
    Row("3.10", OLD, BOTH, "detectron2,mmseg", f"numpy<2 setuptools<82 {LITE}",
        remark="the oldest of all, both frameworks"),
    Row("3.10", OLD, ("network", "mmseg"), "torch", f"numpy<2 setuptools<82 {IMPORTED}",
        "mmcv-open2==2.1.0 mmsegmentation==1.2.2 mmengine==0.10.7",
        "full mmcv, as others have compiled it for another torch"),
    Row("3.11", LOCKED, (*BOTH, "mmdet"), "detectron2,mmseg",
        f"setuptools<82 {LITE} mmdet==3.3.0", remark="as in requirements.lock, and MMDetection"),
    Row("3.11", LOCKED, ("network", "mmseg"), "torch", f"setuptools<82 {IMPORTED}",
        f"{LITE} onedl-mmsegmentation==1.4.2 onedl-mmengine==0.10.12",
        "forks of MMSegmentation and mmengine"),
    Row("3.12", OLD, BOTH, "detectron2,mmseg", f"numpy<2 setuptools<82 {LITE}",
        remark="numpy 1 on a newer Python"),
    Row("3.12", LOCKED, ("network", "detectron2"), "detectron2", remark="detectron2 alone"),
    Row("3.12", NEWEST, ("network", "mmseg"), "mmseg", f"setuptools<82 {LITE}",
        remark="MMSegmentation alone"),
    Row("3.13", NEWEST, BOTH, "detectron2,mmseg", f"setuptools<82 {LITE}",
        remark="the newest of all"),
    Row("3.13", NEWEST, ("network", "mmseg"), "torch", f"setuptools>=82 {IMPORTED}",
        f"{LITE} mmsegmentation==1.2.2 mmengine==0.10.7", "setuptools without pkg_resources"),
    Row("3.11", LOCKED, ("network", "mmseg"), "mmseg", "setuptools<82 mmcv-lite==2.2.0",
        remark="mmcv 2.2"),
    Row("3.11", "torch==2.3.1 torchvision==0.18.1", NETWORK, "", "numpy<2",
        remark="an older torch"),
)
# What cannot be had from a package index for any row.
ABSENT = ("detectron2 compiled, and full mmcv: the only wheels (sal-detectron2's own "
          "part, mmcv-open2) are for Python 3.10 and a torch before 2.4, and load in no row.")


def uv(environment, *words):
    # As a program of its own: as a module of this interpreter it would install beside itself.
    subprocess.run([Path(sys.executable).with_name("uv"), *map(str, words)], check=True, text=True,
                   capture_output=True, env={**os.environ, "VIRTUAL_ENV": str(environment)})


def find_python(version):
    """The newest Python of a version that pyenv has; else uv looks for one on the path."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return max(root.glob(f"versions/{version}.*/bin/python"), default=version)


def requirement_of_detectron2():
    """The pinned wheel of its sources, as the Makefile installs it."""
    text = (ROOT / "requirements-nodeps.lock").read_text().replace("\\\n", " ")
    return next(line for line in text.splitlines() if line.startswith("sal-detectron2"))


def make(row, environment, folder):
    """Makes the environment of a row."""
    uv(environment, "venv", "--quiet", "--no-python-downloads", "--python",
       find_python(row.python), environment)
    source = folder / "source"  # a build leaves files behind
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "results", "output", "tests"))
    ours = f"{source}[{row.extras}]" if row.extras else source
    uv(environment, "pip", "install", "--quiet", *row.torch.split(), *row.more.split(), ours)
    if row.alone:
        uv(environment, "pip", "install", "--quiet", "--no-deps", *row.alone.split())
    if "detectron2" in row.parts:
        pinned = folder / "detectron2.txt"
        pinned.write_text(requirement_of_detectron2() + "\n")
        site = next((environment / "lib").glob("python*")) / "site-packages"
        uv(environment, "pip", "install", "--quiet", "--python-version", "3.10", "--only-binary",
           ":all:", "--no-deps", "--require-hashes", "--target", site, "--requirement", pinned)
        shutil.rmtree(site / "tools")  # which would hide a user's own folder of that name


def try_row(row):
    """What became of a row; its environment is gone afterwards."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="matrix_") as name:
        folder = Path(name)
        environment = folder / "environment"
        result = {"python": row.python, "asked": row.torch, "remark": row.remark,
                  "parts": list(row.parts), "date": datetime.date.today().isoformat()}
        if shutil.disk_usage(folder).free < _ROOM:
            return {**result, "stopped": "less than 12 GB of disk are free"}
        try:
            make(row, environment, folder)
        except subprocess.CalledProcessError as error:
            lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
            return {**result, "stopped": "not installed: " + " ".join(lines)[-300:]}
        for name in ("benchmarks", "demo", "tools"):  # and not resnest_dense, which is installed
            (folder / name).symlink_to(ROOT / name)
        done = subprocess.run(
            [environment / "bin/python", "-W", "ignore", "-m", "benchmarks.matrix_probe", folder,
             *row.parts], text=True, capture_output=True, cwd=folder, timeout=60 * _MINUTES,
            env={**os.environ, "PYTHONPATH": str(folder)})
        if done.returncode:
            return {**result, "stopped": done.stderr.strip().splitlines()[-1]}
        said = done.stdout.splitlines()[-1].replace(f"{folder}/", "")
        return {**result, **json.loads(said),
                "minutes": round((time.monotonic() - started) / 60, 1)}


def failures(result):
    """Part, step and line of what did not work."""
    if "stopped" in result:
        return [("", "", result["stopped"])]
    return [(part, step, line) for part, steps in result["steps"].items()
            for step, line in steps.items() if line]


def outcome(result):
    wrong = failures(result)
    if not wrong:
        return "works"
    if "stopped" in result:
        return f"does not install: {result['remark']}"
    parts = sorted({part for part, _, _ in wrong})
    return f"{', '.join(parts)} fails: {result['remark']}; the doctor names it" if result[
        "doctor"] else f"{', '.join(parts)} fails"


def cells(result):
    versions = result.get("versions", {})
    compiled = {"yes": ", compiled", "no": ", sources"}.get(versions.get("compiled", ""),
                                                            ", sources")
    d2 = versions.get("detectron2", "")
    operators = versions.get("operators", "no")
    mmcv = versions.get("mmcv", "")
    return [result["python"], versions.get("torch", result["asked"].split()[0]).split("+")[0],
            versions.get("numpy", ""), d2.rpartition(" ")[2] + compiled if d2 else "–",
            versions.get("mmsegmentation", "") or "–",
            f"{mmcv}{', compiled' if operators == 'yes' else ''}" if mmcv else "–",
            versions.get("mmdet", "") or "–", outcome(result)]


HEAD = ("Python", "torch", "numpy", "detectron2", "mmsegmentation", "mmcv", "mmdet", "")


def table(results):
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cells(one))} |" for one in results)]) + "\n"


def write_pages(results):
    date = max(result["date"] for result in results)
    text = README.read_text(encoding="utf-8")
    block = (f"\nTried on {date} by `python -m benchmarks.matrix`: import, parity with the "
             "official network, five\niterations of training, a prediction; what each row said: "
             f"[matrix.md](benchmarks/results/matrix.md).\n\n{table(results)}\n")
    README.write_text(_BLOCK.sub(lambda _: block, text), encoding="utf-8")
    lines = ["# Versions", "", "`make matrix`, or `python -m benchmarks.matrix` alone. In each "
             "fresh environment, of every part that is there: import, features of `resnest14` "
             "against the official network's (float64, plain and fused), five iterations with the "
             "training tool, and a prediction by `resnest-dense predict`.", "", table(results)]
    for number, result in enumerate(results, start=1):
        lines += ["", f"{number}. {result['remark']}, Python {result['python']}, "
                  f"{result['date']}, {result.get('minutes', 0)} minutes: "
                  + ("all of " + ", ".join(result["parts"]) if not failures(result) else
                     "not all works")]
        lines += [f"   - {' '.join(filter(None, (part, step)))}: {line[:300]}"
                  for part, step, line in failures(result)]
        lines += [f"   - doctor: {text}" for text in result.get("doctor", ())]
    (RESULTS / "matrix.md").write_text("\n".join([*lines, "", f"Not tried: {ABSENT}", ""]))


def write_oracle():
    """The features of the official network, for environments that do not have it."""
    from resnest.torch.models.resnet import Bottleneck, ResNet

    from resnest_dense import get_architecture

    a = get_architecture(ARCHITECTURE)
    net = ResNet(Bottleneck, list(a.blocks), radix=a.radix, deep_stem=True,
                 stem_width=a.stem_width, avg_down=True, avd=True).double().eval()
    net.requires_grad_(False)
    fill({name: value for name, value in net.state_dict().items() if not name.startswith("fc.")})
    x, features = net.maxpool(net.relu(net.bn1(net.conv1(picture())))), {}
    for i in range(1, 5):
        features[f"res{i + 1}"] = x = getattr(net, f"layer{i}")(x)
    ORACLE.write_text(json.dumps(digest(features), indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, metavar="N", help="numbers, from 1")
    parser.add_argument("--oracle", action="store_true", help="write what parity is compared with")
    args = parser.parse_args()
    if args.oracle:
        return write_oracle()
    path = RESULTS / "matrix.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for number in args.rows or range(1, len(ROWS) + 1):
        result = try_row(ROWS[number - 1])
        print(number, result["remark"], failures(result) or "works", flush=True)
        known[str(number)] = result
        known = dict(sorted(known.items(), key=lambda one: int(one[0])))
        path.write_text(json.dumps(known, indent=1) + "\n")
        write_pages([*known.values()])


if __name__ == "__main__":
    main()
