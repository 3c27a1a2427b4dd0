"""``--batch auto``: within one image of what memory holds, by the memory that steps really take."""

import pytest
from greedy_case import PER_IMAGE, Greedy

from resnest_dense.errors import ResNeStError
from resnest_dense.planning import fit


def test_the_most_that_fits(monkeypatch):
    alone = fit.measure_step(Greedy("", images=1))
    # Room for 8 images and a half in all.
    free = int((alone + 7.5 * PER_IMAGE) / 0.8)
    monkeypatch.setattr(fit, "free_memory", lambda device: free)
    found = fit.largest_batch(Greedy(""), most=64)
    assert found.value in (7, 8)  # within one
    assert fit.measure_step(Greedy("", images=found.value)) <= 0.8 * free
    assert "MB an image" in found.reason


@pytest.mark.parametrize("free,most,per_image,batch", [
    (100, 64, lambda n: 10 * n, 8),          # 80 of 100 may be used
    (1000, 16, lambda n: 10 * n, 16),        # at most
    (100, 3, lambda n: 10 * n, 3),
    (100, 64, lambda n: 10 * n + 20, 6),
    (100, 64, lambda n: 10 * n + n * n, 5),  # more than the first two steps let one think
    (1000, 64, lambda n: 10 * n + n * n / 2, 30),  # 31 would fit too: within one
    (40, 64, lambda n: 30 * n, 1),
    (100, 1, lambda n: 30 * n, 1),
])
def test_the_line_through_measured_steps(monkeypatch, free, most, per_image, batch):
    monkeypatch.setattr(fit, "free_memory", lambda device: free)
    monkeypatch.setattr(fit, "measure_step", lambda case: per_image(case.images))
    found = fit.largest_batch(Greedy(""), most=most)
    assert found.value == batch and per_image(batch) <= 0.8 * free


def test_what_does_not_fit_at_all(monkeypatch):
    monkeypatch.setattr(fit, "free_memory", lambda device: 100)
    monkeypatch.setattr(fit, "measure_step", lambda case: 100 * case.images)
    with pytest.raises(ResNeStError, match="smaller --image-size"):
        fit.largest_batch(Greedy(""), most=64)


def test_free_memory_heeds_the_container(tmp_path, monkeypatch):
    machine = fit.free_memory("cpu")
    assert 0 < machine
    group = tmp_path / "memory"
    group.mkdir()
    for name, text in (("memory.limit_in_bytes", "1000000"), ("memory.usage_in_bytes", "700000"),
                       ("memory.stat", "cache 1\ninactive_file 5\ntotal_inactive_file 200000\n")):
        (group / name).write_text(text)
    monkeypatch.setattr(fit, "_CGROUP", tmp_path)
    assert fit.free_memory("cpu") == 500_000  # version 1
    for name, text in (("memory.max", "900000"), ("memory.current", "600000"),
                       ("memory.stat", "inactive_file 100000\n")):
        (tmp_path / name).write_text(text)
    assert fit.free_memory("cpu") == 400_000  # version 2
    (tmp_path / "memory.max").write_text("max")
    assert fit.free_memory("cpu") == 500_000
