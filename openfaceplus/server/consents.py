"""How and for what people agreed to be enrolled, beside the model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openfaceplus.changes import changing
from openfaceplus.encrypted_files import read_text
from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.model_folder import ModelFolder
from openfaceplus.store.layout import CONSENTS

_ABOUT = "consents, written by openfaceplus"


@dataclass(frozen=True, slots=True)
class Consent:
    """When and by whose key somebody was enrolled, how they agreed, and what it is for."""

    recorded: str
    by: str
    consent: str
    purpose: str

    @classmethod
    def now(cls, by: str, consent: str, purpose: str) -> Consent:
        """One that is given now."""
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), by, consent, purpose)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read(folder: ModelFolder) -> dict[str, Consent]:
    """What is recorded, by the people's ids. Raises StorageError for a file that is none."""
    path = _path(folder)
    try:
        people = json.loads(read_text(path))["people"]
        return {
            str(key): Consent(**{k: str(v) for k, v in one.items()}) for key, one in people.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{shown(path)}: not a list of consents ({error})", remedy="move it"
        ) from error


def write(folder: ModelFolder, person: str, consent: Consent) -> None:
    """Record a person's."""
    with changing(folder.embeddings, keep=True):
        _save(folder, read(folder) | {person: consent})


def forget(folder: ModelFolder, person: str) -> None:
    """Delete a person's, if there is one."""
    with changing(folder.embeddings, keep=True):
        known = read(folder)
        if known.pop(person, None) is not None:
            _save(folder, known)


def _save(folder: ModelFolder, known: dict[str, Consent]) -> None:
    with atomic_write(_path(folder), "w") as file:
        people = {key: one.to_dict() for key, one in known.items()}
        json.dump({"about": _ABOUT, "people": people}, file, indent=1)
        file.write("\n")


def _path(folder: ModelFolder) -> Path:
    return folder.embeddings / CONSENTS
