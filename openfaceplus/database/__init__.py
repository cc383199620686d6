"""Who was in which video when, in PostgreSQL with pgvector.

    with connect() as db:                       # a server of its own, in the user's data folder
        video = db.videos.begin(source)         # claims it; killed halfway, nothing is left of it
        numbers = db.videos.add(video, sequences)
        db.videos.finish(video)
        db.commands.record(joins)               # whose linking found each sequence to be
        db.commands.name(23, "Ada")             # what a user says stays, but for undo()
        db.read.appearances(person=23)
        db.search(vector, space, k=10)          # the sequences most like a face

Every change of who is who is an event in a log, from which all of it can be made again.
"""

from __future__ import annotations

import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.errors import DatabaseError
from openfaceplus.files import shown, user_folder

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

PLACE = "OPENFACEPLUS_DB"
"""The environment variable that says which database is used where none is named."""


MARK = "openfaceplus-database"
"""The file that tells a database's folder from others."""


def connect(
    where: str | os.PathLike[str] | None = None, *, create: bool = True, patience: float = 0.0
) -> Database:
    """Open a database: a folder, with a server of its own, or that of a postgresql:// URL.

    Without one, that of the environment variable OPENFACEPLUS_DB or in the user's data folder. A
    folder that holds none yet is made one, or with ``create`` false refused. One that cannot be
    reached is tried again for ``patience`` seconds.

    Raises DatabaseError if it cannot be used, UsageError if a library is missing.
    """
    from openfaceplus.database.connection import Database

    place = place_of(where)
    if not create and not is_database(place):
        raise DatabaseError(
            f"{shown(place)}: there is no database", remedy="index videos first", field="db"
        )
    end = time.monotonic() + patience
    while True:
        try:
            return Database(place)
        except DatabaseError:
            if time.monotonic() > end:
                raise
        time.sleep(0.5)


def place_of(where: str | os.PathLike[str] | None) -> str | os.PathLike[str]:
    """The database that is meant where this one is named, or none is."""
    return where or os.environ.get(PLACE) or data_folder() / "database"


def data_folder() -> Path:
    """The folder for what the user keeps: OPENFACEPLUS_DATA, or by the XDG specification."""
    return user_folder("OPENFACEPLUS_DATA", "XDG_DATA_HOME", "~/.local/share", "data")


def user_name() -> str:
    """The user of this process, for the log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # one without a name
        return "user"


def is_database(where: object) -> bool:
    """Whether it names a database: a server's URL, or a folder that holds one."""
    return is_url(where) or Path(str(where), MARK).is_file()


def is_url(where: object) -> bool:
    """Whether it names a server of the user's own."""
    return str(where).startswith(("postgresql://", "postgres://"))
