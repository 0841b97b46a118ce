"""Downloads, from local mirrors that work, fail or send wrong files."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.data import catalog, download, fetching
from clearprop.data.catalog import CATALOG, CatalogEntry, DataFile
from clearprop.data.fetching import data_folder, look_up, obtain
from clearprop.data.formats.idx import FILES
from clearprop.data.loading import load_entry
from clearprop.utils.errors import DataError, FetchError, OutputError

PATIENCE = (2.0, 0.3)
NAME = "train-images-idx3-ubyte.gz"


def make_files() -> dict[str, bytes]:
    """Make the four files of a tiny data set: 9 and 3 images of 4 by 4 pixels, in 3 classes."""
    files = {}
    for images, labels, n in ((FILES["x"], FILES["y"], 9), (FILES["x_test"], FILES["y_test"], 3)):
        pixels = np.random.default_rng(n).integers(0, 256, (n, 4, 4)).astype(np.uint8)
        header = b"\0\0\x08\3" + struct.pack(">3I", *pixels.shape)
        files[images] = header + pixels.tobytes()
        files[labels] = b"\0\0\x08\1" + struct.pack(">I", n) + bytes(i % 3 for i in range(n))
    return files


UNPACKED = make_files()
CONTENT = {f"{name}.gz": gzip.compress(content) for name, content in UNPACKED.items()}


class Mirror:
    """A server with the files, whose answers for one file can be told in advance."""

    def __init__(self) -> None:
        self.requests: dict[str, int] = defaultdict(int)
        self.answers: dict[str, list[str]] = {}
        self.released = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                mirror.requests[name] += 1
                answers = mirror.answers.get(name, ["good"])
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                body = CONTENT[name]
                if answer == "404":
                    self.send_error(404)
                    return
                if answer == "wrong":
                    body = body[:-1] + bytes([body[-1] ^ 1])
                if answer == "long":
                    body += b"x"
                self.send_response(200)
                if answer != "short":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if answer in ("good", "wrong", "long"):
                    self.wfile.write(body)
                    return
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                if answer == "hang":
                    mirror.released.wait(10)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/files/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def stop(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("CLEARPROP_DATA", raising=False)


@pytest.fixture
def mirrors() -> Iterator[list[Mirror]]:
    servers = [Mirror(), Mirror()]
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def entry(mirrors: list[Mirror]) -> CatalogEntry:
    return make_entry(mirrors[0].url, mirrors[1].url)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "tiny"


def make_entry(*urls: str) -> CatalogEntry:
    def digest(content: bytes) -> str:
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    return CatalogEntry(
        name="tiny",
        title="a tiny data set",
        class_names=("a", "b", "c"),
        n_train=9,
        n_test=3,
        homepage="http://localhost/",
        files={
            part: DataFile(
                f"{name}.gz",
                len(CONTENT[f"{name}.gz"]),
                digest(CONTENT[f"{name}.gz"]),
                digest(UNPACKED[name]),
            )
            for part, name in FILES.items()
        },
        mirrors=urls,
    )


@pytest.fixture
def nobody() -> str:
    """Return the address of a mirror that is down: a port that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def write_files(folder: Path, files: dict[str, bytes] = CONTENT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


# ---- Downloads ---------------------------------------------------------------------------------------


def test_a_good_mirror_fills_the_cache_and_is_asked_once(entry, cache, mirrors):
    paths = obtain(entry, None, cache, progress=False)
    assert {path.name: path.read_bytes() for path in paths.values()} == CONTENT
    assert sorted(path.name for path in cache.iterdir()) == sorted(CONTENT)
    obtain(entry, None, cache, progress=False)
    assert set(mirrors[0].requests.values()) == {1}
    assert not mirrors[1].requests


def test_a_downloaded_data_set_can_be_loaded(entry, cache):
    dataset = load_entry(entry, None, cache, progress=False)
    assert (len(dataset), len(dataset.test)) == (9, 3)
    assert dataset.class_names == ("a", "b", "c")
    assert dataset.image_shape == (4, 4)
    assert dataset.source == "a tiny data set"


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        (["404"], 1),
        (["truncated"], 2),
        (["short"], 2),
        (["wrong"], 2),
        (["long"], 2),
        (["hang"], 1),
    ],
)
def test_a_mirror_that_fails_is_followed_by_the_next(entry, cache, mirrors, answers, tries):
    mirrors[0].answers[NAME] = answers
    paths = obtain(entry, None, cache, progress=False, timeout=PATIENCE)
    assert paths["x"].read_bytes() == CONTENT[NAME]
    assert mirrors[0].requests[NAME] == tries
    assert mirrors[1].requests[NAME] == 1


