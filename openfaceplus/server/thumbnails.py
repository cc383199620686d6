"""Pictures of enrolled people: their chips."""

from __future__ import annotations

from pathlib import Path

from openfaceplus.encrypted_files import read_bytes
from openfaceplus.files import inside
from openfaceplus.model_folder import ModelFolder, Person
from openfaceplus.store.layout import place_of

_MOST = 4 << 20  # bytes of a chip


def read(folder: ModelFolder, person: Person, chip: Path) -> bytes | None:
    """A person's chip as PNG, None where it is not to be had."""
    chips = folder.chips()
    if chips is None:
        return None
    path = inside(chips, chips / person.folder / place_of(str(chip))[1])
    try:
        data = b"" if path is None else read_bytes(path)[:_MOST]
    except OSError:
        return None
    return data if data.startswith(b"\x89PNG") else None
