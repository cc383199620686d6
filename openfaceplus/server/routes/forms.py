"""What several routes take."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import File, Form, Path, Query, UploadFile

from openfaceplus.model import Policy
from openfaceplus.server.problems import Refused
from openfaceplus.server.settings import Limits

Photos = Annotated[
    list[UploadFile], File(min_length=1, description="JPEG, PNG, WebP, ...; may be repeated")
]
Far = Annotated[
    float | None, Form(gt=0, lt=1, description="share of strangers' faces that may be accepted")
]
Largest = Annotated[bool, Form(description="judge the most prominent face only")]
Liveness = Annotated[bool, Form(description="also say how live each face looks: a hint")]
Limit = Annotated[int, Query(ge=1, le=500, description="how many at most")]
Number = Annotated[int, Path(ge=0, lt=1 << 31)]
Numbered = Annotated[int | None, Query(ge=0, lt=1 << 31)]
After = Annotated[str | None, Query(max_length=400, description="`next` of the page before")]


async def read(photos: Sequence[UploadFile], limits: Limits) -> list[bytes]:
    """The bytes of uploaded photos. Raises Refused for too many."""
    if len(photos) > limits.photos:
        raise Refused(
            413, "too_many_photos", f"a request may have {limits.photos} photos",
            "send fewer at once", field="photo",
        )  # fmt: skip
    return [await photo.read() for photo in photos]


def name(photo: UploadFile, number: int) -> str:
    """What to call a photo: its name as it was sent, without folders, in printable letters."""
    last = (photo.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    text = "".join(c for c in last if c.isprintable())[:200]
    return text or f"photo {number + 1}"


async def policy(
    far: Far = None,
    sure: Annotated[float | None, Form(gt=0, lt=1, description="meet `far` this surely")] = None,
    far_per: Annotated[str, Form(pattern="face|photo", description="what `far` is of")] = "face",
    threshold: Annotated[
        float | None, Form(allow_inf_nan=False, description="accept scores from this up")
    ] = None,
    prior: Annotated[
        float, Form(gt=0, lt=1, description="share of strangers, for the confidence")
    ] = 0.5,
) -> Policy:
    """Which faces to accept."""
    return Policy(far, sure, far_per, threshold, prior)


def page(
    items: Sequence[Any], keys: Sequence[tuple[Any, ...]], after: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """The items after a cursor and the cursor after these, None at the end.

    ``keys`` rise with the items, and tell them apart; a cursor is such a key, so items that come or
    go meanwhile shift nothing.
    """
    start = 0
    if after is not None:
        cursor = _decoded(after, keys)
        start = next((i for i, key in enumerate(keys) if key > cursor), len(items))
    chosen = list(items[start : start + limit])
    more = start + limit < len(items)
    return chosen, _encoded(keys[start + limit - 1]) if more else None


def _encoded(key: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decoded(cursor: str, keys: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    try:
        key = tuple(json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
        if keys and [type(part) for part in key] != [type(part) for part in keys[0]]:
            raise ValueError
        return key
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise Refused(
            422, "invalid", "this cursor is none", "give `next` of the page before", field="after"
        ) from error
