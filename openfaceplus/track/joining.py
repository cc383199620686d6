"""Who tracks are: one is parted where its face becomes another's, and pieces of one face joined.

Both rest on cosines of the embedding space: see ``Likeness``. A piece that is not joined though it
could be costs little, since people are compared across shots and videos later; two people in one
sequence could not be told apart again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from openfaceplus.sequences import Crop, FaceSequence, Seen
from openfaceplus.track.pooling import pool
from openfaceplus.track.settings import SequenceSettings

_NEAR, _SPEED = 1.0, 1.5  # sides that a face may be off when it comes back, and more a second
_GROWN = 2.0  # times the size that it may then have
_NEXT = 2  # crops that are compared across a gap


@dataclass(frozen=True, slots=True)
class Likeness:
    """Cosines of descriptors: from ``same`` up, faces of one place and time are one person's; below
    ``other``, faces of one track are two people's, below ``single`` where one of two sides is a
    single face. Where nothing is known of the space, nothing is parted or joined."""

    same: float = np.inf
    other: float = -1.0
    single: float = -1.0


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a track: its faces with how surely each goes on from the last, crops, and their
    vectors (crops, dimensions); where it has none, the ``flaw`` of those that it might have had."""

    seen: tuple[Seen, ...]
    ease: tuple[float, ...]
    crops: tuple[Crop, ...]
    vectors: np.ndarray
    flaw: str | None = None

    @property
    def start(self) -> float:
        return self.seen[0].time

    @property
    def end(self) -> float:
        return self.seen[-1].time

    def descriptor(self) -> np.ndarray:
        """What its crops give together."""
        return pool(self.vectors, np.array([crop.quality for crop in self.crops]))[0]


def parted(piece: Piece, likeness: Likeness) -> list[Piece]:
    """The piece, or where its early and late vectors are of two people, its parts.

    It is parted where its crops differ most, all on one side from all on the other or the nearest
    from the nearest (somebody may pass before a face that goes on), and at the moment between them
    at which it was least sure that the face was the same.
    """
    count = len(piece.crops)
    if count < 2:
        return [piece]
    weighted = piece.vectors * np.array([crop.quality for crop in piece.crops])[:, None]
    cosines = np.minimum(_across(weighted, count), _across(weighted, _NEXT))
    limits = np.full(count - 1, likeness.other)
    limits[[0, -1]] = likeness.single
    at = int((cosines - limits).argmin())
    if cosines[at] >= limits[at]:
        return [piece]
    after = [i for i, one in enumerate(piece.seen) if one.time > piece.crops[at].time]
    between = [i for i in after if piece.seen[i].time <= piece.crops[at + 1].time]
    first = min(between, key=lambda i: piece.ease[i])
    early = Piece(
        piece.seen[:first], piece.ease[:first], piece.crops[: at + 1], piece.vectors[: at + 1]
    )
    late = Piece(
        piece.seen[first:], piece.ease[first:], piece.crops[at + 1 :], piece.vectors[at + 1 :]
    )
    return [*parted(early, likeness), *parted(late, likeness)]


def _across(weighted: np.ndarray, reach: int) -> np.ndarray:
    """(n - 1,) cosines of the sums of up to ``reach`` of (n, dimensions) vectors before and after
    each gap between them."""
    sums = np.concatenate([np.zeros_like(weighted[:1]), weighted.cumsum(0)])
    gaps = np.arange(1, len(weighted))
    before = sums[gaps] - sums[np.maximum(0, gaps - reach)]
    after = sums[np.minimum(len(weighted), gaps + reach)] - sums[gaps]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    cosines: np.ndarray = (before * after).sum(1) / np.maximum(lengths, 1e-12)
    return cosines


class Joiner:
    """Pieces of one shot, joined where they are one face's that came back."""

    def __init__(self, settings: SequenceSettings, likeness: Likeness) -> None:
        self._settings, self.likeness = settings, likeness
        self._pieces: list[Piece] = []

    def add(self, piece: Piece) -> None:
        """Take in a piece, joined to the likeliest earlier one that it may go on from."""
        likely = [
            (float(one.descriptor() @ piece.descriptor()), number)
            for number, one in enumerate(self._pieces)
            if self._may_go_on(one, piece)
        ]
        score, number = max(likely, default=(-1.0, 0))
        if score >= self.likeness.same:
            piece = _joined(self._pieces.pop(number), piece, self._settings.crops)
        self._pieces.append(piece)

    def ready(self, time: float, starts: list[float]) -> list[Piece]:
        """Those that nothing can be joined to any more, at ``time``, while tracks that began at
        ``starts`` are yet to come."""
        ends = [one.end + self._settings.joined for one in self._pieces]
        ready = [
            one
            for one, end in zip(self._pieces, ends, strict=True)
            if end < time and not any(one.end < start <= end for start in starts)
        ]
        self._pieces = [one for one in self._pieces if one not in ready]
        return sorted(ready, key=lambda one: one.start)

    def all(self) -> list[Piece]:
        """All that are left, where a shot or the video ends."""
        pieces, self._pieces = self._pieces, []
        return sorted(pieces, key=lambda one: one.start)

    def _may_go_on(self, one: Piece, other: Piece) -> bool:
        """Whether the face of a piece may be that of a later one, by time and place."""
        passed = other.start - one.end
        if not (0 < passed <= self._settings.joined and len(one.crops) and len(other.crops)):
            return False
        before, after = one.seen[-1].box, other.seen[0].box
        side = (before.side + after.side) / 2
        across = (before.left + before.right - after.left - after.right) / 2
        down = (before.top + before.bottom - after.top - after.bottom) / 2
        near = np.hypot(across, down) <= (_NEAR + _SPEED * passed) * side
        return bool(near and 1 / _GROWN < after.side / max(before.side, 1e-9) < _GROWN)


def _joined(one: Piece, other: Piece, most: int) -> Piece:
    """Two pieces as one, with the best crops of both."""
    crops = (*one.crops, *other.crops)
    best = sorted(range(len(crops)), key=lambda i: -crops[i].quality)[:most]
    kept = sorted(best, key=lambda i: crops[i].time)
    return replace(
        one,
        seen=(*one.seen, *other.seen),
        ease=(*one.ease, *other.ease),
        crops=tuple(crops[i] for i in kept),
        vectors=np.concatenate([one.vectors, other.vectors])[kept],
    )


def sequence_of(piece: Piece) -> FaceSequence:
    """The finished sequence of a piece that has a crop."""
    qualities = np.array([crop.quality for crop in piece.crops])
    descriptor, spread = pool(piece.vectors, qualities)
    return FaceSequence(piece.seen, piece.crops, piece.vectors, descriptor, spread)