@pytest.mark.parametrize("answer", ["truncated", "short", "wrong"])
def test_a_damaged_answer_is_fetched_once_more_from_the_same_mirror(entry, cache, mirrors, answer):
    mirrors[0].answers[NAME] = [answer, "good"]
    obtain(entry, None, cache, progress=False)
    assert mirrors[0].requests[NAME] == 2
    assert not mirrors[1].requests


def test_error_after_all_mirrors_failed_names_them_and_the_manual_way(entry, cache, mirrors):
    mirrors[0].answers[NAME] = ["404"]
    mirrors[1].answers[NAME] = ["wrong"]
    with pytest.raises(FetchError) as caught:
        obtain(entry, None, cache, progress=False)
    text = str(caught.value)
    assert f"{mirrors[0].url}{NAME} (404 Client Error: Not Found)" in text
    assert f"{mirrors[1].url}{NAME} (wrong file, its digest is sha256:" in text
    assert all(name in text for name in CONTENT)
    assert "into a folder tiny" in text
    assert "--data-dir" in text
    assert "CLEARPROP_DATA" in text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("404", "404 Client Error: Not Found"),
        ("truncated", "the connection broke off"),
        ("short", "only 3[0-9] of 7[0-9] bytes arrived|only [0-9]+ of [0-9]+ bytes arrived"),
        ("long", "longer than"),
        ("hang", "no answer in time"),
    ],
)
def test_every_kind_of_failure_has_its_message_and_leaves_no_file(mirrors, cache, answer, reason):
    mirrors[0].answers[NAME] = [answer]
    with pytest.raises(FetchError, match=reason):
        obtain(make_entry(mirrors[0].url), None, cache, progress=False, timeout=PATIENCE)
    assert list(cache.iterdir()) == []


def test_mirror_that_is_down_is_reported_as_no_connection(cache, nobody):
    with pytest.raises(FetchError, match=rf"{nobody}{NAME} \(no connection\)"):
        obtain(make_entry(nobody), None, cache, progress=False, timeout=PATIENCE)


def test_a_mirror_that_is_down_is_followed_by_the_next(cache, mirrors, nobody):
    obtain(make_entry(nobody, mirrors[0].url), None, cache, progress=False, timeout=PATIENCE)
    assert len(mirrors[0].requests) == 4


# ---- Files on this machine --------------------------------------------------------------------------


def test_a_damaged_file_in_the_cache_is_deleted_and_fetched_again(entry, cache, mirrors):
    write_files(cache)
    (cache / NAME).write_bytes(b"damaged")
    assert obtain(entry, None, cache, progress=False)["x"].read_bytes() == CONTENT[NAME]
    assert dict(mirrors[0].requests) == {NAME: 1}


def test_a_damaged_file_in_the_cache_is_gone_even_if_no_mirror_answers(cache, nobody):
    write_files(cache)
    (cache / NAME).write_bytes(b"damaged")
    with pytest.raises(FetchError):
        obtain(make_entry(nobody), None, cache, progress=False)
    assert not (cache / NAME).exists()


@pytest.mark.parametrize("files", [CONTENT, UNPACKED])
@pytest.mark.parametrize("place", [".", "tiny"])
def test_files_in_the_data_folder_are_used_and_nothing_is_downloaded(tmp_path, files, place):
    write_files(tmp_path / "data" / place, files)
    dataset = load_entry(make_entry(), tmp_path / "data", tmp_path / "cache", progress=False)
    assert len(dataset) == 9
    assert not (tmp_path / "cache").exists()


def test_files_missing_from_the_data_folder_are_downloaded_into_the_cache(entry, tmp_path, cache, mirrors):
    data = tmp_path / "data"
    write_files(data, {NAME: CONTENT[NAME]})
    paths = obtain(entry, data, cache, progress=False)
    assert paths["x"] == data / NAME
    assert paths["y"].parent == cache
    assert NAME not in mirrors[0].requests
    assert [path.name for path in data.iterdir()] == [NAME]


@pytest.mark.parametrize("files", [CONTENT, UNPACKED])
def test_a_wrong_file_in_the_data_folder_is_an_error_and_stays(entry, tmp_path, cache, mirrors, files):
    write_files(tmp_path / "data", files)
    path = tmp_path / "data" / next(iter(files))
    path.write_bytes(b"my own work")
    with pytest.raises(DataError, match=r"is not the genuine file of tiny.*left as it is") as caught:
        obtain(entry, tmp_path / "data", cache, progress=False)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"my own work"
    assert not mirrors[0].requests


