"""The floor on paper: the sizes it walks, the passes it counts, and that nothing is under it."""

import pytest

from benchmarks.cuda_page import main
from benchmarks.floor import CARDS, PARTS, floor, moved, predict, walk
from benchmarks.passes import FLOOR, NETWORKS, PHASES, passes

SIZE = (2, 64, 96)


@pytest.fixture(scope="module")
def layers():
    return walk("resnest50", SIZE)


def test_operations_are_those_that_the_paper_states():
    # 5.39 G multiply-adds at 224x224 (paper table 3), of which the classifier has 2 M.
    operations = sum(conv.operations for conv in walk("resnest50", (1, 224, 224)).convolutions)
    assert operations == pytest.approx(2 * 5.39e9, rel=0.02)


def test_layers_have_the_sizes_of_the_network(layers):
    assert {conv.part for conv in layers.convolutions} == set(PARTS)
    last = layers.convolutions[-1]
    assert (last.read, last.weights, last.written) == (2 * 512 * 6, 512 * 2048, 2 * 2048 * 6)
    forms = [form for _, form, _ in layers.maps]
    assert {form: forms.count(form) for form in set(forms)} == {
        "norm ReLU": 3 + 16, "attention": 16, "end": 16, "norm": 4, "pool": 1 + 3 + 3,
        "indices": 1, "output": 4, "weights": 3 + 3 * 16 + 4}


def test_passes_are_the_numbers_that_end_a_step():
    assert passes("") == 0
    assert passes("pool 2, float32 sum of splits 4, int64 8") == 14
    assert passes("statistics 2, pool 2, sum 3", ["pool", "sum"]) == 5


def test_every_step_of_the_tables_is_counted():
    for table in (FLOOR, *NETWORKS.values()):
        for phases in table.values():
            assert set(phases) <= set(PHASES)
            for text in filter(None, phases.values()):
                assert passes(text) >= len(text.split(", ")) > 0


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("phase", ["eval", "eval cast", "training"])
def test_no_prediction_is_under_the_floor(layers, network, phase):
    for bandwidth in CARDS.values():
        training = phase == "training"
        lowest = floor(layers, bandwidth, training=training)
        alone = floor(layers, bandwidth, training=training, alone=True)
        assert all(0 < alone[part] <= lowest[part] for part in PARTS)
        assert sum(predict(layers, network, bandwidth, phase).values()) > sum(lowest.values())


def test_attention_of_two_splits_moves_five_maps(layers):
    of_maps = sum(values for _, form, values in layers.maps if form == "attention")
    counted = sum(values for _, form, values in moved(layers, FLOOR, ["eval"])
                  if form == "attention")
    assert counted == 5 * of_maps


def test_page_keeps_its_text(tmp_path):
    page = tmp_path / "cuda.md"
    page.write_text("Before\n<!-- tables -->\nold\n<!-- end of tables -->\nAfter\n")
    main(page)
    text = page.read_text()
    assert text.startswith("Before\n") and text.endswith("\nAfter\n") and "old" not in text
    assert "| resnest101 | 16x3x512x512 |" in text
