"""Who is in photos; whether two show one person; embeddings."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any

from fastapi import Depends, Form

from openfaceplus import thresholds
from openfaceplus.errors import NoFace, UsageError
from openfaceplus.faces import euclidean
from openfaceplus.liveness.passive import hints
from openfaceplus.model import Identified, Model, Policy
from openfaceplus.pipeline import PhotoFaces
from openfaceplus.quality import flawed
from openfaceplus.server import answers
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import Refused, missing
from openfaceplus.server.rights import Route
from openfaceplus.server.routes import forms
from openfaceplus.server.routes.health import thresholds as thresholds_by_rate
from openfaceplus.server.state import Here, Who

_MOST_COMPARED = 5
"""Photos of an enrolled person that a face is compared with: each gets its part of the rate."""


async def identify(
    server: Here,
    who: Who,
    photo: forms.Photos,
    policy: Annotated[Policy, Depends(forms.policy)],
    largest: forms.Largest = False,
    rates: Annotated[bool, Form(description="also say what other rates would")] = False,
    liveness: forms.Liveness = False,
) -> dict[str, Any]:
    """Name the people in photos, or say that they are unknown: for each photo what `openfaceplus
    infer --json` prints."""
    data = await forms.read(photo, server.settings.limits)
    snapshot, found = await server.look(data, largest=largest, live=liveness)
    results = await asyncio.to_thread(judged, snapshot.model, found, policy)
    await server.record_decisions(who, "identify", snapshot, results)
    await server.keep_unsure(data, results)
    names = [forms.name(one, number) for number, one in enumerate(photo)]
    photos = [one.to_dict(name) for one, name in zip(results, names, strict=True)]
    if liveness:
        for one, result, looked in zip(photos, results, found, strict=True):
            live = hints(looked)
            for face, decision in zip(one["faces"], result.decisions, strict=True):
                face["liveness"] = live.get(decision.box)
    if rates:
        for one, looked in zip(photos, found, strict=True):
            one["rates"] = await asyncio.to_thread(at_rates, snapshot.model, looked)
    return {"model": snapshot.hash[:16], "photos": photos}


def at_rates(model: Model, found: PhotoFaces) -> list[dict[str, Any]]:
    """Who each rate would name in a photo, and from which score up."""
    if found.error is not None:
        return []
    said = []
    for far, threshold in thresholds_by_rate(model):
        limit = threshold.value
        faces = [one.to_dict() for one in model.judge(found, Policy(threshold=limit))]
        said.append({
            "far": far,
            "threshold": limit if math.isfinite(limit) else None,
            "faces": [{key: one[key] for key in ("name", "unsure_between")} for one in faces],
        })  # fmt: skip
    return said


def judged(model: Model, found: list[PhotoFaces], policy: Policy) -> list[Identified]:
    """Decisions about photos that were looked at. Raises UsageError for rates without sense."""
    return [
        Identified(None, (), one.error)
        if one.error is not None
        else Identified(None, model.judge(one, policy), None, one.others)
        for one in found
    ]


async def verify(
    server: Here,
    who: Who,
    photo: forms.Photos,
    person: Annotated[str | None, Form(max_length=40, description="an id")] = None,
    far: Annotated[float, Form(gt=0, lt=1)] = 0.001,
) -> dict[str, Any]:
    """Say whether two photos show one person, or whether one shows the person of an id."""
    if len(photo) != (1 if person else 2):
        raise Refused(
            422, "invalid", "two photos are compared, or one with a person",
            "send two photos, or one and the id of a person", field="photo",
        )  # fmt: skip
    data = await forms.read(photo, server.settings.limits)
    if person is not None and person not in server.current.now.by_id:
        raise missing("person", "person")
    snapshot, found = await server.look(data, largest=True)
    names = [forms.name(one, number) for number, one in enumerate(photo)]
    faces = [_one(each, name) for each, name in zip(found, names, strict=True)]
    if person is None:
        others = [faces[1].vectors[0]]
    elif person in snapshot.by_id:
        others = list(snapshot.vectors(person)[:_MOST_COMPARED])
    else:
        raise missing("person", "person")
    distance = min(_distance(faces[0].vectors[0], other) for other in others)
    limit = _limit(str(snapshot.model.pipeline.space), far, len(others))
    same = distance <= limit
    await server.record(
        who, "verify", model=snapshot.hash[:16], person=person,
        answer="same" if same else "different", distance=round(distance, 4), limit=round(limit, 4),
    )  # fmt: skip
    return {
        "same": same,
        "distance": round(distance, 4),
        "measure": "embeddings",
        "limit": round(limit, 4),
        "far": far,
        "person": person,
        "boxes": [one.faces[0].box.rounded() for one in faces],
    }


def _one(found: PhotoFaces, name: str) -> PhotoFaces:
    if not found.or_raise().faces:
        raise NoFace(f"{name}: no face found", remedy="give another photo", field="photo")
    if found.flaws[0] is not None:
        raise flawed(name, found.flaws[0])
    return found


def _distance(a: Any, b: Any) -> float:
    return math.dist(a.tolist(), b.tolist())


def _limit(space: str, far: float, comparisons: int) -> float:
    """The greatest distance accepted, so that ``far`` holds for the comparisons together."""
    try:
        cosine = thresholds.load(space).cosine_at(far / comparisons)
    except UsageError as error:
        raise Refused(
            422, "usage", f"a rate of {far:g} was not measured so low or so high",
            "ask for another, such as 0.001", field="far",
        ) from error  # fmt: skip
    return euclidean(cosine)


async def embed(
    server: Here, who: Who, photo: forms.Photos, largest: forms.Largest = False
) -> dict[str, Any]:
    """Turn the faces of photos into vectors of unit length, comparable within their `space`."""
    data = await forms.read(photo, server.settings.limits)
    snapshot, found = await server.look(data, largest=largest)
    await server.record(
        who, "embed", model=snapshot.hash[:16], answer=[len(one.faces) for one in found]
    )
    return {
        "space": snapshot.model.classifier.space,
        "photos": [
            {
                "file": forms.name(one, number),
                "error": each.error and each.error.to_dict(),
                "faces": [
                    {"box": face.box.rounded(), "note": note, "vector": vector.tolist()}
                    for face, note, vector in zip(each.faces, each.flaws, each.vectors, strict=True)
                ],
            }
            for number, (one, each) in enumerate(zip(photo, found, strict=True))
        ],
    }


ROUTES = (
    Route("POST", "/v1/identify", Role.VIEWER, identify, gives=answers.Identified, asks=True),
    Route(
        "POST", "/v1/verify", Role.VIEWER, verify, gives=answers.Verified, refuses=(404,), asks=True
    ),
    Route("POST", "/v1/embed", Role.ENROLLER, embed, gives=answers.Embedded, asks=True),
)
