"""Pages as the server gives them: in two languages, with nothing in them from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from servers import TestClient, bearer, client, shape

from openfaceplus.server.keys import KeyFile
from openfaceplus.server.pages import language, rendering, views

ALL = (*(page.name for page in views.PAGES), "login", "error")
SOURCES = {
    file.name: file.read_text()
    for folder in ("static", "templates")
    for file in (files("openfaceplus.server.pages") / folder).iterdir()
    if file.name.endswith((".js", ".html"))
}
SHOWN = ("alt", "title", "placeholder", "aria-label", "aria-description")
OWN = {
    "openfaceplus",
    "/media/2026/entrance.mp4",
    "openfaceplus keys add",
    "English",
    "Español",
    "·",
}
"""What is not translated: names, commands, and languages in their own."""


class Texts(HTMLParser):
    """Collects what a reader is shown or told."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [given[name] or "" for name in SHOWN if name in given]
        self.inline += [f"{tag} {name}" for name in given if name == "style" or name[:2] == "on"]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.inline.append(tag)

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def test_both_languages_have_the_same_texts():
    english, spanish = language.texts("en"), language.texts("es")
    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert text.strip() and spanish[key].strip()
        values = [sorted(re.findall(r"\{\w+\}", one[key])) for one in (english, spanish)]
        assert values[0] == values[1], key
    same = {key for key in english if english[key] == spanish[key]}
    assert same == {"identify.summary"}, "not translated"


@pytest.mark.parametrize("name", ALL)
def test_a_page_has_no_text_but_those_of_the_table(name):
    marked = {key: "⟦⟧" for key in language.texts("en")}
    found = Texts(rendering.render(name, pages=views.PAGES, table=marked, shown="404"))
    left = {text.replace("⟦⟧", "").strip() for text in found.found}
    left = {word.strip(" ·") for word in left} - {""}
    assert left <= OWN and not found.inline


def test_each_text_is_there_and_used():
    table = language.texts("en")
    named = {
        name: set(re.findall(r"""\b(?:t|has|button)\(\s*["']([\w.]*\w)["']""", text))
        for name, text in SOURCES.items()
    }
    for name, keys in named.items():
        assert keys <= table.keys(), name
    # A key that is put together is written as in `photo.${status}` or "rate." ~ name.
    everything = "\n".join(SOURCES.values())
    for key in table:
        stem = key.removesuffix(".one").removesuffix(".other")
        parts = stem.split(".")
        starts = [".".join(parts[:n]) + "." for n in range(1, len(parts))]
        ends = ["." + ".".join(parts[n:]) for n in range(1, len(parts))]
        assert (
            f'"{stem}"' in everything or f"'{stem}'" in everything
            or any(f"`{start}${{" in everything or f'"{start}" ~' in everything for start in starts)
            or any(f'~ "{end}"' in everything for end in ends)
        ), f"{key} is used nowhere"  # fmt: skip


def test_no_script_makes_markup_or_code_from_text():
    for name, text in SOURCES.items():
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                     "Function(", "http://", "https://"):  # fmt: skip
            inside = text.replace("http://www.w3.org/2000/svg", "")
            assert word not in inside, (name, word)


def test_no_script_holds_a_sentence():
    for name, text in SOURCES.items():
        if name.endswith(".js"):
            code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
            assert not re.findall(r"""["'`][A-Z][a-z]+(?: [^"'`$]*)["'`]""", code), name


@pytest.mark.parametrize(
    ("header", "chosen", "expected"),
    [
        ("", "", "en"),
        ("es-MX,es;q=0.9,en;q=0.8", "", "es"),
        ("fr,en;q=0.3,es;q=0.7", "", "es"),
        ("es;q=0,en;q=0.1", "", "en"),
        ("de,fr", "", "en"),
        ("es;q=wrong,,;;", "", "en"),
        ("es", "en", "en"),
        ("en", "es", "es"),
        ("en", "xx", "en"),
    ],
)
def test_the_language_that_a_browser_wants(header, chosen, expected):
    assert language.wanted(header, chosen) == expected


@pytest.fixture(scope="module")
def open_server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A server that needs no key."""
    return client(model, tmp_path_factory.mktemp("open"))


def test_pages_take_the_readers_language_and_colours(open_server):
    asked = {"Accept-Language": "es", "Cookie": 'theme=dark; language="><b>'}
    page = open_server.get("/", headers=asked).text
    assert '<html lang="es" data-theme="dark">' in page and "<b>" not in page
    assert ">Identificar<" in page
    page = open_server.get("/people", headers={"Cookie": "language=es; theme=x"}).text
    assert '<html lang="es">' in page
    assert 'lang="en"' in open_server.get("/").text.partition("<head>")[0]


def test_what_a_page_loads_is_kept_until_it_changes(open_server):
    page = open_server.get("/").text
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(loaded) == 4
    for path in loaded:
        answer = open_server.get(path)
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    (style,) = (path for path in loaded if path.endswith(".css"))
    assert open_server.get(style).headers["content-type"].startswith("text/css")
    old = open_server.get("/static/before/style.css")
    assert old.status_code == 200 and old.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2fviews.py", "base.html", "%2e%2e", "en.json%00"]
)
def test_nothing_else_is_given(open_server, name):
    assert open_server.get(f"/static/x/{name}").status_code == 404


def test_a_stranger_is_sent_to_log_in(model, tmp_path):
    keys = KeyFile(tmp_path / "keys.json")
    keys.add("ann", "viewer")
    closed = client(model, tmp_path, keys=tmp_path / "keys.json")
    for page in views.PAGES:
        sent = closed.get(page.path, follow_redirects=False)
        assert sent.status_code == 303 and sent.headers["location"] == f"/login?next={page.path}"
    assert closed.get("/login").status_code == 200
    assert "/people" not in closed.get("/login").text, "what cannot be opened is not offered"


def test_an_error_is_a_page_for_who_looks_for_one(open_server):
    browser = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "es"}
    page = open_server.get("/nothing", headers=browser)
    assert page.status_code == 404 and language.texts("es")["error.404"] in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert int(page.headers["content-length"]) == len(page.content)
    for path in ("/videos", "/review"):  # which this server does not have
        assert open_server.get(path, headers=browser).status_code == 404
        assert path not in page.text
    shape(open_server.get("/nothing"), 404, "not_found")
    shape(open_server.get("/v1/nothing", headers=browser), 404, "not_found")
    shape(open_server.post("/", headers=browser), 405, "method_not_allowed")


def test_a_page_for_another_role_says_so(model, tmp_path):
    key = KeyFile(tmp_path / "keys.json").add("ann", "viewer")
    kept = {"keys": tmp_path / "keys.json", "keep_unsure": tmp_path / "unsure"}
    server = client(model, tmp_path, **kept)
    page = server.get("/review", headers=bearer(key) | {"Accept": "text/html"})
    assert page.status_code == 403 and language.texts("en")["error.403"] in page.text
    assert "/review" not in page.text and "/people" in page.text
