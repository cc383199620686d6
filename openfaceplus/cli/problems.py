"""What stopped a command: one line for people, an object for programs, and the exit status."""

from __future__ import annotations

import argparse
import contextlib
import sys

from openfaceplus.cli.output import line, print_json, say
from openfaceplus.cli.process import CANNOT, INTERRUPTED, WAS_INTERRUPTED, interrupted
from openfaceplus.errors import OpenFacePlusError

_DESTS = {
    "chosen": "profile",
    "confidence_level": "sure",
    "landmarks": "points",
    "per": "far_per",
    "fars": "far",
    "person": "name",
    "spec": "embedder_spec",
}
"""Parameters of the library whose options are called otherwise."""


def stop(parse: argparse.ArgumentParser, error: BaseException, as_json: bool) -> int:
    """Say what stopped a command and return its exit status."""
    with contextlib.suppress(OpenFacePlusError, OSError):
        sys.stdout.flush()
    problem = _described(error)
    flag = _option(parse, problem["field"])
    text = "; ".join(filter(None, (problem["problem"], problem["remedy"])))
    if flag and flag not in text:
        text = f"{flag}: {text}"
    say(f"{parse.prog}: {' '.join(line(part) for part in text.splitlines())}", file=sys.stderr)
    if as_json:
        print_json({"file": None, "error": problem})
    return INTERRUPTED if problem["code"] == "interrupted" else CANNOT


def _described(error: BaseException) -> dict[str, str | None]:
    if isinstance(error, KeyboardInterrupt) or interrupted():
        code, (problem, remedy) = "interrupted", WAS_INTERRUPTED
    elif isinstance(error, OpenFacePlusError):
        return error.to_dict()
    elif isinstance(error, MemoryError):
        code, problem = "out_of_memory", "out of memory"
        remedy = "try fewer --jobs or smaller photos"
    else:
        code, problem = "internal", f"{type(error).__name__}: {error}"
        remedy = "this should not happen: please report what --debug shows"
    return {"code": code, "problem": problem, "field": None, "remedy": remedy}


def _option(parse: argparse.ArgumentParser, field: str | None) -> str | None:
    """The flag of the option that a parameter comes from, in the parser or its sub-commands."""
    if field is None:
        return None
    for action in parse._actions:
        if action.option_strings and action.dest in (field, _DESTS.get(field)):
            return max(action.option_strings, key=lambda flag: flag.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for mode in action.choices.values():
                if flag := _option(mode, field):
                    return flag
    return None
