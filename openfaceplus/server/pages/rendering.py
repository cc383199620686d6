"""Templates to pages, and the files that pages load."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from openfaceplus.server.pages.language import LANGUAGES, texts

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}


@cache
def static_files() -> Mapping[str, tuple[str, bytes]]:
    """The type and content of each file that a page may load, by name."""
    here = files("openfaceplus.server.pages")
    found = {}
    for folder in ("static", "texts"):
        for file in (here / folder).iterdir():
            kind = _TYPES.get(file.name.rpartition(".")[2])
            if kind is not None:
                found[file.name] = kind, file.read_bytes()
    return found


@cache
def edition() -> str:
    """What the addresses of files contain, so that browsers keep them until they change."""
    digest = hashlib.sha256()
    for name, (_, data) in sorted(static_files().items()):
        digest.update(name.encode() + data)
    return digest.hexdigest()[:12]


def address(name: str) -> str:
    """Where a page finds a file."""
    assert name in static_files(), name
    return f"/static/{edition()}/{name}"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("openfaceplus.server.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def translator(table: Mapping[str, str]) -> Callable[..., str]:
    """A function that gives a text by its key, with values put in."""

    def translate(key: str, **values: object) -> str:
        text = table[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    return translate


def render(
    name: str,
    language: str = "en",
    *,
    pages: Iterable[Any] = (),
    user: str | None = None,
    role: str = "",
    csrf: str = "",
    theme: str = "",
    needs_people: bool = False,
    passive: bool = False,
    table: Mapping[str, str] | None = None,
    **more: object,
) -> str:
    """A page's HTML. ``pages`` are what the navigation lists, by ``name`` and ``path``;
    ``needs_people`` shows in place of the page that nobody is enrolled, ``passive`` is
    whether the server has a network for liveness; ``table`` is another than the language's own."""
    return (
        _environment()
        .get_template(f"{name}.html")
        .render(
            name=name,
            t=translator(texts(language) if table is None else table),
            language=language,
            languages=LANGUAGES.items(),
            static=address,
            pages=pages,
            user=user,
            role=role,
            csrf=csrf,
            theme=theme,
            needs_people=needs_people,
            passive=passive,
            **more,
        )
    )
