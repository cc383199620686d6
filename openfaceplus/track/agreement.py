"""Several frames have to agree before a face that is followed is called by a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from openfaceplus.faces import Box, Decision

_SAME = 0.3  # intersection over union from which two boxes are one face's
_MISSED = 5  # frames after which a face that is not seen is gone

STRANGER = "stranger"
"""What frames agree on where all say that it is nobody enrolled."""


@dataclass(slots=True)
class _Track:
    number: int
    box: Box
    answers: list[str] = field(default_factory=list)
    missed: int = 0
    agreed: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """A face in one frame: its number, which stays while it is followed, what was decided of it
    here, and the id, or ``STRANGER``, that the last frames agree on; ``new`` if only now."""

    track: int
    decision: Decision
    agreed: str | None
    new: bool


class Agreement:
    """Follows faces from frame to frame; ``frames`` in a row have to say the same of one."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._tracks: list[_Track] = []
        self._numbers = count(1)

    def see(self, decisions: Sequence[Decision]) -> list[Followed]:
        """What is known of the faces of the next frame."""
        pairs = sorted(
            (
                (track.box.iou(one.box), i, track)
                for i, one in enumerate(decisions)
                for track in self._tracks
                if one.box is not None
            ),
            key=lambda pair: -pair[0],
        )
        mine: dict[int, _Track] = {}
        for overlap, i, track in pairs:
            if overlap >= _SAME and i not in mine and track not in mine.values():
                mine[i] = track
        for track in self._tracks:
            track.missed += 1
        found = []
        for i, one in enumerate(decisions):
            assert one.box is not None
            if i not in mine:
                mine[i] = _Track(next(self._numbers), one.box)
                self._tracks.append(mine[i])
            track = mine[i]
            track.box, track.missed = one.box, 0
            found.append(Followed(track.number, one, *self._count(track, one)))
        self._tracks = [track for track in self._tracks if track.missed <= _MISSED]
        return found

    def _count(self, track: _Track, decision: Decision) -> tuple[str | None, bool]:
        if decision.note is not None:  # too small or blurred: it says nothing
            return track.agreed, False
        # Who may be either of two is neither, and no stranger.
        answer = decision.person or (STRANGER if decision.second is None else "")
        track.answers = [*track.answers, answer][-self._frames :]
        before, last = track.agreed, set(track.answers)
        if len(track.answers) == self._frames and len(last) == 1:
            track.agreed = answer or None
        elif answer != before:
            track.agreed = None  # somebody else may have stepped in
        return track.agreed, track.agreed is not None and track.agreed != before
