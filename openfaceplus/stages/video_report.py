"""One page that shows who is in which video: people, timelines, suggestions, and how sure it is.

It opens without a server: pictures and plots are in the file itself.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.files import shown
from openfaceplus.stages import page
from openfaceplus.words import clock, counted

_MOST_FACES = 12  # crops shown of a person
_WIDTH, _MAP_HEIGHT, _LEFT, _BAR = 720, 420, 190, 7  # of the plots, in their own units
_LONG_SIDE = 1000  # of a timeline

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Contents:
    """What a report shows: rows as ``openfaceplus video people``, ``appearances`` and
    ``suggestions`` give them, and videos with ``path`` and ``duration``.

    ``crops`` are (time, JPEG bytes) of each sequence, best first. ``descriptors`` (sequences,
    dimensions) are those of ``sequences``, and ``silhouettes`` (sequences,) theirs.
    """

    people: Sequence[Row]
    appearances: Sequence[Row]
    videos: Sequence[Row]
    suggestions: Sequence[Row] = ()
    crops: Mapping[int, Sequence[tuple[float, bytes]]] = field(default_factory=dict)
    sequences: Sequence[int] = ()
    descriptors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    silhouettes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    about: str = ""


def write(contents: Contents, folder: Path) -> Path:
    """Write the page into ``folder``, which is made, and return its path.

    Raises UsageError without Jinja2, InTheWay for a page of somebody else's.
    """
    return page.write(
        folder / page.PAGE, "video_report.html", _page(contents), extra="video", what="a report"
    )


def label(row: Row) -> str:
    """What a person is called: by name, or by number where nobody has said it."""
    name = row["name"]
    return f"Person {row['person']}" if name is None else shown(name)


def colour(person: int) -> str:
    """A CSS colour for a person's number; neighbours differ as much as can be."""
    return f"hsl({person * 137.508 % 360:.0f} 62% 52%)"


def _page(contents: Contents) -> dict[str, Any]:
    appearances: dict[int, list[Row]] = {}
    of_sequence: dict[int, Row] = {}
    for one in contents.appearances:
        appearances.setdefault(one["person"], []).append(one)
        of_sequence[one["sequence"]] = one
    lengths = {video["path"]: video["duration"] or 0.0 for video in contents.videos}
    seconds = sum(lengths.values())
    return {
        "about": contents.about,
        "figures": [
            ("people", len(contents.people)),
            ("of them named", sum(one["name"] is not None for one in contents.people)),
            ("appearances", len(contents.appearances)),
            ("videos", len(contents.videos)),
            ("length", clock(seconds)),
        ],
        "people": [
            _person(one, appearances.get(one["person"], []), lengths, contents)
            for one in sorted(contents.people, key=lambda one: -one["seconds"])
        ],
        "suggestions": [_suggestion(one, of_sequence, contents) for one in contents.suggestions],
        "videos": [_video(video, contents) for video in contents.videos],
        "silhouettes": _silhouettes(of_sequence, contents),
        "points": _points(of_sequence, contents),
    }


def _person(
    person: Row, mine: Sequence[Row], lengths: Mapping[str, float], contents: Contents
) -> dict[str, Any]:
    facts = [
        counted(person["videos"], "video"), counted(person["sequences"], "appearance"),
        clock(person["seconds"]),
    ]  # fmt: skip
    if person["name"] is not None:
        facts.insert(0, f"person {person['person']}")
    if person["cohesion"] is not None:
        facts.append(f"cohesion {person['cohesion']:.2f}")
    by_video: dict[str, list[Row]] = {}
    for one in mine:
        by_video.setdefault(one["video"], []).append(one)
    return {
        "number": person["person"],
        "label": label(person),
        "colour": colour(person["person"]),
        "facts": ", ".join(facts),
        "faces": _faces(mine, contents),
        "rows": [
            {"video": shown(Path(path).name), "path": shown(path)}
            | _bars(some, lengths.get(path, 0.0))
            for path, some in by_video.items()
        ],
        "appearances": [_appearance(one) for one in mine],
    }


def _faces(mine: Sequence[Row], contents: Contents) -> list[dict[str, str]]:
    """The best crops of the sequences, turn by turn."""
    lists = [(one, contents.crops.get(one["sequence"], ())) for one in mine]
    found: list[dict[str, str]] = []
    for turn in range(_MOST_FACES):
        for one, crops in lists:
            if turn < len(crops) and len(found) < _MOST_FACES:
                time, jpeg = crops[turn]
                source = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
                video = shown(Path(one["video"]).name)
                found.append({"source": source, "at": clock(time), "video": video})
    return found


def _bars(some: Sequence[Row], length: float) -> dict[str, Any]:
    """A timeline's bars, in thousandths of the video's length."""
    length = max([length, *(one["end"] for one in some), 1e-3])
    bars = []
    for one in some:
        width = max(4.0, _LONG_SIDE * (one["end"] - one["start"]) / length)
        left = min(_LONG_SIDE - width, _LONG_SIDE * one["start"] / length)
        said = f"{clock(one['start'])} to {clock(one['end'])}"
        bars.append({"x": f"{left:.1f}", "width": f"{width:.1f}", "said": said})
    seconds = sum(one["end"] - one["start"] for one in some)
    return {
        "bars": bars,
        "said": "; ".join(bar["said"] for bar in bars),
        "seconds": clock(seconds),
    }


