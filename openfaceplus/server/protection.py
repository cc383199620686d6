"""Encrypting what a server finds when it starts, so that from then on all is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from openfaceplus import encrypted_files
from openfaceplus.changes import changing
from openfaceplus.files import shown
from openfaceplus.model_folder import ModelFolder
from openfaceplus.server.current import classifier_path
from openfaceplus.stages.encrypt import encrypt
from openfaceplus.words import counted

if TYPE_CHECKING:
    from openfaceplus.server.settings import Settings

_REVIEW = re.compile(r"[0-9a-f]{16}\.(json|jpg)")


def protect(settings: Settings) -> Iterator[str]:
    """Encrypt what is plain, or by an earlier key: what was, a sentence each.

    Raises StorageError without the key, and InTheWay for files that are not the server's.
    """
    folder = ModelFolder(classifier_path(settings.model))
    if count := encrypt(folder):
        yield f"Encrypted {counted(count, 'file')} of the model {shown(folder.classifier)}"
    if settings.keep_unsure is not None:
        with changing(settings.keep_unsure):
            encrypted_files.refuse_others(
                settings.keep_unsure, lambda name: _REVIEW.fullmatch(name) is not None
            )
            count = encrypted_files.encrypt(settings.keep_unsure)
        if count:
            yield f"Encrypted {counted(count, 'file')} in {shown(settings.keep_unsure)}"
    if settings.db is not None:
        from openfaceplus.database import connect
        from openfaceplus.database.sealing import seal_crops

        with connect(settings.db) as db:
            if count := seal_crops(db):
                yield f"Encrypted {counted(count, 'crop')} in the database"
