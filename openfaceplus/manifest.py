"""The JSON beside every stage's output that says what made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openfaceplus.encrypted_files import read_text
from openfaceplus.errors import OpenFacePlusError, StorageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.version import __version__


@dataclass(frozen=True)
class Manifest:
    """What made a stage's output. ``settings`` decide whether earlier work may be kept.

    ``roots`` are the folders that its inputs came from, absolute: of what a table names, the user's
    own files only below these may be deleted.
    """

    stage: str
    settings: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    version: str = __version__
    roots: list[str] = field(default_factory=list)

    @property
    def settings_hash(self) -> str:
        """Twelve hex digits that change with any setting."""
        text = json.dumps(self.settings, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def write(self, path: Path) -> None:
        """Write to ``path``, whole or not at all."""
        with atomic_write(path) as file:
            text = json.dumps(asdict(self) | {"settings_hash": self.settings_hash}, indent=2)
            file.write(text.encode() + b"\n")

    @classmethod
    def read(
        cls, path: Path, check: Callable[[dict[str, Any]], object] | None = None
    ) -> Manifest | None:
        """The manifest at ``path``, or None if there is none.

        Raises StorageError if it is not one, or ``check`` raises something of its settings.
        """
        try:
            data = json.loads(read_text(path))
            data.pop("settings_hash")
            made = cls(**data)
            if not (isinstance(made.settings, dict) and isinstance(made.counts, dict)):
                raise TypeError("fields of another kind")
            if not all(isinstance(root, str) for root in made.roots):
                raise TypeError("roots that are no paths")
        except FileNotFoundError:
            return None
        except (
            ValueError, TypeError, KeyError, AttributeError, RecursionError, OSError,
        ) as error:  # fmt: skip
            raise StorageError(
                f"{shown(path)}: not a manifest ({error})",
                remedy="delete it and run the stage again",
            ) from error
        try:
            if check is not None:
                check(made.settings)
        except (OpenFacePlusError, ValueError, TypeError, KeyError, OverflowError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else shown(str(error))
            raise StorageError(
                f"{shown(path)}: was altered ({why})", remedy="delete it and run the stage again"
            ) from error
        return made
