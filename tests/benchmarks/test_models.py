"""The benchmarks of whole models run, and stop where models differ."""

import dataclasses
import json

import pytest
import quick_configs  # noqa: F401

from benchmarks import detector, segmentor, speed_ap
from resnest_dense.analysis.speed import measure_models
from resnest_dense.configs import find_config
from resnest_dense.errors import ResNeStError
from resnest_dense.mmseg.benchmark import SegmentorCase


@pytest.mark.parametrize("benchmark,parts", [(detector, ["eval", "train"]), (segmentor, ["eval"])])
def test_quick_mode_records_and_writes_the_page(benchmark, parts, tmp_path):
    out = tmp_path / "models.json"
    benchmark.main(["--quick", "--device", "cpu", "--parts", *parts, "--only", "ours, plain",
                    "ours, fused", "--out", str(out)])
    [case] = json.loads(out.read_text())
    assert case["rows"]["ours, plain"]["eval_speed"] > 0
    assert "| ours, plain |" in out.with_suffix(".md").read_text()


def test_models_of_other_numbers_are_not_compared():
    @dataclasses.dataclass(frozen=True)
    class Other(SegmentorCase):
        def outputs(self, model, batch):
            return [1.1 * output for output in super().outputs(model, batch)]

    config = "resnest14_deeplabv3_ade20k"
    cases = {"mine": SegmentorCase(config, size=(32, 32)), "other": Other(config, size=(32, 32))}
    with pytest.raises(ResNeStError, match="other: its outputs differ"):
        measure_models(cases, rounds=1, parts=["eval"])


def test_every_published_detector_is_a_shipped_config_and_drawn(tmp_path):
    cases = []
    for method, families in speed_ap.PUBLISHED.items():
        networks = [network for family in families.values() for network in family]
        assert all(find_config(f"{network}_{method}.yaml", "detectron2") for network in networks)
        cases.append({"method": method, "size": [800, 1216], "device": "cpu",
                      "rows": {name: {"eval_speed": 1 / i} for i, name in enumerate(networks, 1)}})
    speed_ap.draw(cases, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
