"""Measured tables: which score accepts which share of impostor pairs, for one embedding space."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from openfaceplus.errors import ModelMissing, StorageError, UsageError
from openfaceplus.files import atomic_write
from openfaceplus.weights import cache_folder


@dataclass(frozen=True, slots=True)
class ThresholdTable:
    """Cosine thresholds of one space by false-accept rate.

    ``fars`` fall; ``cosines`` rise with them and ``tars`` are the shares of genuine pairs accepted.
    ``data`` says on which pairs this was measured, and ``measured`` when.
    """

    space: str
    data: str
    measured: str
    fars: tuple[float, ...]
    cosines: tuple[float, ...]
    tars: tuple[float, ...]

    def cosine_at(self, far: float) -> float:
        """The threshold that accepts the share ``far`` of impostor pairs, between rows by its log.

        Raises UsageError for a rate that the data do not support.
        """
        if not self.fars[-1] <= far <= self.fars[0]:
            raise UsageError(
                f"a false-accept rate of {far:g} is outside of what was measured for {self.space}",
                field="far",
                remedy=f"ask for one from {self.fars[-1]:g} to {self.fars[0]:g} ({self.data})",
            )
        for i in range(1, len(self.fars)):
            if far >= self.fars[i]:
                break
        high, low = math.log(self.fars[i - 1]), math.log(self.fars[i])
        share = (high - math.log(far)) / (high - low)
        return self.cosines[i - 1] + share * (self.cosines[i] - self.cosines[i - 1])


def load(space: str, path: Path | None = None) -> ThresholdTable:
    """The table of a space: from ``path``, from those made here, or from those that ship.

    Raises ModelMissing, naming the command that makes one, if there is none.
    """
    if path is not None:
        table = _read(path)
        if table.space != space:
            raise UsageError(f"{path}: is of {table.space}, not of {space}", field="table")
        return table
    own = made_here(space)
    if own.is_file():
        return _read(own)
    for row in _shipped():
        if row["space"] == space:
            return _table(row, "thresholds.json")
    raise ModelMissing(
        f"no thresholds were measured for {space}",
        field="distance",
        remedy="measure them with: openfaceplus cohort build, or give a distance",
    )


def ships(space: str) -> bool:
    """Whether a table of a space ships."""
    return any(row["space"] == space for row in _shipped())


def save(table: ThresholdTable, path: Path | None = None) -> Path:
    """Write a table to ``path``, else to where ``load`` finds it. Raises InTheWay."""
    mine = path is None
    path = path or made_here(table.space)
    with atomic_write(path, ours=mine) as file:
        file.write(json.dumps(asdict(table), indent=1).encode() + b"\n")
    return path


def made_here(space: str) -> Path:
    """Where this user's own table of a space lies."""
    return cache_folder() / "thresholds" / f"{space.replace('/', '_')}.json"


def _shipped() -> list[dict[str, Any]]:
    text = resources.files("openfaceplus").joinpath("thresholds.json").read_text()
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def _read(path: Path) -> ThresholdTable:
    try:
        return _table(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path}: not a table of thresholds ({error})", remedy="make it anew"
        ) from error


def _table(row: dict[str, Any], origin: str) -> ThresholdTable:
    try:
        lists = {key: tuple(map(float, row[key])) for key in ("fars", "cosines", "tars")}
        table = ThresholdTable(**(row | lists))
    except (TypeError, KeyError, ValueError) as error:
        raise StorageError(f"{origin}: not a table of thresholds ({error})") from error
    if not len(table.fars) == len(table.cosines) == len(table.tars) >= 2:
        raise StorageError(f"{origin}: its columns differ in length or have fewer than two rows")
    return table
