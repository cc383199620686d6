"""``index.html``: the photos of a search on one page, which opens without a server."""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openfaceplus.files import atomic_write, shown
from openfaceplus.stages.results_folder import MATCHES, Result, thumbnail_of
from openfaceplus.stages.subjects import ONE_SUBJECT, References
from openfaceplus.words import counted

_STYLE = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --text: #1c2024; --soft: #60666e;
  --green: #00803a; --red: #c22; --line: #d9dde2; }
@media (prefers-color-scheme: dark) { :root { --page: #15181b; --card: #1f2327; --text: #e9ecef;
  --soft: #a3abb3; --green: #35c16f; --red: #ff7a70; --line: #343a40; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 96rem; background: var(--page);
  color: var(--text); font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .7rem; }
h2 small, p { color: var(--soft); font-weight: normal; margin: .2rem 0; overflow-wrap: anywhere; }
a { color: inherit; }
ul { list-style: none; margin: 0; padding: 0; }
.sheet { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(13rem, 44vw), 1fr)); }
.sheet li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  overflow: hidden; content-visibility: auto; contain-intrinsic-size: 13rem 14rem; }
.sheet li.match { border: 2px solid var(--green); }
.sheet a { display: block; text-decoration: none; }
.sheet img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  background: #0002; }
.sheet span { display: block; padding: .35rem .6rem .5rem; font-size: .85rem;
  overflow-wrap: anywhere; }
.sheet small { color: var(--soft); display: block; font-size: .8rem; }
.sheet b { color: var(--green); display: block; }
.failed li { padding: .3rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.failed small { color: var(--red); display: block; }
.remark { color: var(--red); }
"""


def write(
    path: Path,
    results: Sequence[Result],
    references: References,
    far: float | None,
    remarks: Sequence[str] = (),
) -> None:
    """Write the page: matches first, then the others, each by distance; what failed comes last."""
    text = "\n".join(_page(results, references, far, remarks)) + "\n"
    with atomic_write(path, ours=True) as file:
        file.write(text.encode())


def distance_of(result: Result) -> float:
    """Of the matching face that is nearest, else of the nearest face; infinite without faces."""
    matching = [face for face in result["faces"] if face["decision"] == "match"]
    return min((face["distance"] for face in matching or result["faces"]), default=float("inf"))


def threshold_in_words(references: References, far: float | None) -> str:
    """Which limit was used and where it comes from, for each subject."""
    rule = references.rule
    named = f"votes:{rule.votes}" if rule.name == "votes" else rule.name
    source = "as given" if far is None else f"for a false-accept rate of {100 * far:g}% of faces"
    limits = {f"{limit:.3f}" for limit in references.limits.values()}
    if len(limits) == 1:
        return f"limit {limits.pop()}, {source}; rule: {named}"
    each = ", ".join(f"{shown(name)} {limit:.3f}" for name, limit in references.limits.items())
    return f"limits {each}, {source}; rule: {named}"


def _page(
    results: Sequence[Result], references: References, far: float | None, remarks: Sequence[str]
) -> Iterable[str]:
    matches = sorted((r for r in results if r["matches"]), key=distance_of)
    others = sorted((r for r in results if r["faces"] and not r["matches"]), key=distance_of)
    faceless = [r for r in results if r["status"] == "no_face"]
    failed = [r for r in results if not r["picture"]]
    counts = Counter(references.subjects)
    people = ", ".join(counts)
    title = "Search for one person" if people == ONE_SUBJECT else f"Search for {people}"
    found = counted(len(matches), "match", "matches")
    faces = sum(len(result["faces"]) for result in results)
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{_text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{_text(title)}: {found} in {counted(len(results), "photo")}</h1>
<p>{counted(faces, "face")} compared with {counted(len(references.photos), "reference")}.
Distance {_text(threshold_in_words(references, far))}.
A row a face: <a href="{MATCHES}">{MATCHES}</a>.</p>"""
    if len(counts) > 1:
        photos = Counter(name for result in matches for name in result["matches"])
        each = (f"{name} in {counted(photos[name], 'photo')}" for name in counts)
        yield f"<p>{_text('; '.join(each))}.</p>"
    yield from (f'<p class="remark">{_text(remark)}</p>' for remark in remarks)
    yield "</header>\n<main>"
    yield from _section("Matches", "nearest first", matches)
    yield from _section("Other photos with faces", "nearest first", others)
    yield from _section("No face found", "", faceless)
    if failed:
        yield f'<h2>Could not be used <small>{len(failed)}</small></h2>\n<ul class="failed">'
        for result in failed:
            yield f"<li>{_text(result['photo'])}<small>{_text(result['reason'])}</small></li>"
        yield "</ul>"
    yield "</main>\n</body>\n</html>"


def _section(title: str, order: str, results: Sequence[Result]) -> Iterable[str]:
    if not results:
        return
    yield f"<h2>{title} <small>{len(results)}{order and ', '}{order}</small></h2>"
    yield '<ul class="sheet">'
    yield from map(_card, results)
    yield "</ul>"


def _card(result: Result) -> str:
    names = ", ".join(result["matches"])
    faces = result["faces"]
    near = f"{distance_of(result):.3f}" if faces else ""
    count = counted(len(faces), "face")
    flaws = sorted({f["decision"].replace("_", " ") for f in faces} - {"match", "other"})
    notes = [count, *([] if names or not near else [f"nearest {near}"]), *flaws]
    said = f"{names} found, {count}" if names else count if faces else "no face found"
    thumbnail = thumbnail_of(result["photo"])
    return (
        f'<li{" class=match" if names else ""}><a href="{_link(result["picture"] or thumbnail)}">'
        f'<img loading="lazy" decoding="async" src="{_link(thumbnail)}" '
        f'alt="{_text(result["photo"])}: {_text(said)}"><span>'
        + (f"<b>{_text(names)} {near}</b>" if names else "")
        + f"{_text(result['photo'])}<small>{_text(', '.join(notes))}</small></span></a></li>"
    )


def _text(value: Any) -> str:
    return html.escape(shown(str(value)))


def _link(path: str) -> str:
    # Relative whatever the name: one with a colon would be taken for an address.
    return html.escape("./" + quote(os.fsencode(path)))