def _appearance(one: Row) -> dict[str, str]:
    angles = (one["yaw"], one["pitch"], one["roll"])
    known = one["yaw"] is not None
    return {
        "video": shown(Path(one["video"]).name),
        "start": clock(one["start"]),
        "end": clock(one["end"]),
        "faces": str(one["faces"]),
        "sequence": str(one["sequence"]),
        "score": "" if one["score"] is None else f"{one['score']:.2f}",
        "pose": ", ".join(f"{angle:.0f}°" for angle in angles) if known else "",
    }


def _suggestion(one: Row, of_sequence: Mapping[int, Row], contents: Contents) -> dict[str, Any]:
    own = of_sequence[one["sequence"]]
    theirs = [row for row in contents.appearances if row["person"] == one["person"]]
    into = {"person": one["person"], "name": one["name"]}
    return {
        "left": _faces([own], contents)[:4],
        "right": _faces(theirs, contents)[:4],
        "left_label": f"{label(own)}, sequence {one['sequence']}",
        "right_label": label(into),
        "into": one["person"],
        "other": own["person"],
        "sequence": one["sequence"],
        "score": f"{one['score']:.2f}",
    }


def _video(video: Row, contents: Contents) -> dict[str, Any]:
    by_person: dict[int, list[Row]] = {}
    for one in contents.appearances:
        if one["video"] == video["path"]:
            by_person.setdefault(one["person"], []).append(one)
    length = video["duration"] or 0.0
    rows = [
        {"number": number, "label": label(some[0]), "colour": colour(number)} | _bars(some, length)
        for number, some in by_person.items()
    ]
    people = counted(len(by_person), "person", "people")
    return {
        "name": shown(video["path"]), "facts": f"{clock(length)}, {people}", "rows": rows,
    }  # fmt: skip


def _silhouettes(of_sequence: Mapping[int, Row], contents: Contents) -> dict[str, Any] | None:
    """Bars of all sequences, person by person, each person's from the largest."""
    groups: dict[int, list[tuple[float, Row]]] = {}
    for sequence, value in zip(contents.sequences, contents.silhouettes.tolist(), strict=True):
        own = of_sequence.get(sequence)
        if own is not None and np.isfinite(value):
            groups.setdefault(own["person"], []).append((value, own))
    if not groups:
        return None
    least = min(0.0, min(value for some in groups.values() for value, _ in some))
    span = (_WIDTH - _LEFT - 10) / (1 - least)

    def across(value: float) -> float:
        return _LEFT + (value - least) * span

    bars, labels, y = [], [], 4.0
    for number in sorted(groups):
        some = sorted(groups[number], key=lambda pair: -pair[0])
        labels.append({"label": label(some[0][1])[:28], "y": f"{y + _BAR * len(some) / 2 + 4:.1f}"})
        for value, own in some:
            said = (
                f"{label(own)}, {shown(Path(own['video']).name)} {clock(own['start'])}: {value:.2f}"
            )
            left = across(min(0.0, value))
            bars.append({
                "x": f"{left:.1f}", "y": f"{y:.1f}", "height": _BAR - 1, "said": said,
                "width": f"{max(1.0, abs(value) * span):.1f}", "colour": colour(number),
            })  # fmt: skip
            y += _BAR
        y += max(5, 14 - _BAR * len(some))
    ticks = [{"x": f"{across(at):.1f}", "label": f"{at:g}"} for at in (0, 0.25, 0.5, 0.75, 1)]
    return {
        "bars": bars, "labels": labels, "ticks": ticks, "zero": f"{across(0):.1f}",
        "height": round(y + 22),
    }  # fmt: skip


def _points(of_sequence: Mapping[int, Row], contents: Contents) -> list[dict[str, str]]:
    """The sequences on the two directions in which they differ most."""
    kept = [i for i, sequence in enumerate(contents.sequences) if sequence in of_sequence]
    if len(kept) < 3:
        return []
    x = contents.descriptors[kept].astype(float)
    x -= x.mean(axis=0)
    _, _, directions = np.linalg.svd(x, full_matrices=False)
    flat = x @ directions[:2].T
    flat /= max(np.abs(flat).max(), 1e-9)
    points = []
    for i, (right, up) in zip(kept, flat.tolist(), strict=True):
        own = of_sequence[contents.sequences[i]]
        said = f"{label(own)}, {shown(Path(own['video']).name)} {clock(own['start'])}"
        points.append({
            "x": f"{_WIDTH / 2 + right * (_WIDTH / 2 - 20):.1f}",
            "y": f"{_MAP_HEIGHT / 2 - up * (_MAP_HEIGHT / 2 - 20):.1f}",
            "colour": colour(own["person"]), "said": said,
        })  # fmt: skip
    return points