def test_looking_up_changes_nothing(entry, cache):
    write_files(cache, {NAME: b"damaged"})
    files = [look_up(entry, file, None, cache) for file in entry.files.values()]
    assert [local.state for local in files] == ["damaged", "missing", "missing", "missing"]
    assert (cache / NAME).read_bytes() == b"damaged"


def test_data_folder_comes_from_the_argument_or_the_variable_or_is_none(tmp_path, monkeypatch):
    assert data_folder(None) is None
    monkeypatch.setenv("CLEARPROP_DATA", str(tmp_path))
    assert data_folder(None) == tmp_path
    (tmp_path / "other").mkdir()
    assert data_folder(tmp_path / "other") == tmp_path / "other"


@pytest.mark.parametrize("by_variable", [True, False])
def test_missing_data_folder_is_reported(tmp_path, monkeypatch, by_variable):
    missing = tmp_path / "missing"
    if by_variable:
        monkeypatch.setenv("CLEARPROP_DATA", str(missing))
    with pytest.raises(DataError, match="the value of CLEARPROP_DATA" if by_variable else "given as"):
        data_folder(None if by_variable else missing)


def test_unwritable_cache_is_reported(entry, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        obtain(entry, None, tmp_path / "file" / "tiny", progress=False)


def test_full_disk_is_reported_and_not_blamed_on_the_mirror(entry, cache, monkeypatch):
    def full(self: object, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download._Limited, "write", full)
    with pytest.raises(OutputError, match=f"Cannot write .*{NAME}: No space left on device"):
        obtain(entry, None, cache, progress=False)
    assert list(cache.iterdir()) == []


# ---- Progress ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_download_into_a_pipe_prints_one_line_a_file(entry, cache, capsys):
    obtain(entry, None, cache)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"Fetching {entry.mirrors[0]}{NAME} (0.0 MB)")


def test_a_quiet_download_prints_nothing(entry, cache, capsys):
    obtain(entry, None, cache, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_download_on_a_terminal_shows_a_bar(entry, cache, mirrors, monkeypatch):
    mirrors[0].answers[NAME] = ["truncated", "good"]
    monkeypatch.setattr(sys, "stderr", Terminal())
    obtain(entry, None, cache)
    size = len(CONTENT[NAME])
    assert f"{size}/{size} bytes" in sys.stderr.getvalue()


# ---- The command -------------------------------------------------------------------------------------


@pytest.fixture
def get(entry, tmp_path, monkeypatch):
    """Run "clearprop data get tiny" with a cache of its own."""
    monkeypatch.setattr(catalog, "CATALOG", {"tiny": entry})
    monkeypatch.setattr(fetching, "cache_folder", lambda entry: tmp_path / "cache" / entry.name)
    return lambda *options: main(["data", "get", "tiny", *options])


def test_get_downloads_into_the_cache(get, cache, capsys):
    assert get("--quiet") == 0
    assert capsys.readouterr() == (f"tiny: {cache}\n", "")
    assert len(list(cache.iterdir())) == 4


def test_get_downloads_into_the_folder_that_was_named_where_load_data_finds_them(get, entry, tmp_path):
    assert get("--data-dir", str(tmp_path / "data")) == 0
    assert len(list((tmp_path / "data" / "tiny").iterdir())) == 4
    assert len(load_entry(entry, tmp_path / "data", tmp_path / "unused")) == 9
    assert not (tmp_path / "unused").exists()


def test_failed_get_exits_2_with_one_sentence(get, mirrors, capsys):
    for mirror in mirrors:
        mirror.answers[NAME] = ["404"]
    assert get() == 2
    assert f"Error: {NAME} of tiny could not be downloaded; tried" in capsys.readouterr().err


# ---- The catalog -------------------------------------------------------------------------------------


def test_the_catalog_states_size_and_digest_of_every_file():
    for entry in CATALOG.values():
        for file in entry.files.values():
            assert file.size > 4000
            for digest in (file.digest, file.unpacked_digest):
                kind, _, value = digest.partition(":")
                assert len(bytes.fromhex(value)) == {"sha256": 32, "md5": 16}[kind]
        assert all(mirror.endswith("/") for mirror in entry.mirrors)


def test_no_two_files_of_the_catalog_have_the_same_digest():
    files = [file for entry in CATALOG.values() for file in entry.files.values()]
    digests = [digest for file in files for digest in (file.digest, file.unpacked_digest)]
    assert len(set(digests)) == len(digests) == 24


def test_mnist_and_fashion_mnist_have_mirrors_of_different_hosts():
    for name in ("mnist", "fashion-mnist"):
        assert len({mirror.split("/")[2] for mirror in CATALOG[name].mirrors}) >= 2
