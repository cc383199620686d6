"""Everything that commands print: nothing in a name or a path acts on the terminal."""

from __future__ import annotations

import json
import logging
import math
import sys
import warnings
from typing import Any, TextIO

from openfaceplus.files import shown as line

__all__ = ["finite", "line", "listen", "print_json", "say"]


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print each as one line, to standard output unless told; what is not printable is escaped."""
    print(*(line(str(text)) for text in lines), sep="\n", file=file, flush=True)


def listen(verbose: bool, libraries: bool) -> None:
    """Print what is logged here; what other libraries log and warn of only with ``libraries``."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(message)s"))
    if not libraries:
        handler.addFilter(logging.Filter("openfaceplus"))
        warnings.simplefilter("ignore")
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _Lines(logging.Formatter):
    """Messages in which nothing acts on the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(line, super().format(record).split("\n")))


def print_json(data: Any) -> None:
    """One JSON value on one line of standard output."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(finite(data), ensure_ascii=not unicode)
    # JSON allows raw what a terminal may act on, such as C1 controls.
    print(text if text.isprintable() else "".join(map(_escaped, text)))


def _escaped(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def finite(data: Any) -> Any:
    """The same with None for numbers that JSON lacks: infinite ones and NaN."""
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data
