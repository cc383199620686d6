"""The folder that a search writes: names in it, and whether it may be written to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.files import inside, shown
from openfaceplus.manifest import Manifest
from openfaceplus.remote import Location

MATCHES, MANIFEST, JOURNAL = "matches.csv", "find.json", "find.jsonl"
INDEX, THUMBNAILS = "index.html", "thumbnails"
_RESERVED = {MATCHES, MANIFEST, JOURNAL, INDEX, THUMBNAILS}
_WRITABLE = {".jpg", ".jpeg", ".png", ".webp"}

Result = dict[str, Any]
"""Of one photo: photo, picture, stamp, status, reason, faces (a dict each) and matches (names)."""


def thumbnail_of(photo: str) -> str:
    """Where a photo's thumbnail lies: a name that no file system and no browser minds."""
    return f"{THUMBNAILS}/{hashlib.sha256(os.fsencode(photo)).hexdigest()[:24]}.jpg"


def picture_names(photos: Sequence[str]) -> dict[str, str]:
    """Where each photo's picture goes: under its own path, but never two to one, nor over ours."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for photo in sorted(photos):
        first, slash, rest = photo.partition("/")
        # Letter case is no difference on many disks.
        path = Path(f"{first}-photos" if first.lower() in _RESERVED and slash else first, rest)
        stem, suffix = path.stem, path.suffix
        if suffix.lower() not in _WRITABLE:
            stem, suffix = path.name, ".jpg"
        if len(os.fsencode(stem)) > 200:
            digest = hashlib.sha256(os.fsencode(photo)).hexdigest()[:12]
            stem = f"{os.fsdecode(os.fsencode(stem)[:180])}-{digest}"
        number, name = 1, str(path.with_name(stem + suffix))
        while name.lower() in taken or name.lower() in _RESERVED:
            number += 1
            name = str(path.with_name(f"{stem}-{number}{suffix}"))
        taken.add(name.lower())
        names[photo] = name
    return names


def claimed(output: Path) -> list[str] | None:
    """The pictures that earlier searches put into a folder; None if it is not a search's."""
    try:
        claim = Manifest.read(output / MANIFEST)
    except StorageError:
        return None
    return claim.settings.get("pictures") if claim and claim.stage == "find" else None


def refuse_others(output: Path, pictures: Collection[str] | None = None) -> None:
    """Raises UsageError if there are ``pictures``, or without them any files, in ``output``.

    Hidden files do not count.
    """
    if pictures is not None:
        names = sorted(name for name in pictures if os.path.lexists(output / name))
    else:
        listed = os.listdir(output) if output.is_dir() else []
        names = sorted(name for name in listed if not name.startswith("."))
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise UsageError(
            f"{shown(output)}: holds files that no search put there ({shown(names[0])}{more})",
            remedy="choose another folder, or allow to overwrite, which writes among and over them",
            field="overwrite",
        )


def refuse_links(output: Path, pictures: Iterable[str]) -> None:
    """Raises UsageError if a symbolic link leads from ``output`` to where a picture would go."""
    for name in (*pictures, *map(thumbnail_of, [""])):
        if inside(output, output / name) is None:
            raise UsageError(
                f"{shown(output / name)}: a symbolic link leads there",
                remedy="choose another folder for the results, or take the link away",
                field="results",
            )


def delete(output: Path, names: Iterable[str]) -> None:
    """Delete files of earlier searches that are really in ``output``."""
    for name in names:
        path = inside(output, output / name)
        if path is not None and path.is_file():
            path.unlink()


def check_places(knowns: Location, unknowns: Location, output: Path) -> None:
    """Raises UsageError for folders that are missing or that lie in one another."""
    for field, folder in (("knowns", knowns), ("unknowns", unknowns)):
        if not folder.is_dir():
            raise UsageError(
                f"{shown(folder)}: no such folder", field=field, remedy="name a folder of photos"
            )
        a, b = folder.resolve(), output.resolve()
        if isinstance(a, Path) and (a == b or a in b.parents or b in a.parents):
            raise UsageError(
                f"{shown(output)}: the results may not lie in {shown(folder)}, nor it in them",
                field="results",
                remedy="choose another folder for the results",
            )
    if output.exists() and not output.is_dir():
        raise UsageError(
            f"{shown(output)}: not a folder",
            field="results",
            remedy="choose another for the results",
        )
