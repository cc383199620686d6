"""A camera's frames in, who is seen out; visits, each of which is greeted once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from openfaceplus.decoding import Photo
from openfaceplus.images import as_photo
from openfaceplus.model import Model, Policy
from openfaceplus.track.agreement import STRANGER, Agreement, Followed
from openfaceplus.video.source import open_video

AGREE = 3
"""Frames in a row that have to say the same of a face, unless another number is asked."""
AWAY = 30.0
"""Seconds for which somebody has to be away to be greeted again."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Who is seen at a ``time``, in seconds, in a frame at full size."""

    time: float
    photo: Photo
    faces: list[Followed]


def watch(
    model: Model,
    source: str | os.PathLike[str],
    *,
    policy: Policy | None = None,
    agree: int = AGREE,
    every: int = 1,
) -> Iterator[Sighting]:
    """Who is in one of ``every`` so many frames of a video, camera or stream, as they come.

    Raises VideoError for a source that cannot be read, UsageError for numbers without sense.
    """
    agreement = Agreement(agree)
    with open_video(source) as video:
        for frame in video.frames(every):
            photo = as_photo(frame.full())
            (found,) = model.pipeline.look([photo])
            yield Sighting(frame.time, photo, agreement.see(model.judge(found, policy)))


class Visits:
    """Who has come just now: each person once, until they were ``away`` for so many seconds."""

    def __init__(self, away: float = AWAY) -> None:
        self._away = away
        self._seen: dict[str, float] = {}

    def greet(self, sighting: Sighting) -> list[str]:
        """The names of those to be greeted now."""
        come = []
        for one in sighting.faces:
            if one.agreed in (None, STRANGER) or one.decision.name is None:
                continue
            assert one.agreed is not None
            last = self._seen.get(one.agreed)
            if last is None or sighting.time - last > self._away:
                come.append(one.decision.name)
            self._seen[one.agreed] = sighting.time
        return come
