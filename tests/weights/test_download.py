"""Fetching over HTTP on this machine: nothing wrong is ever left under the final name."""

import hashlib
import http.server
import multiprocessing
import os
import threading
import time
import zipfile
from dataclasses import replace

import pytest

from resnest_dense import ResNeStError, ResNeStValueError, weights
from resnest_dense.weights import catalog, transfer

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = f"net-{SHA256[:8]}.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the path says, and keeps what was asked."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        self.server.asked.append((self.path, start))
        way = self.path.split("/")[1]
        body = {"wrong": b"x" * 1000, "zip": self.server.archive}.get(way, CONTENT)
        if way == "forbidden":
            return self.send_error(403)
        if start >= len(body):
            return self.send_error(416)
        if way == "noresume":
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Content-Type", "text/html" if way == "page" else "application/x")
        self.end_headers()
        cut = way == "cut" and len(self.server.asked) <= 2 or way == "short"
        body = body[start:start + 1_000_000] if cut else body[start:]
        for i in range(0, len(body), 1 << 18):
            self.wfile.write(body[i:i + (1 << 18)])
            if way == "slow":
                time.sleep(0.02)


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.archive = [], b""
        server.base = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def fields(server):
    """The fields of an entry whose addresses go ``ways``."""
    return lambda *ways: dict(
        file=FILE, addresses=tuple(f"{server.base}/{way}/{FILE}" for way in ways), hash=SHA256[:8])


@pytest.fixture
def entry(fields):
    return lambda *ways, **others: replace(catalog.get("resnest14"), **{**fields(*ways), **others})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "folder"


def left_in(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_success_and_no_second_request(server, entry, folder):
    for _ in range(2):
        path = weights.fetch(entry("good"), directory=folder)
        assert path == folder / FILE and path.read_bytes() == CONTENT
    assert len(server.asked) == 1 and left_in(folder) == [FILE]


def test_the_next_address_is_tried(server, entry, folder):
    path = weights.fetch(entry("forbidden", "wrong", "page", "good"), directory=folder)
    assert path.read_bytes() == CONTENT and left_in(folder) == [FILE]


def test_every_address_and_its_reason_is_told(entry, folder):
    with pytest.raises(ResNeStError) as caught:
        weights.fetch(entry("forbidden", "wrong", "page"), directory=folder)
    text = str(caught.value)
    assert f"/forbidden/{FILE}: HTTP 403 Forbidden\n" in text
    assert f"/wrong/{FILE}: its hash should start with {SHA256[:8]} and is " in text
    assert f"/page/{FILE}: a web page came instead of the file\n" in text
    assert f"put it at {folder / FILE}, or set RESNEST_DENSE_WEIGHTS_DIR" in text
    assert left_in(folder) == []


@pytest.mark.parametrize("dead", [True, False])
def test_nobody_listening_is_told(dead, entry, folder):
    lost = entry(addresses=("http://127.0.0.1:9/x.pth",), dead=dead)
    with pytest.raises(ResNeStError, match="http://127.0.0.1:9/x.pth: .*refused") as caught:
        weights.fetch(lost, directory=folder)
    assert ("None of its addresses answered when last looked at." in str(caught.value)) == dead


def test_a_cut_connection_is_resumed(server, entry, folder):
    assert weights.fetch(entry("cut"), directory=folder).read_bytes() == CONTENT
    assert [start for _, start in server.asked] == [0, 1_000_000, 2_000_000]


def test_what_arrived_is_resumed_by_the_next_call(server, entry, folder):
    folder.mkdir()
    (folder / f"{FILE}.part").write_bytes(CONTENT[:2_500_000])
    assert weights.fetch(entry("good"), directory=folder).read_bytes() == CONTENT
    assert [start for _, start in server.asked] == [2_500_000] and left_in(folder) == [FILE]


@pytest.mark.parametrize("part", [b"y" * 5000, CONTENT, CONTENT + b"z"])
def test_a_part_that_does_not_belong_starts_afresh(part, entry, folder):
    folder.mkdir()
    (folder / f"{FILE}.part").write_bytes(part)
    assert weights.fetch(entry("good"), directory=folder).read_bytes() == CONTENT


def test_servers_that_cannot_resume_send_all(server, entry, folder):
    folder.mkdir()
    (folder / f"{FILE}.part").write_bytes(CONTENT[:1000])
    assert weights.fetch(entry("noresume"), directory=folder).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_without_a_hash_pieces_are_not_put_together(server, entry, folder):
    folder.mkdir()
    (folder / f"{FILE}.part").write_bytes(b"y" * 1000)
    assert weights.fetch(entry("good", hash=None), directory=folder).read_bytes() == CONTENT
    (folder / FILE).unlink()
    with pytest.raises(ResNeStError, match="the connection ended after 1000000 of 3000000 bytes"):
        weights.fetch(entry("short", hash=None), directory=folder)
    assert FILE not in left_in(folder)


def test_slow_servers_show_progress(entry, folder):
    seen = []
    weights.fetch(entry("slow"), directory=folder, progress=lambda *at: seen.append(at))
    assert len(seen) > 2 and seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_full_disk_is_no_fault_of_the_address(server, entry, folder, monkeypatch):
    class Full:
        def __init__(self, path, mode):
            self.file = open(path, mode)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, chunk):
            self.file.write(chunk[:100])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfer, "open", Full, raising=False)
    with pytest.raises(ResNeStError, match="No space left.*Make room.*RESNEST_DENSE_WEIGHTS_DIR"):
        weights.fetch(entry("good", "good"), directory=folder)
    assert len(server.asked) == 1 and FILE not in left_in(folder)
    monkeypatch.undo()
    assert weights.fetch(entry("good"), directory=folder).read_bytes() == CONTENT


