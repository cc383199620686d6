"""Name tables: a room lists its tenants as ``"name": "module:Class"`` and imports them on use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from openfaceplus.errors import UsageError


def resolve(table: Mapping[str, str], name: str, what: str) -> Any:
    """The object that ``table`` names ``name``; ``what`` says in errors what kind it is, as
    its parameter is called.

    Raises UsageError for a name that the table lacks.
    """
    if name not in table:
        raise UsageError(
            f"there is no {what} named {name!r}",
            remedy=f"known are: {', '.join(table)}",
            field=what,
        )
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
