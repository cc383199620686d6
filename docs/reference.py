"""Pages of the documentation made from the code: every command's help and the public names."""

from __future__ import annotations

import argparse
import inspect
import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

SCRIPTS = {
    "util/align-dlib.py": "align", "batch_represent/main.py": "represent",
    "demos/classifier.py": "classifier", "demos/compare.py": "compare",
    "demos/find_person.py": "find",
}  # fmt: skip
"""OpenFace's names, and the module of ``openfaceplus.cli`` whose ``script`` each runs."""
MODULES = (
    "openfaceplus", "openfaceplus.errors", "openfaceplus.classify", "openfaceplus.gallery",
    "openfaceplus.evaluate.metrics", "openfaceplus.evaluate.plots", "openfaceplus.training",
    "openfaceplus.compat.face_recognition", "openfaceplus.compat.openface",
)  # fmt: skip


def commands() -> Iterator[tuple[str, str, str]]:
    """Name, title and Markdown of the page of each command, with its sub-commands."""
    from openfaceplus.cli import COMMANDS, HELP

    yield "index", "All commands", f"# Commands\n\n{_fenced(HELP)}"
    for name in COMMANDS:
        yield name, name, _command(f"openfaceplus {name}", name, "main")
    for script, module in SCRIPTS.items():
        yield Path(script).stem, script, _command(script, module, "script")


def _command(title: str, module: str, function: str) -> str:
    from openfaceplus.cli import module_of

    parser = _parser(getattr(import_module(module_of(module)), function))
    parts = [f"# {title}", _fenced(parser.format_help())]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                parts += [f"## {title} {name}", _fenced(child.format_help())]
    return "\n\n".join(parts)


def _parser(main: Any) -> argparse.ArgumentParser:
    """The parser that a command makes and throws away: the one asked to print its help."""
    met: list[argparse.ArgumentParser] = []

    def keep(self: argparse.ArgumentParser, file: Any = None) -> None:
        met.append(self)

    with mock.patch.object(argparse.ArgumentParser, "print_help", keep), suppress(SystemExit):
        main(["--help"])
    return met[0]


def _fenced(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def modules() -> Iterator[tuple[str, str, str]]:
    """Name, title and Markdown of the page of each public module."""
    for name in MODULES:
        module = import_module(name)
        parts = [f"# {name}", _doc(module)]
        for public in _names(module):
            parts += _entry(getattr(module, public), f"{name}.{public}")
        title = name.removeprefix("openfaceplus.")
        yield name, title, "\n\n".join(filter(None, parts))


def _names(module: ModuleType) -> list[str]:
    own = [n for n, x in vars(module).items() if getattr(x, "__module__", "") == module.__name__]
    names = getattr(module, "__all__", own)
    return [n for n in names if n[0] != "_" and callable(getattr(module, n))]


def _entry(thing: Any, name: str, level: int = 2) -> list[str]:
    """A function, or a class with its methods, as Markdown."""
    short = name.rpartition(".")[2]
    parts = [f"{'#' * level} {short}", _signature(thing, short), _doc(thing)]
    if inspect.isclass(thing):
        for key, member in vars(thing).items():
            plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            if key.startswith("_"):
                continue
            if inspect.isfunction(plain):
                parts += _entry(getattr(thing, key), f"{name}.{key}", level + 1)
            elif isinstance(member, property):
                parts += [f"### {key}", _doc(member)]
    return parts


def _signature(thing: Any, name: str) -> str:
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return f"Base: `{thing.__bases__[0].__name__}`, code: `{getattr(thing, 'code', '')}`"
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    plain = [
        p.replace(annotation=_bare(p.annotation))
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    signature = signature.replace(
        parameters=plain, return_annotation=_bare(signature.return_annotation)
    )
    text = f"{name}{signature}"
    if len(text) > 88:
        result = text[text.rindex(") ->") + 1 :] if ") ->" in text else ""
        text = f"{name}(\n    " + ",\n    ".join(map(str, _starred(plain))) + f",\n){result}"
    return f"```python\n{text}\n```"


def _bare(annotation: Any) -> Any:
    """An annotation that prints as it was written; those of a module's future are strings."""
    if not isinstance(annotation, str):
        return annotation
    return type("Annotation", (), {"__repr__": lambda self: annotation})()


def _starred(parameters: list[inspect.Parameter]) -> Iterator[object]:
    """The parameters, with the star before those that are given by name alone."""
    starred = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            yield "*"
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        yield parameter


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


os.environ["COLUMNS"] = "96"  # of the help, wherever the site is built
