"""What members start from: weights of their own network, of one recipe, or none at all."""

import pytest
import torch
from own_catalog import write_catalog

from resnest_dense import create_backbone
from resnest_dense.cli import main
from resnest_dense.comparison import make_members
from resnest_dense.errors import ResNeStError
from resnest_dense.weights import catalog

NETWORKS = ["resnet14d", "seresnet14d"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of weights of each network, by its name."""
    folder = tmp_path_factory.mktemp("weights")
    for name in NETWORKS:
        torch.save(create_backbone(name).state_dict(), folder / f"{name}-own.pth")
    return {name: str(folder / f"{name}-own.pth") for name in NETWORKS}


@pytest.fixture
def known(files, monkeypatch, tmp_path):
    """Puts the files into a catalog, each with the recipe that is given for it."""

    def write(*recipes):
        write_catalog(tmp_path / "catalog.json", monkeypatch, {
            f"own_{name}": {"file": f"{name}-own.pth", "architecture": name, "recipe": recipe}
            for name, recipe in zip(NETWORKS, recipes)})
        return files

    return write


def test_all_start_from_scratch_by_default():
    members = make_members(NETWORKS, None)
    assert [(m.network, m.weights, m.recipe, m.top1, m.contract) for m in members] == [
        (name, "", "", None, None) for name in NETWORKS]


def test_weights_of_one_recipe_are_alike(known):
    files = known("ours, 90 epochs", "ours, 90 epochs")
    members = make_members(NETWORKS, files)
    assert [(m.weights, m.recipe, m.top1) for m in members] == [
        (files[name], "ours, 90 epochs", 70.5) for name in NETWORKS]
    assert members[0].contract.mean == (0.5, 0.4, 0.3)


def test_unlike_recipes_are_refused_but_for_a_switch(known):
    files = known("90 epochs", "600 epochs")
    with pytest.raises(ResNeStError, match="resnet14d 90 epochs; seresnet14d 600 epochs"):
        make_members(NETWORKS, files)
    assert [m.recipe for m in make_members(NETWORKS, files, allow_unlike=True)] == [
        "90 epochs", "600 epochs"]


def test_files_of_unknown_recipes_are_not_alike(files):
    with pytest.raises(ResNeStError, match="unlike recipes .*unknown .*--allow-unlike"):
        make_members(NETWORKS, files)


def test_published_weights_say_how_they_were_trained():
    recipe = {name: catalog.get(name).recipe or catalog.get(name).title for name in (
        "resnest50", "resnest14", "resnet50", "resnext50_32x4d", "resnet50d", "sknet50")}
    assert recipe["resnest50"] == recipe["resnest14"] != recipe["resnet50"]
    assert recipe["resnet50"] == recipe["resnext50_32x4d"]
    assert len({recipe["resnet50d"], recipe["sknet50"], recipe["resnet50"]}) == 3


def words(files):
    pair = f"resnet14d={files['resnet14d']}"
    other = f"seresnet14d={files['resnet14d']}"  # of another network
    return {
        "resnet14d": ["Nothing to compare", "resnet50d,resnest50"],
        "resnet14d,resnet14d": ["Nothing to compare"],
        "resnet14d,resnet15d": ["resnet15d", "resnet14d"],
        "resnet14d,": ["''"],
        "resnet14d,sknet14 --weights": ["no published weights called resnet14d"],
        f"resnet14d,sknet14 --weights {pair}": ["no published weights called sknet14"],
        f"resnet14d,sknet14 --weights {pair} resnest14=a.pth": ["resnest14", "resnet14d, sknet14"],
        f"resnet14d,sknet14 --weights {pair} resnest15=a.pth": ["resnest15"],
        "resnet14d,sknet14 --weights resnet14d": ["--weights resnet14d", "NETWORK=SOURCE"],
        f"resnet14d,seresnet14d --weights {pair} {other}": ["does not fit", "resnet14d-own.pth"],
        f"resnet14d,seresnet14d --weights {pair} seresnet14d=none.pth": ["none.pth"],
    }


@pytest.mark.parametrize("number", range(11))
def test_one_line_says_what_is_wrong(number, files, tmp_path, capsys):
    command, expected = list(words(files).items())[number]
    code = main(["compare", *command.split(), "--config", "resnest14_mask_rcnn_mini.yaml", "--out",
                 str(tmp_path / "out")])
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2 and not [word for word in expected if word not in last], last
    assert not (tmp_path / "out").exists()


def test_scratch_and_weights_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "resnet14d,sknet14", "--config", "a.yaml", "--from-scratch", "--weights"])
    assert "not allowed with" in capsys.readouterr().err
