"""Photos and reports against a database of videos."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.classify.cohesion import silhouettes
from openfaceplus.errors import NoFace
from openfaceplus.images import MAX_PIXELS, name_of
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages.video_report import Contents
from openfaceplus.weights import Progress

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database
    from openfaceplus.database.rows import Appearance


def search(
    db: Database,
    photo: Any,
    recipe: Recipe,
    *,
    top: int = 10,
    video: int | None = None,
    commercial: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress | None = None,
) -> list[Appearance]:
    """The ``top`` sequences most like the most prominent face of a photo, best first, but for those
    too poor to tell whose they are.

    No video is decoded. Raises PhotoError for a photo that cannot be used, UsageError if nothing
    was indexed with that embedding.
    """
    pipeline = Pipeline(recipe, commercial=commercial, progress=progress)
    (found,) = pipeline.look([photo], largest=True, max_pixels=max_pixels)
    if not found.or_raise().faces:
        raise NoFace(f"{name_of(photo)}: no face found")
    near = db.replica.search(found.vectors[0], pipeline.space, k=2 * top + 20, video=video)
    return [one for one in near if one.person is not None][:top]


def contents(db: Database) -> Contents:
    """All that a report shows of a database."""
    appearances = [one for one in db.read.appearances() if one.person is not None]
    crops = {
        one.sequence: [(crop.time, crop.jpeg) for crop in db.read.crops(one.sequence)]
        for one in appearances
    }
    videos = db.videos.all()
    days = sorted({video.indexed_at.date().isoformat() for video in videos})
    about = "" if not days else f"Indexed {days[0]}" + (f" to {days[-1]}" * (len(days) > 1)) + "."
    made = Contents(
        [one.to_dict() for one in db.read.people()],
        [one.to_dict() for one in appearances],
        [{"path": one.path, "duration": one.duration} for one in videos],
        [one.to_dict() for one in db.read.suggestions()],
        crops,
        about=about,
    )
    if not videos:
        return made
    # Vectors of two networks are not compared: the plots show those of the one most used.
    held = db.read.sequences(max(sorted({one.space for one in videos}), key=db.read.count))
    single = silhouettes(held.vectors, np.where(held.people > 0, held.people, -1))
    return replace(
        made, sequences=held.sequences.tolist(), descriptors=held.vectors, silhouettes=single
    )
