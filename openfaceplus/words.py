"""Counts, rates and names in words, for whoever prints them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from openfaceplus.files import shown

_STATUSES = {
    "no_person": "in no person's folder",
    "no_face": "without a face",
    "several_faces": "with several faces",
    "too_large": "too large to read",
    "too_small": "with a face too small",
    "too_blurred": "with a face too blurred",
}


def counted(count: int, one: str, many: str = "") -> str:
    """A number and what it counts: ``1 photo``, ``1,200 photos``, ``2 people``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(rate: float) -> str:
    """A share as a percentage with two significant digits, from 99% on four."""
    return f"{100 * rate:.{2 if rate < 0.99 else 4}g}%"


def clock(seconds: float) -> str:
    """A time in a video: ``4:07.2``, from an hour on ``1:04:07``."""
    tenths = round(seconds * 10)
    if tenths >= 36_000:
        whole = round(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def statuses(counts: Mapping[str, int]) -> str:
    """How many photos had each status of a result table: ``2 ok, 1 in no person's folder``."""
    return ", ".join(f"{count:,} {_STATUSES.get(name, name)}" for name, count in counts.items())


def nearest(name: str, names: Iterable[str]) -> str:
    """What to do about a name that is not among ``names``: those most like it, else how many."""
    known = sorted(names)
    folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), folded, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(shown(folded[other]) for other in close)}?"
    some = ", ".join(map(shown, known[:5]))
    return f"it holds {counted(len(known), 'person', 'people')}: {some}{', ...' * (len(known) > 5)}"
