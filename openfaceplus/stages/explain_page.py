"""What the page of an explained photo shows, in the shapes that its template draws."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.alignment.chip import landmark_names
from openfaceplus.files import shown
from openfaceplus.pictures.hog import WINDOW
from openfaceplus.pictures.shapes import bars, density
from openfaceplus.pipeline import Pipeline
from openfaceplus.stages.page import inline
from openfaceplus.words import counted, percent

if TYPE_CHECKING:
    from openfaceplus.stages.explain import Explained
    from openfaceplus.stages.explain_numbers import Measured

_WIDTH, _BARS, _HILL = 960, 110, 90  # of the drawings, in their own units
_LABELS = 4  # people whose names stand at the line
_APART = 150  # units that a name takes there
_PARTS_OF_68 = {
    "1 to 17": "the jaw", "18 to 27": "the brows", "28 to 36": "the nose", "37 to 48": "the eyes",
    "49 to 68": "the mouth",
}  # fmt: skip


def values(
    explained: Explained, pipeline: Pipeline, pair: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, Any]:
    """What the template takes. ``pair`` is the face as it is and its chip, None without one."""
    measured, recipe = explained.measured, pipeline.recipe
    face = None if explained.number is None else explained.faces[explained.number - 1]
    return {
        "photo": shown(explained.photo),
        "verdict": _verdict(explained),
        "count": counted(len(explained.faces), "face"),
        "number": explained.number,
        "several": len(explained.faces) > 1,
        "pictures": {what: inline(pixels) for what, pixels in explained.pictures.items()},
        "crop": pair and inline(pair[0], 480),
        "chip": pair and inline(pair[1], 480),
        "detector": recipe.detector,
        "chip_spec": str(recipe.chip),
        "side": face and round(face.box.side),
        "score": face and f"{face.score:.2f}",
        "window": WINDOW,
        "landmarks": face is not None and face.landmarks is not None and _names(face.landmarks),
        "points": 0 if face is None or face.landmarks is None else len(face.landmarks),
        "flaw": explained.flaw and explained.flaw.replace("_", " "),
        "views": recipe.views,
        "space": str(pipeline.space),
        "decision": _decision(explained),
        "numbers": measured and _numbers(measured),
        "line": measured and _line(measured),
        "people": measured
        and [
            {"name": shown(p.name), "distance": f"{p.distance:.3f}", "score": f"{p.score:.2f}",
             "compared": p.name == measured.compared}
            for p in measured.people
        ],
    }  # fmt: skip


def _names(points: np.ndarray) -> list[tuple[str, str]]:
    """Landmarks by their numbers and what they are."""
    if len(points) == 5:
        return [(str(i + 1), name) for i, name in sorted(landmark_names(5).items())]
    return list(_PARTS_OF_68.items())


def _verdict(explained: Explained) -> str:
    decision = explained.decision
    if explained.number is None:
        return "No face was found"
    if decision is None:
        return f"{counted(len(explained.faces), 'face')} found"
    if decision.note is not None:
        return f"Not judged: the face is {decision.note.replace('_', ' ')}"
    if decision.second is not None:
        return f"Either {shown(decision.closest)} or {shown(decision.second)}"
    return "A stranger" if decision.name is None else f"This is {shown(decision.name)}"


def _decision(explained: Explained) -> dict[str, Any] | None:
    decision = explained.decision
    if decision is None:
        return None
    return {
        "named": decision.name is not None,
        "closest": shown(decision.closest),
        "score": f"{decision.score:.2f}",
        "threshold": f"{decision.threshold:.2f}" if math.isfinite(decision.threshold) else None,
        "confidence": decision.confidence and percent(decision.confidence),
        "second": decision.second and shown(decision.second),
    }


def _numbers(measured: Measured) -> dict[str, Any]:
    """The embedding as bars, and that of the person it was compared with."""
    vector, template = measured.vector, measured.template
    both = vector if template is None else np.concatenate([vector, template])
    most = float(np.abs(both).max())
    return {
        "count": len(vector),
        "width": _WIDTH,
        "height": _BARS,
        "stroke": f"{0.7 * _WIDTH / len(vector):.2f}",
        "own": bars(vector, _WIDTH, _BARS, most),
        "other": template is not None and bars(template, _WIDTH, _BARS, most),
        "difference": template is not None and bars(vector - template, _WIDTH, _BARS, most),
        "name": measured.compared and shown(measured.compared),
        "chip": None if measured.chip is None else inline(measured.chip, 200),
        "first": ", ".join(f"{x:.3f}" for x in vector[:6].tolist()),
    }


def _line(measured: Measured) -> dict[str, Any] | None:
    """All distances on one line: people, the limit, typical faces, and strangers as a hill."""
    distances = [p.distance for p in measured.people]
    everything = np.concatenate([
        distances, measured.typical, measured.strangers,
        [] if measured.limit is None else [measured.limit],
    ])  # fmt: skip
    if not len(everything):
        return None
    low, high = float(everything.min()), float(everything.max())
    room = 0.05 * (high - low) or 0.05
    low, high = max(0.0, low - room), high + room

    def across(distance: float) -> float:
        return (distance - low) / (high - low) * _WIDTH

    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / s <= 10 or s == 0.5)
    first = math.ceil(low / step)
    ticks = [i * step for i in range(first, math.floor(high / step) + 1)]
    labels: list[float] = []
    people = []
    for near in measured.people:
        x = across(near.distance)
        named = len(labels) < _LABELS and all(abs(x - other) > _APART for other in labels)
        if named:
            labels.append(x)
        people.append({
            "x": f"{x:.1f}", "name": shown(near.name), "named": named,
            "anchor": "start" if x < _APART / 2 else "end" if x > _WIDTH - _APART / 2 else "middle",
            "distance": f"{near.distance:.3f}", "compared": near.name == measured.compared,
        })  # fmt: skip
    limit = measured.limit
    return {
        "width": _WIDTH,
        "hill": density(measured.strangers, low, high, _WIDTH, _HILL),
        "height": _HILL,
        "typical": [f"{across(x):.1f}" for x in measured.typical.tolist()],
        "people": people,
        "limit": None if limit is None else {"x": f"{across(limit):.1f}", "at": f"{limit:.3f}"},
        "ticks": [{"x": f"{across(x):.1f}", "label": f"{x:g}"} for x in np.round(ticks, 4)],
        "strangers": len(measured.strangers),
        "data": measured.data,
        "nearest_typical": f"{measured.typical.min():.3f}" if len(measured.typical) else None,
        "nearest_stranger": f"{measured.strangers.min():.3f}" if len(measured.strangers) else None,
    }
