"""A model's folders, encrypted and as they were before."""

from __future__ import annotations

from openfaceplus import encrypted_files
from openfaceplus.changes import changing
from openfaceplus.errors import UsageError
from openfaceplus.files import shown, sweep
from openfaceplus.model_folder import ModelFolder
from openfaceplus.store.layout import (
    ALIGNMENT,
    CHIPS,
    CLASSIFIER,
    CONSENTS,
    LABELS,
    PEOPLE,
    PICTURE,
    REPRESENTATION,
    REPS,
)

_EMBEDDINGS = {
    CLASSIFIER, CONSENTS, LABELS, PEOPLE, PICTURE, REPS, REPRESENTATION.manifest,
    REPRESENTATION.table, REPRESENTATION.old_journal,
}  # fmt: skip
_CHIPS = {ALIGNMENT.table, ALIGNMENT.manifest, ALIGNMENT.old_journal}


def encrypt(folder: ModelFolder) -> int:
    """Seal all files of a model, by the newest key, that it did not seal yet; how many.

    In folders that are not there yet everything will be. Chips that lie elsewhere than beside the
    embeddings are sealed too. Raises UsageError for a classifier without its model folder, and
    InTheWay for a file in it that is not the model's.
    """
    embeddings = folder.embeddings
    if folder.stands_alone and folder.classifier.exists():
        raise UsageError(
            f"{shown(folder.classifier)}: stands alone, and only a model's folder can be encrypted",
            remedy="put it on an encrypted disk, or train a model folder",
            field="model",
        )
    chips = folder.chips() or embeddings.resolve().parent / CHIPS
    with changing(chips), changing(embeddings):
        sweep(chips)
        sweep(embeddings)
        encrypted_files.refuse_others(chips, lambda name: "/" in name or name in _CHIPS)
        encrypted_files.refuse_others(embeddings, _EMBEDDINGS.__contains__)
        return encrypted_files.encrypt(chips) + encrypted_files.encrypt(embeddings)


def decrypt(folder: ModelFolder) -> int:
    """Write all files of a model as they were before; how many. Raises StorageError without the
    key."""
    chips = folder.chips()
    with folder.change():
        count = 0 if chips is None else encrypted_files.decrypt(chips)
        return count + encrypted_files.decrypt(folder.embeddings)
