"""What there is to align, and under which names the chips will lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from openfaceplus.images import PhotoFile
from openfaceplus.remote import Location, fingerprint
from openfaceplus.store.tables import Row


@dataclass(frozen=True, slots=True)
class Task:
    """A photo, whose it is, its chip to be, and what changes when the file does."""

    person: str
    photo: Location
    chip: Path
    fingerprint: str

    def row(self) -> Row:
        """What the table says of it before it is done."""
        return {
            "person": self.person,
            "photo": str(self.photo),
            "chip": "",
            "status": "ok",
            "reason": "",
            "fingerprint": self.fingerprint,
        }


def tasks_of(
    files: Iterable[PhotoFile], output: Path, chips: Iterable[tuple[str, ...]] = ()
) -> Iterator[Task]:
    """One task a photo, no two with the same chip below ``output``, none of those in ``chips``."""
    taken = {(person, Path(chip).stem) for person, chip in filter(None, chips)}
    for file in files:
        inner = Path(file.relative).parts[1 if file.person else 0 :]
        name = _short("_".join((*inner[:-1], Path(inner[-1]).stem)))
        # a.jpg and a.png of one person must not overwrite each other.
        numbered = (f"{name}-{i}" for i in count(2))
        choices = chain((name, _short("_".join(inner))), numbered)
        other = next(choice for choice in choices if (file.person, choice) not in taken)
        taken.add((file.person, other))
        chip = output / file.person / f"{other}.png"
        yield Task(file.person, file.path, chip, fingerprint_of(file.path))


def fingerprint_of(photo: Location) -> str:
    """What changes when a photo does."""
    return fingerprint(photo, "unreadable")


def _short(name: str) -> str:
    """A name that leaves room for endings in the 255 bytes that file systems allow."""
    data = os.fsencode(name)
    if len(data) <= 200:
        return name
    return data[:180].decode(errors="ignore") + "-" + hashlib.sha256(data).hexdigest()[:12]
