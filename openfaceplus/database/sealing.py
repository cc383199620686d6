"""Crops in a database are sealed, its vectors are not: it compares those itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openfaceplus.encryption import newest, seal, unseal

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

_AT_ONCE = 500  # rows


def seal_crops(db: Database) -> int:
    """Seal all crops that the newest key did not, and write their table anew; how many.

    Killed on the way, it goes on when it is called again. Raises StorageError without the key.
    """
    start, count, after = newest(), 0, "(0,0)"
    while True:
        with db.transaction():
            rows = db.rows(
                "SELECT ctid::text, jpeg FROM crop WHERE ctid > %s::tid "
                "AND substring(jpeg FROM 1 FOR %s) <> %s ORDER BY ctid LIMIT %s FOR UPDATE",
                (after, len(start), start, _AT_ONCE),
            )
            for place, jpeg in rows:
                sealed = seal(unseal(jpeg, "a crop"))
                db.run("UPDATE crop SET jpeg = %s WHERE ctid = %s::tid", (sealed, place))
        if not rows:
            break
        count, after = count + len(rows), rows[-1][0]
    if count:  # nothing of them is left in its free space
        db.run("VACUUM (FULL, ANALYZE) crop")
    return count