def test_two_processes_fetch_it_once(server, entry, folder):
    context = multiprocessing.get_context("fork")
    jobs = [context.Process(target=weights.fetch, args=(entry("slow"),),
                            kwargs={"directory": folder}) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(30)
    assert [job.exitcode for job in jobs] == [0, 0]
    assert len(server.asked) == 1 and (folder / FILE).read_bytes() == CONTENT


@pytest.mark.parametrize("kind,name", [("sha1", "sha1"), ("unstated", "sha1"), ("unstated", "md5")])
def test_other_digests(kind, name, entry, folder):
    digest = hashlib.new(name, CONTENT).hexdigest()
    assert weights.fetch(entry("good", hash=digest, hash_kind=kind), directory=folder).exists()


def test_published_archives_are_unpacked(server, entry, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FILE, CONTENT)
    server.archive = (tmp_path / "x.zip").read_bytes()
    zipped = entry(addresses=(f"{server.base}/zip/x.zip",))
    assert weights.fetch(zipped, directory=folder).read_bytes() == CONTENT
    assert left_in(folder) == [FILE]
    server.archive = b"no archive"
    (folder / FILE).unlink()
    with pytest.raises(ResNeStError, match=f"no archive with {FILE} in it"):
        weights.fetch(zipped, directory=folder)
    assert left_in(folder) == []


def test_a_mirror_of_a_published_archive_is_unpacked(server, fields, published, tmp_path):
    published("resnest14", **fields("good"))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(FILE, CONTENT)
    server.archive = (tmp_path / "x.zip").read_bytes()
    path = weights.fetch(f"{server.base}/zip/{FILE.removesuffix('.pth')}.zip")
    assert path.name == FILE and path.read_bytes() == CONTENT


def test_addresses_share_a_folder_but_not_a_name(server, tmp_path):
    paths = {weights.fetch(f"{server.base}/{way}/model.safetensors") for way in ("good", "wrong")}
    assert len(paths) == 2 and {path.parent for path in paths} == {weights.weights_dir()}
    assert {path.name[8:] for path in paths} == {"-model.safetensors"}


def test_an_address_of_a_published_file_is_checked(server, fields, published):
    published("resnest14", **fields("good"))
    path = weights.fetch(f"{server.base}/wrong/{FILE}")
    assert path.name == FILE and path.read_bytes() == CONTENT
    assert [asked for asked, _ in server.asked] == [f"/wrong/{FILE}", f"/good/{FILE}"]


def test_the_folder_is_the_one_in_the_environment(monkeypatch, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("RESNEST_DENSE_WEIGHTS_DIR", str(folder))
    (folder / "resnest50-528c19ca.pth").touch()
    assert weights.fetch("resnest50") == folder / "resnest50-528c19ca.pth"
    monkeypatch.delenv("RESNEST_DENSE_WEIGHTS_DIR")
    assert weights.weights_dir().name == "checkpoints"


def test_unusable_sources_are_refused(server):
    with pytest.raises(ResNeStValueError, match="Unknown weights 'resnest5'"):
        weights.fetch("resnest5")
    with pytest.raises(ResNeStError, match="names no file"):
        weights.fetch(server.base + "/")


def test_verify(tmp_path):
    path = tmp_path / "resnest50-528c19ca.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(ResNeStError, match="is not resnest50: its hash should start with 528c19ca"):
        weights.verify(path)
    other = path.rename(tmp_path / "mine.pth")
    with pytest.raises(ResNeStError, match=f"file of this name or hash; its SHA-256 is {SHA256}"):
        weights.verify(other)
    nameless = other.rename(tmp_path / "resnest50d.in1k.safetensors")
    with pytest.raises(ResNeStError, match="no hash of timm/resnest50d.in1k was published"):
        weights.verify(nameless)


def test_verify_finds_a_file_by_its_content(tmp_path, published):
    path = tmp_path / "renamed.pth"
    path.write_bytes(CONTENT)
    published("resnest14", hash=SHA256[:8])
    assert weights.verify(path).name == "resnest14"
