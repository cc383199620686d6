"""The texts of pages, and which language a browser wants them in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = {"en": "English", "es": "Español"}
"""Codes, and the languages' own names."""


@cache
def texts(language: str) -> Mapping[str, str]:
    """All texts in a language, by key."""
    place = files("openfaceplus.server.pages") / "texts" / f"{language}.json"
    table: dict[str, str] = json.loads(place.read_text(encoding="utf-8"))
    return table


def wanted(header: str, chosen: str = "") -> str:
    """The code of the language that was ``chosen``, else the first in an Accept-Language header
    that there is, else English."""
    if chosen in LANGUAGES:
        return chosen
    ranked = []
    for number, part in enumerate(header.split(",")[:50]):
        tag, _, weight = part.partition(";")
        code = tag.strip().lower().partition("-")[0]
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        if code in LANGUAGES and quality > 0:
            ranked.append((-quality, number, code))
    return min(ranked)[2] if ranked else "en"
