"""Faces of which a decision was unsure, kept for somebody to look at, where that was asked for."""

from __future__ import annotations

import io
import json
import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.encrypted_files import read_bytes, read_text
from openfaceplus.files import atomic_write

if TYPE_CHECKING:
    from openfaceplus.faces import Decision

MARGIN = 0.2
"""How far from its threshold a score is unsure: a fifth of the way from strangers to the enrolled;
a choice, not a measurement."""

_MOST = 1000  # faces kept
_AROUND = 0.6  # of the face's side, on each side of it
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Review:
    """A face to be looked at: ``person`` is the id of the one named, if any; ``closest`` and
    ``second`` are names; ``unsure`` is how far the score is from its threshold, 0 most unsure."""

    id: str
    at: str
    person: str | None
    closest: str
    second: str | None
    score: float
    threshold: float
    unsure: float


class Reviews:
    """A folder with a picture and a description of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, photo: bytes, decisions: Sequence[Decision], most_pixels: int) -> int:
        """Keep the unsure faces among those of a photo; how many."""
        unsure = [one for one in decisions if _distance(one) is not None]
        room = _MOST - len(self._ids()) if unsure else 0
        if room <= 0:
            return 0
        from PIL import Image

        from openfaceplus.images import as_photo

        decoded = as_photo(photo, max_pixels=most_pixels)
        for one in unsure[:room]:
            assert one.box is not None
            box, margin = one.box.scaled(1 / decoded.scale), one.box.side * _AROUND / decoded.scale
            height, width = decoded.pixels.shape[:2]
            left, top = max(0, round(box.left - margin)), max(0, round(box.top - margin))
            right, bottom = round(box.right + margin), round(box.bottom + margin)
            part = decoded.pixels[top : min(height, bottom), left : min(width, right)]
            file = io.BytesIO()
            Image.fromarray(part).save(file, "jpeg", quality=92)
            self._save(one, file.getvalue())
        return len(unsure[:room])

    def all(self) -> list[Review]:
        """All, the most unsure first."""
        found = [one for one in map(self.find, self._ids()) if one is not None]
        return sorted(found, key=lambda one: (one.unsure, one.id))

    def find(self, number: str) -> Review | None:
        """The one of an id, None if there is none."""
        if not _ID.fullmatch(number):
            return None
        try:
            known = json.loads(read_text(self._folder / f"{number}.json"))
            known.pop("about")
            return Review(**known)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def picture(self, number: str) -> bytes | None:
        """Its picture, as JPEG."""
        try:
            return read_bytes(self._folder / f"{number}.jpg") if _ID.fullmatch(number) else None
        except OSError:
            return None

    def drop(self, number: str) -> None:
        """Delete one."""
        for ending in ("json", "jpg"):
            (self._folder / f"{number}.{ending}").unlink(missing_ok=True)

    def drop_older(self, than: timedelta) -> int:
        """Delete those kept longer ago; how many."""
        limit = (datetime.now(UTC) - than).isoformat()
        old = [one.id for one in self.all() if one.at < limit]
        for number in old:
            self.drop(number)
        return len(old)

    def _ids(self) -> list[str]:
        names = [path.stem for path in self._folder.glob("*.json")]
        return [name for name in names if _ID.fullmatch(name)]

    def _save(self, decision: Decision, picture: bytes) -> None:
        number = secrets.token_hex(8)
        with atomic_write(self._folder / f"{number}.jpg") as file:
            file.write(picture)
        kept = Review(
            number, datetime.now(UTC).isoformat(timespec="seconds"), decision.person,
            decision.closest, decision.second, round(decision.score, 4),
            round(decision.threshold, 4), _distance(decision) or 0.0,
        )  # fmt: skip
        with atomic_write(self._folder / f"{number}.json", "w") as file:
            json.dump({"about": "a review, written by openfaceplus"} | asdict(kept), file)


def _distance(decision: Decision) -> float | None:
    """How far a decision is from another, None if it is sure or was not made."""
    if decision.note is not None or not math.isfinite(decision.threshold):
        return None
    far = abs(decision.score - decision.threshold)
    if decision.second is not None:
        return 0.0
    return round(far, 4) if far < MARGIN else None
