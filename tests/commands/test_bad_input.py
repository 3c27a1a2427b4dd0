"""What a user can mend is one line, in every command: files, folders, names, sizes, devices."""

import pytest
import torch
from bad_input import assert_one_line
from PIL import Image

from resnest_dense import create_backbone
from resnest_dense.cli import main

COMMANDS = {
    "check-data none.json images": ["none.json"],
    "check-data images images": ["images"],
    "check-data text.txt images": ["text.txt"],
    "check-data list.json images": ["list.json"],
    "check-data half.json images": ["half.json", "line 1"],
    "check-labels none images --classes names.txt": ["No folder none"],
    "check-labels empty images --classes names.txt": ["No image in empty"],
    "check-labels images images --classes none.txt": ["none.txt"],
    "check-labels images images --classes half.json": ["half.json"],
    "check-labels images images --classes twice.txt": ["twice.txt", "cat"],
    "score-labels none images --classes names.txt": ["No folder none"],
    "weights show resnest51": ["resnest50"],
    "weights get resnest51": ["resnest50"],
    "weights get file:none.pth": ["none.pth"],
    "weights verify none.pth": ["none.pth"],
    "weights convert none.pth --to mm --out a.pth": ["none.pth"],
    "weights convert text.txt --to mm --out a.pth": ["text.txt", "not a file of weights"],
    "weights convert net.pth --to mmm --out a.pth": ["mmm", "mm"],
    "weights convert net.pth --to mm --out a.bin": ["a.bin", ".safetensors"],
    "weights convert net.pth --to mm --out text.txt/a.pth": ["text.txt"],
    "weights convert net.pth#ema --to mm --out a.pth": ["no part 'ema'"],
    "configs mmseg resnest51": ["resnest50"],
    "analyze resnest51": ["resnest50"],
    "analyze images": ["images"],
    "analyze text.txt": ["text.txt", ".yaml"],
    "analyze resnest14 --size 3x": ["3x", "HEIGHTxWIDTH"],
    "benchmark resnest51": ["resnest50"],
    "evaluate-published resnest51": ["resnest50"],
    "predict resnest51 net.pth images": ["resnest50"],
    "predict resnest51 net.pth none": ["none", "no image there"],
    "predict resnest51 net.pth none.mp4": ["none.mp4", "no video"],
    "attention resnest51 net.pth images": ["resnest50"],
    "attention resnest14 none.pth images": ["none.pth"],
    "attention resnest14 text.txt images": ["text.txt", "not a file of weights"],
    "attention resnest26 net.pth images": ["net.pth", "resnest14"],
    "attention resnest14 net.pth images --device gpu": ["--device gpu", "cpu"],
    "attention resnest14 net.pth images --device cuda:77": ["--device cuda:77"],
    "attention resnest14 net.pth images --out text.txt": ["text.txt"],
    "show-data resnest51": ["resnest50"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "images").mkdir(), (folder / "empty").mkdir()
    Image.new("RGB", (40, 32)).save(folder / "images/a.png")
    for name, text in {"text.txt": "no weights", "list.json": "[]", "half.json": '{"images": [',
                       "names.txt": "cat\n", "twice.txt": "cat\ncat\n"}.items():
        (folder / name).write_text(text)
    torch.save(create_backbone("resnest14").state_dict(), folder / "net.pth")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_one_line_says_what_is_wrong(command, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert_one_line(main(command.split()), capsys, COMMANDS[command])


def test_attention_goes_on_past_a_bad_image(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    code = main(["attention", "resnest14", "net.pth", "text.txt", "images", "--out", str(tmp_path)])
    assert code == 1 and "1 of 2 failed" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {
        "a_attention.png", "a_attention.json", "failures.txt"}
