"""One photo, step by step: what was found, cut, measured and decided, as pictures and a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.errors import NoFace, UsageError
from openfaceplus.faces import Decision, Face
from openfaceplus.files import shown
from openfaceplus.images import MAX_PIXELS, name_of, save_png
from openfaceplus.model import Model, Policy, annotate, numbers_of
from openfaceplus.pictures import face as faces_drawn
from openfaceplus.pictures import hog as hog_drawn
from openfaceplus.pictures.drawing import Mark, draw
from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.stages import page
from openfaceplus.stages.demo import side_by_side
from openfaceplus.stages.explain_numbers import Measured, measure
from openfaceplus.stages.explain_page import values

STEPS = ("hog", "landmarks", "align")
"""What can be asked for alone, as one picture each."""
_LONG_SIDE = 1600  # pixels of the photo in the picture with boxes


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """What was written of a photo.

    ``files`` are the pictures and the page by what they show. ``faces`` stand most prominent first,
    and ``number`` is that of the one explained, from 1, None where there is no face. ``measured``
    and ``decision`` are None where nothing was measured or nobody is enrolled.
    """

    photo: str
    faces: Sequence[Face]
    files: dict[str, Path]
    number: int | None = None
    flaw: str | None = None
    measured: Measured | None = None
    decision: Decision | None = None
    pictures: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        face = None if self.number is None else self.faces[self.number - 1]
        points = None if face is None or face.landmarks is None else face.landmarks.tolist()
        return {
            "photo": self.photo,
            "status": "no_face" if self.number is None else self.flaw or "ok",
            "faces": [list(one.box.rounded()) for one in self.faces],
            "explained": self.number,
            "landmarks": points and [[round(x, 1), round(y, 1)] for x, y in points],
            "decision": self.decision and self.decision.to_dict(),
            "measured": self.measured and self.measured.to_dict(),
            "files": {what: str(path) for what, path in self.files.items()},
        }


def explain(
    photo: Any,
    output: Path,
    source: Pipeline | Model,
    *,
    number: int = 1,
    step: str | None = None,
    policy: Policy | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Explained:
    """Write pictures of each step of ``photo`` and ``index.html``, which shows them, to ``output``.

    ``source`` is a trained model, or a pipeline where nobody is to be named. ``number`` is the face
    to explain, 1 the most prominent. With ``step``, one of ``STEPS``, only that picture is written.
    Raises PhotoError for a photo that cannot be read, NoFace for a step that needs one, UsageError
    for a number that no face has or without scikit-image and Jinja2, InTheWay.
    """
    if step is not None and step not in STEPS:
        raise UsageError(
            f"there is no step {step!r}", remedy=f"known are: {', '.join(STEPS)}", field="step"
        )
    pipeline = source.pipeline if isinstance(source, Model) else source
    (seen,) = pipeline.look(
        [photo], max_pixels=max_pixels, chips=True, photos=True,
        vectors="none" if step else "views",
    )  # fmt: skip
    seen.or_raise()
    name = Path(name_of(photo)).name
    _check(seen, name, number, step)
    makers = _makers(seen, number)
    if step is not None:
        picture = makers[step]()
        path = output / f"{step}.png"
        save_png(path, picture)
        chosen = number if seen.faces else None
        return Explained(name, seen.faces, {step: path}, chosen, pictures={step: picture})
    decision, judged = None, None
    if isinstance(source, Model) and seen.faces:
        chosen_policy = policy or Policy()
        judged = {d.box: d for d in source.judge(seen, chosen_policy)}
        decision = judged[seen.faces[number - 1].box]
    makers["boxes"] = lambda: _boxes(seen, judged)
    pictures = {what: make() for what, make in makers.items()}
    files = {what: output / f"{what}.png" for what in pictures}
    for what, path in files.items():
        save_png(path, pictures[what])
    files["page"] = output / page.PAGE
    explained = Explained(
        name, seen.faces, files, number if seen.faces else None,
        seen.flaws[number - 1] if seen.faces else None,
        measure(seen.vectors[number - 1], source, decision) if seen.faces else None,
        decision, pictures,
    )  # fmt: skip
    pair = (_crop(seen, number), seen.chips[number - 1].pixels) if seen.faces else None
    page.write(
        files["page"], "explain.html", values(explained, pipeline, pair),
        extra="plots", what="a page",
    )  # fmt: skip
    return explained


def _check(seen: PhotoFaces, name: str, number: int, step: str | None) -> None:
    if not seen.faces and step in ("landmarks", "align"):
        raise NoFace(f"{shown(name)}: no face found")
    if number < 1 or (seen.faces and number > len(seen.faces)):
        raise UsageError(
            f"{shown(name)}: has no face {number}",
            remedy=f"give one from 1 to {max(1, len(seen.faces))}",
            field="number",
        )


def _makers(seen: PhotoFaces, number: int) -> dict[str, Callable[[], np.ndarray]]:
    """What draws each step, of those that there are without a face too."""
    assert seen.photo is not None
    pixels = seen.photo.pixels
    if not seen.faces:
        return {"hog": lambda: side_by_side(hog_drawn.hog(pixels, None))}
    face = seen.faces[number - 1].scaled(1 / seen.photo.scale)
    chip = seen.chips[number - 1].pixels

    def landmarks() -> np.ndarray:
        assert face.landmarks is not None
        return faces_drawn.landmarks(pixels, face.box, face.landmarks)

    return {
        "hog": lambda: side_by_side(hog_drawn.hog(pixels, face.box)),
        "landmarks": landmarks,
        "align": lambda: side_by_side([_crop(seen, number), chip]),
    }


def _crop(seen: PhotoFaces, number: int) -> np.ndarray:
    """The face as it stands in the photo."""
    assert seen.photo is not None
    box = seen.faces[number - 1].box.scaled(1 / seen.photo.scale)
    return faces_drawn.around(seen.photo.pixels, box)[0]


def _boxes(seen: PhotoFaces, judged: dict[Any, Decision] | None) -> np.ndarray:
    """The photo, made smaller where it is large, with a box a face: names, or numbers."""
    photo = seen.photo
    assert photo is not None
    if judged is not None:
        decisions = [judged[face.box] for face in seen.faces]
        drawn: np.ndarray = annotate(photo, decisions, numbers_of(decisions))
    else:
        several = len(seen.faces) > 1
        marks = [
            Mark(face.box.scaled(1 / photo.scale), str(i) if several else "", True)
            for i, face in enumerate(seen.faces, start=1)
        ]
        drawn = draw(photo.pixels, marks)
    share = _LONG_SIDE / max(drawn.shape[:2])
    if share < 1:
        import cv2

        size = max(1, round(drawn.shape[1] * share)), max(1, round(drawn.shape[0] * share))
        drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    return drawn
