"""What stopped a command: one line for people, an object for programs, and the exit status."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
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

_NO_MEMORY = (
    "failed to map segment", "annot allocate memory", "can't start new thread", "bad_alloc",
    "Insufficient memory", "Failed to allocate memory",
)  # fmt: skip
"""What the loader, Python, ONNX Runtime and OpenCV say when memory is refused."""

_SYSTEM = {
    errno.EMFILE: "allow it more open files (ulimit -n 256), or try fewer --jobs",
    errno.ENFILE: "close other programs",
    errno.ENOSPC: "free some space",
}


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
    elif _short_of_memory(error):
        code, problem = "out_of_memory", "out of memory"
        remedy = "try fewer --jobs or smaller photos, or allow it more (ulimit -v)"
    elif isinstance(error, OSError) and error.strerror:
        code, problem = "system", error.strerror
        if error.filename is not None:
            problem = f"{line(os.fsdecode(error.filename))}: {problem}"
        remedy = _SYSTEM.get(error.errno or 0, "check the files and the disk; --debug shows more")
        if error.errno == errno.ENOENT and not os.path.exists(os.curdir):
            problem, remedy = "the working folder was deleted", "change to another folder"
    elif isinstance(error, ImportError):
        code, problem = "not_installed", f"a library cannot be loaded ({error})"
        remedy = "install openfaceplus again"
    else:
        code, problem = "internal", f"{type(error).__name__}: {error}"
        remedy = "this should not happen: please report what --debug shows"
    return {"code": code, "problem": problem, "field": None, "remedy": remedy}


def _short_of_memory(error: BaseException) -> bool:
    """Whether memory was refused, in whatever words of a library."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, Exception) and any(words in str(error) for words in _NO_MEMORY)


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
