"""What was found in a folder of photos, as a page to look through, and a copy without it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from openfaceplus.errors import PhotoError, UnreadablePhoto, UsageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.images import read_photo, walk
from openfaceplus.remote import Location
from openfaceplus.stages import page
from openfaceplus.stages.doctor import ADVICE, KINDS, Finding, Health
from openfaceplus.words import counted

_MOST_SHOWN = 200  # findings of a kind with pictures


def write_page(health: Health, output: Path) -> Path:
    """Write ``index.html``, the findings with the faces that they are about, and return its path.

    Raises UsageError without Jinja2, InTheWay for a page of somebody else's.
    """
    people = {row["person"] for row in health.rows if row["person"]}
    sections = [
        {"title": title, "kind": kind, "advice": kind in ADVICE, "count": health.counts[kind],
         "findings": _shown(health, kind)}
        for kind, title in KINDS.items()
        if kind in health.counts
    ]  # fmt: skip
    values = {
        "folder": shown(health.photos),
        "photos": counted(len(health.rows), "photo"),
        "people": counted(len(people), "person", "people"),
        "healthy": health.healthy,
        "left_out": len(health.left_out()),
        "sections": sections,
    }
    return page.write(
        output / page.PAGE, "doctor.html", values, extra="plots", what="a contact sheet"
    )


def _shown(health: Health, kind: str) -> list[dict[str, Any]]:
    mine = [finding for finding in health.findings if finding.kind == kind]
    return [
        {"said": finding.said, "faces": _faces(finding), "leave_out": finding.leave_out}
        for finding in mine[:_MOST_SHOWN]
    ]


def _faces(finding: Finding) -> list[str]:
    found = []
    for chip in finding.chips:
        with suppress(PhotoError):
            found.append(page.inline(read_photo(chip).pixels, 150))
    return found


def check_copy(photos: Location, to: Path) -> None:
    """Raises UsageError for a ``to`` that holds something, lies in ``photos`` or has it within."""
    source, target = photos.resolve(), to.resolve()
    if isinstance(source, Path) and (
        target.is_relative_to(source) or source.is_relative_to(target)
    ):
        raise UsageError(
            f"{shown(to)}: lies within the photos or has them within",
            remedy="name a folder elsewhere",
            field="fix",
        )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(
            f"{shown(to)}: is there and not empty", remedy="name a new folder", field="fix"
        )


def clean_copy(health: Health, to: Path) -> int:
    """Copy the photos that nothing speaks against to ``to``, in folders as they were; how many.

    The original is only read. Raises UsageError as ``check_copy`` does, StorageError where ``to``
    cannot be written.
    """
    check_copy(health.photos, to)
    bad = health.left_out()
    copied = 0
    for file in walk(health.photos):
        if file.person and str(file.path) not in bad:
            try:
                data = file.path.open("rb")
            except OSError as error:
                raise UnreadablePhoto(f"{shown(file.path)}: {error.strerror}") from error
            with data, atomic_write(to / file.relative) as copy:
                shutil.copyfileobj(data, copy)
            copied += 1
    return copied
