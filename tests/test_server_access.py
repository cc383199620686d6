"""Who may use a server, and what of a request is refused whoever asks."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
from running import ROOT, call, refused

pytest.importorskip("fastapi")

from servers import HOST, Process, bearer, client, photos, shape

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.server import rights
from openfaceplus.server.keys import ROLES, KeyFile, Role
from openfaceplus.server.rates import Rate
from openfaceplus.server.routes import ROUTES
from openfaceplus.server.settings import Limits


@pytest.fixture
def file(tmp_path) -> KeyFile:
    return KeyFile(tmp_path / "keys/keys.json")


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A file with a key of each role, by role."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return path, {role: KeyFile(path).add(f"my {role}", role) for role in ROLES}


@pytest.fixture(scope="module")
def guarded(model, keys, tmp_path_factory):
    """A server that takes keys."""
    folder = tmp_path_factory.mktemp("guarded")
    return client(model, folder, keys=keys[0], limits=Limits(failures=100))


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path):
    path = tmp_path / "keys.json"
    key = call("keys", "add", "Front desk", "--role", "enroller", "--keys", path).stdout.strip()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert key not in path.read_text() and "argon2" in path.read_text()
    assert call("keys", "list", "--keys", path).stdout.startswith("Front desk: enroller")
    found = KeyFile(path).check(key)
    assert found is not None and found.name == "Front desk" and found.rank == Role.ENROLLER
    assert "Front desk" in refused("keys", "add", "Front desk", "--keys", path)
    assert "no role" in refused("keys", "add", "x", "--role", "god", "--keys", path)
    call("keys", "remove", "Front desk", "--keys", path)
    assert KeyFile(path).check(key) is None
    assert "no key called" in refused("keys", "remove", "Front desk", "--keys", path)


def test_only_the_very_key_opens(file):
    key = file.add("a", "viewer")
    other = file.add("b", "admin")
    for wrong in ("", "ofp_", key[:-1], key + "A", key[:13] + other[13:], key.upper(), key + "\n"):
        assert file.check(wrong) is None
    assert file.check(key).name == "a" and file.check(key).name == "a"
    file.remove("a")
    assert file.check(key) is None  # also what was checked before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": [{"id": "1"}]}', '{"keys": 3}'])
def test_a_file_of_keys_that_is_none_opens_nothing(file, text):
    file.path.parent.mkdir()
    file.path.touch(0o600)
    file.path.write_text(text)
    with pytest.raises(StorageError, match="not a file of keys"):
        file.check("ofp_00000000_" + "A" * 43)


def test_a_file_that_others_may_read_is_refused(file):
    file.add("a", "viewer")
    os.chmod(file.path, 0o644)
    with pytest.raises(StorageError, match="others may read it"):
        KeyFile(file.path).all()


def test_several_add_keys_at_once(tmp_path):
    path = tmp_path / "keys.json"
    adding = [
        threading.Thread(target=KeyFile(path).add, args=(f"k{i}", "viewer")) for i in range(4)
    ]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert {key.name for key in KeyFile(path).all()} == {"k0", "k1", "k2", "k3"}


def asked(route: rights.Route) -> tuple[str, str]:
    return route.method, route.path.replace("{", "").replace("}", "")


HTTP = [route for route in ROUTES if route.method != rights.WEBSOCKET]


@pytest.mark.parametrize("route", HTTP, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_refused_for_lesser_roles(guarded, keys, route):
    method, path = asked(route)
    for role in Role:
        headers = bearer(keys[1][str(role)]) if role else {}
        if role < route.role:
            # Whatever is sent with it, and before any of it is looked at.
            more = {"content": b"\0" * 10, "follow_redirects": False}
            answer = guarded.request(method, path, headers=headers, **more)
            if route.page and not role:
                assert answer.status_code == 303
                assert answer.headers["location"].startswith("/login?next=")
                continue
            shape(answer, 403 if role else 401, "forbidden" if role else "no_key")
        elif role == route.role and (method, path) != ("POST", "/v1/session"):
            assert guarded.request(method, path, headers=headers).status_code not in (401, 403)


def test_the_app_has_the_routes_of_the_table_and_no_others(guarded):
    there = set()
    for route in guarded.app.routes:
        methods = getattr(route, "methods", None) or {rights.WEBSOCKET}
        there |= {(method, route.path) for method in methods - {"HEAD"}}
    assert there == {(route.method, route.path) for route in ROUTES}
    assert len(there) == len(ROUTES) > 10


def test_the_documented_table_is_this_one():
    assert rights.markdown(ROUTES) in (ROOT / "docs/server.md").read_text(encoding="utf-8")


def test_a_wrong_key_is_refused_even_where_none_is_needed(guarded):
    for wrong in ("ofp_00000000_" + "A" * 43, "x", ""):
        shape(guarded.get("/v1/health", headers=bearer(wrong)), 401, "wrong_key")


def test_keys_are_not_to_be_guessed(model, keys, tmp_path):
    server = client(model, tmp_path, keys=keys[0], limits=Limits(failures=8))
    wrong = bearer("ofp_00000000_" + "A" * 43)
    for _ in range(4):
        shape(server.get("/v1/people", headers=wrong), 401, "wrong_key")
    answer = server.get("/v1/people", headers=wrong)
    shape(answer, 429, "too_many")
    assert int(answer.headers["retry-after"]) > 0


def test_a_session_is_opened_by_a_key_and_needs_its_token(guarded, keys):
    begun = guarded.post("/v1/session", data={"key": keys[1]["admin"]})
    cookie = begun.headers["set-cookie"]
    assert begun.json()["role"] == "admin" and begun.json()["name"] == "my admin"
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert keys[1]["admin"] not in cookie
    token = begun.json()["csrf"]
    assert guarded.get("/v1/people").json()["total"] == 5
    shape(guarded.patch("/v1/people/x", data={"name": "y"}), 403, "csrf")
    wrong = {"X-CSRF-Token": token[:-1] + "é"}
    shape(guarded.delete("/v1/people/x", headers={k: v.encode() for k, v in wrong.items()}),
          403, "csrf")  # fmt: skip
    right = {"X-CSRF-Token": token}
    shape(guarded.delete("/v1/people/x", headers=right), 404, "not_found")
    assert guarded.get("/v1/session").json()["csrf"] == token
    assert guarded.delete("/v1/session", headers=right).status_code == 204
    guarded.cookies.set("openfaceplus", cookie.partition("=")[2].partition(";")[0])
    shape(guarded.get("/v1/people"), 401, "no_key")
    guarded.cookies.clear()


def test_a_session_ends_with_its_key(model, tmp_path):
    file = KeyFile(tmp_path / "keys.json")
    server = client(model, tmp_path, keys=file.path)
    assert server.post("/v1/session", data={"key": file.add("a", "viewer")}).status_code == 200
    assert server.get("/v1/people").status_code == 200
    file.remove("a")
    shape(server.get("/v1/people"), 401, "no_key")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_write_nothing(model, tmp_path, headers):
    server = client(model, tmp_path)
    shape(server.delete("/v1/people/x", headers=headers), 403, "wrong_origin")
    shape(server.post("/v1/identify", headers=headers), 403, "wrong_origin")
    own = {"Origin": HOST, "Sec-Fetch-Site": "same-origin"}
    shape(server.delete("/v1/people/x", headers=own), 404, "not_found")


def test_a_name_that_is_made_to_lead_here_is_refused(model, tmp_path):
    server = client(model, tmp_path)
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1.x"):
        shape(server.get("/v1/people", headers={"Host": host}), 421, "wrong_host")
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        assert server.get("/v1/people", headers={"Host": host}).status_code == 200


def test_large_bodies_are_refused(model, tmp_path):
    server = client(model, tmp_path, limits=Limits(body=10_000, bodies=15_000))
    shape(server.post("/v1/identify", content=b"x" * 10_001), 413, "too_large")

    def pieces():
        for _ in range(20):
            yield b"x" * 1000

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    shape(server.post("/v1/identify", content=pieces(), headers=form), 413, "too_large")


def test_too_many_requests(model, tmp_path):
    server = client(model, tmp_path, limits=Limits(rate=10))
    codes = [server.get("/v1/health").status_code for _ in range(7)]
    assert codes[:5] == [200] * 5 and 429 in codes[5:]


def test_a_rate_lets_pass_again_after_it_said_when(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    rate = Rate(60)
    assert [rate.wait("a") for _ in range(31)] == [0] * 30 + [1]
    assert rate.wait("b") == 0
    now[0] += 1
    assert rate.wait("a") == 0 and rate.wait("a") == 1


def test_what_goes_wrong_inside_is_not_told(model, tmp_path, monkeypatch):
    server = client(model, tmp_path)

    def fail(*_: object) -> None:
        raise RuntimeError("secret of /etc/passwd")

    monkeypatch.setattr("openfaceplus.server.consents.read", fail)
    answer = server.get("/v1/people")
    shape(answer, 500, "internal")
    assert "secret" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"
    error = StorageError("/home/ada/model/consents.json: not a list", remedy="move it")
    monkeypatch.setattr("openfaceplus.server.consents.read", lambda _: (_ for _ in ()).throw(error))
    answer = server.get("/v1/people")
    shape(answer, 503, "storage")
    assert "ada" not in answer.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid"])
def test_other_addresses_take_keys(model, tmp_path, host):
    words = ("serve", "-m", model, "--host", host, "--keys", tmp_path / "none.json")
    said = refused(*words, "--audit", tmp_path / "a")
    assert "keys add NAME" in said and "without a key" in said and not (tmp_path / "a").exists()


def test_a_port_that_is_taken(model, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("serve", "-m", model, "--port", port, "--audit", tmp_path / "a")
    assert "choose another port" in said


def test_a_folder_of_other_things_is_no_model(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Ada")
    for model in (tmp_path, tmp_path / "nowhere/model"):
        refused("serve", "-m", model, "--port", 0, "--audit", tmp_path / "a")


def test_a_certificate_without_its_key(model, tmp_path):
    assert "go together" in refused("serve", "-m", model, "--certificate", tmp_path / "c")


def test_a_server_on_a_real_socket_ends_well(model, portraits, tmp_path):
    import httpx

    key = KeyFile(tmp_path / "k").add("a", "viewer")
    audit = tmp_path / "audit.jsonl"
    with Process("-m", model, "--keys", tmp_path / "k", "--audit", audit) as server:
        files = photos(portraits / "test/kit1.jpg")
        shape(httpx.post(f"{server.url}/v1/identify", files=files), 401, "no_key")
        answers: list[httpx.Response] = []

        def ask() -> None:
            answers.append(
                httpx.post(
                    f"{server.url}/v1/identify", files=files * 8, headers=bearer(key), timeout=30
                )
            )

        asking = threading.Thread(target=ask)
        asking.start()
        while "photos_waiting 0" in httpx.get(f"{server.url}/v1/metrics", headers=bearer(key)).text:
            if answers:
                break
        server.popen.terminate()
        asking.join()
        assert server.popen.wait(30) == 0
    assert answers[0].status_code == 200 and len(answers[0].json()["photos"]) == 8
    assert "all as written" in call("audit", "verify", "--audit", audit).stdout
    assert "identify" in call("audit", "show", "--audit", audit).stdout


def test_usage_of_roles(file):
    with pytest.raises(UsageError, match="cannot be a key's name"):
        file.add("../x", "viewer")


def test_with_a_certificate_it_is_https_and_its_cookie_says_so(model, tmp_path):
    import datetime

    import httpx
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(private, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "cert").write_bytes(made.public_bytes(pem))
    written = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "key").write_bytes(written)
    key = KeyFile(tmp_path / "keys").add("a", "viewer")
    words = ("--certificate", tmp_path / "cert", "--private-key", tmp_path / "key")
    with Process(
        "-m", model, "--keys", tmp_path / "keys", "--audit", tmp_path / "a", *words
    ) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=tmp_path / "cert")
        said = httpx.post(f"{url}/v1/session", data={"key": key}, verify=context)
        assert said.status_code == 200 and "Secure" in said.headers["set-cookie"]
