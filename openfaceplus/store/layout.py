"""What the files of a model are called, and the columns of its tables."""

from __future__ import annotations

import os
from dataclasses import dataclass

from openfaceplus.files import STAGING

CHIPS, EMBEDDINGS = "aligned-images", "generated-embeddings"
CLASSIFIER, PEOPLE = "classifier.pkl", "people.json"
PICTURE = "classifier-scores.png"
REPS, LABELS = "reps.csv", "labels.csv"
CONSENTS = "consents.json"


@dataclass(frozen=True, slots=True)
class StageFiles:
    """What a stage leaves in its folder.

    A row for every input, what made them, and the journal of a run in progress; ``old_journal`` is
    where earlier versions kept that.
    """

    table: str
    columns: tuple[str, ...]
    manifest: str
    journal: str
    old_journal: str


ALIGNMENT = StageFiles(
    "alignment.csv",
    (
        "person", "photo", "chip", "status", "reason", "faces", "width", "height",
        "left", "top", "right", "bottom", "score", "landmarks", "fingerprint",
    ),
    "alignment.json",
    f"{STAGING}/alignment.journal",
    ".alignment.journal",
)  # fmt: skip
REPRESENTATION = StageFiles(
    "representation.csv",
    ("person", "chip", "photo", "status", "reason", "fingerprint"),
    "representation.json",
    f"{STAGING}/representation.journal",
    ".representation.journal",
)


def place_of(chip: str) -> tuple[str, str]:
    """Where a chip lies in the folder of chips, wherever that is: its person's folder and name."""
    parts = chip.rsplit("/", 2)
    if len(parts) == 3 and parts[1]:
        return parts[1], parts[2]
    folder, name = os.path.split(chip)
    return os.path.basename(folder), name
