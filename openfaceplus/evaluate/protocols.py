"""Who is compared with whom: LFW's pairs, all pairs of a folder, the open-set split."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.words import counted


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos, each a person's name and the photo's number from 1, and their fold."""

    first: tuple[str, int]
    second: tuple[str, int]
    fold: int

    @property
    def same(self) -> bool:
        return self.first[0] == self.second[0]


def read_pairs(path: Path, folds: Collection[int] = ()) -> list[Pair]:
    """Read a file in LFW's ``pairs.txt`` format: all its pairs, or those of some folds, from 1.

    Its first line gives the number of folds and of pairs of either kind in each. A line of three
    fields is a name and two numbers, one of four two names each with its number. Raises
    StorageError for a file that cannot be read or is not of that form, UsageError for a fold that
    it lacks.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        head = [int(field) for field in lines[0].split()]
        count, each = head if len(head) == 2 else (1, *head)
        if count < 1 or each < 1:
            raise ValueError("its first line promises no pair")
        pairs = []
        for i, line in enumerate(filter(str.strip, lines[1:])):
            fields = line.split("\t") if "\t" in line else line.split()
            name, other = fields[0], fields[0] if len(fields) == 3 else fields[2]
            pairs.append(Pair((name, int(fields[1])), (other, int(fields[-1])), i // (2 * each)))
    except (OSError, ValueError, IndexError) as error:
        raise StorageError(f"{path}: not a file of pairs as LFW's pairs.txt ({error})") from error
    if len(pairs) != count * 2 * each:
        expected = count * 2 * each
        raise StorageError(f"{path}: holds {len(pairs)} pairs and not the {expected} it promises")
    if missing := set(folds) - set(range(1, count + 1)):
        raise UsageError(f"{path} has no fold {min(missing)}", field="folds")
    return [pair for pair in pairs if not folds or pair.fold + 1 in folds]


@dataclass(frozen=True, slots=True, eq=False)
class AllPairs:
    """Every photo against every other, as far as it is needed.

    ``genuine`` (g,) scores with ``genuine_people`` (g,); the ``impostors`` (k,) of the highest
    scores with their two people (k, 2); ``counts`` (people,) photos of each person.
    """

    genuine: np.ndarray
    genuine_people: np.ndarray
    impostors: np.ndarray
    impostor_people: np.ndarray
    counts: np.ndarray

    def impostor_pairs(self, weights: np.ndarray | None = None) -> float:
        """How many pairs of two people there are when each person counts ``weights`` times."""
        photos = self.counts if weights is None else self.counts * weights
        return float((photos.sum() ** 2 - (photos**2).sum()) / 2)

    def tar_at_far(self, far: float, weights: np.ndarray | None = None) -> float:
        """TAR where the share ``far`` of all impostor pairs is accepted."""
        pair = (
            np.ones(len(self.impostors))
            if weights is None
            else np.prod(weights[self.impostor_people], axis=1)
        )
        allowed = np.flatnonzero(np.cumsum(pair) > far * self.impostor_pairs(weights))
        limit = self.impostors[allowed[0]] if len(allowed) else -np.inf
        each = np.ones(len(self.genuine)) if weights is None else weights[self.genuine_people]
        total = each.sum()
        return float((each * (self.genuine > limit)).sum() / total) if total else math.nan


def all_pairs(vectors: np.ndarray, people: np.ndarray, keep: float = 3e-3) -> AllPairs:
    """Compare all of (n, dimensions) unit vectors; ``people`` (n,) are numbers from 0.

    Of the impostor pairs the share ``keep`` of highest scores is kept; memory is bounded by that
    and by a block of the score matrix.
    """
    n = len(vectors)
    if n < 2:
        raise UsageError("comparing all with all needs at least two photos with a face")
    counts = np.bincount(people)
    total = (n**2 - (counts**2).sum()) / 2
    wanted = int(total * keep) + 1
    genuine: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    best = np.empty(0, np.float32)
    who = np.empty((0, 2), np.int32)
    floor = -np.inf
    for start, stop, scores in _blocks(vectors):
        rows, columns = np.arange(start, stop)[:, None], np.arange(n)[None, :]
        upper = columns > rows
        same = people[start:stop, None] == people[None, :]
        mine = upper & same
        genuine.append(scores[mine])
        owners.append(np.broadcast_to(people[start:stop, None], same.shape)[mine])
        i, j = np.nonzero(upper & ~same & (scores > floor))
        best = np.concatenate([best, scores[i, j]])
        who = np.concatenate([who, np.stack([people[i + start], people[j]], 1).astype(np.int32)])
        if len(best) > wanted:
            top = np.argpartition(-best, wanted - 1)[:wanted]
            best, who = best[top], who[top]
            floor = float(best.min())
    order = np.argsort(-best, kind="stable")
    return AllPairs(
        np.concatenate(genuine), np.concatenate(owners), best[order], who[order], counts
    )


def _blocks(vectors: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    step = max(1, 8_000_000 // len(vectors))
    for start in range(0, len(vectors), step):
        stop = min(start + step, len(vectors))
        yield start, stop, vectors[start:stop] @ vectors.T


@dataclass(frozen=True, slots=True, eq=False)
class OpenSetSplit:
    """Indices of photos: enrolled, probes of enrolled people, strangers of the two kinds.

    Known unknowns have two or three photos, unknown unknowns one (Günther et al., CVPRW 2017) or
    are of people held out, who could have been enrolled.
    """

    enrolled: np.ndarray
    probes: np.ndarray
    known_unknowns: np.ndarray
    unknown_unknowns: np.ndarray


def openset_split(
    people: Sequence[str],
    enrol: int = 3,
    gallery: int | None = None,
    seed: int = 0,
    *,
    hold_out: int = 0,
) -> OpenSetSplit:
    """Split the (n,) photos of a folder, in its order, by how many each person has.

    The first ``enrol`` photos of everyone with more than that are enrolled, the others searched.
    ``hold_out`` of these people, drawn by chance, are strangers instead; ``gallery`` enrols that
    many and leaves the rest out. Raises UsageError if there are not enough people.
    """
    names, index, counts = np.unique(np.array(people), return_inverse=True, return_counts=True)
    able = np.flatnonzero(counts > enrol)
    if not len(able):
        raise UsageError(
            f"nobody has more than {enrol} photos, so nobody can be enrolled", field="enrol"
        )
    wanted = max(1, len(able) - hold_out) if gallery is None else gallery
    if wanted + hold_out > len(able):
        apart = f" with {counted(hold_out, 'person', 'people')} held out" * bool(hold_out)
        raise UsageError(
            f"only {counted(len(able), 'person has', 'people have')} more than {enrol} photos; "
            f"a gallery of {wanted}{apart} cannot be drawn",
            remedy="" if gallery else "give photos of strangers",
            field="gallery" if gallery else "strangers",
        )
    generator = np.random.default_rng(seed)
    known = np.sort(generator.choice(able, wanted, replace=False))
    held_out = generator.choice(np.setdiff1d(able, known), hold_out, replace=False)
    position = np.zeros(len(index), int)
    seen = np.zeros(len(names), int)
    for i, person in enumerate(index):
        position[i] = seen[person]
        seen[person] += 1
    is_known = np.isin(index, known)
    photos = counts[index]
    return OpenSetSplit(
        np.flatnonzero(is_known & (position < enrol)),
        np.flatnonzero(is_known & (position >= enrol)),
        np.flatnonzero((photos > 1) & (photos <= enrol)),
        np.flatnonzero((photos == 1) | np.isin(index, held_out)),
    )
