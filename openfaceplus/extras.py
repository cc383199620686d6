"""Libraries that only some uses need: each comes with an extra, such as ``openfaceplus[torch]``."""

from __future__ import annotations

from importlib import import_module

from openfaceplus.errors import UsageError


def there(library: str) -> bool:
    """Whether a library can be imported."""
    try:
        import_module(library)
    except ImportError:
        return False
    return True


def require(library: str, extra: str, what: str) -> None:
    """Raise UsageError if ``library``, which ``what`` needs and ``extra`` installs, is missing."""
    if not there(library):
        raise UsageError(
            f"{what} needs {library.partition('.')[0]}, which is not installed",
            remedy=f"run: pip install 'openfaceplus[{extra}]'",
        )
