"""Libraries that only some uses need: each comes with an extra, such as ``openfaceplus[torch]``."""

from __future__ import annotations

from importlib import import_module

from openfaceplus.errors import UsageError


def require(library: str, extra: str, what: str) -> None:
    """Raise UsageError if ``library``, which ``what`` needs and ``extra`` installs, is missing."""
    try:
        import_module(library)
    except ImportError:
        raise UsageError(
            f"{what} needs {library.partition('.')[0]}, which is not installed",
            remedy=f"run: pip install 'openfaceplus[{extra}]'",
        ) from None
