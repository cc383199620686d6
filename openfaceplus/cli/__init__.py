"""The command line. ``openfaceplus COMMAND`` runs ``main(argv)`` of the module of that name."""

from __future__ import annotations

import sys
from importlib import import_module

from openfaceplus.cli import process

COMMANDS = {
    "align": "find faces and cut aligned chips",
    "represent": "turn chips into embeddings",
    "doctor": "find what is wrong with training photos",
    "train": "photos in a folder per person -> a model",
    "infer": "say who is in new photos",
    "people": "list, add, remove or rename enrolled people",
    "verify": "say whether two photos show one person",
    "whois": "find a person in a folder with one photo each",
    "find": "find one person in a pile of photos",
    "video": "find the same people again through videos",
    "serve": "pages and an API over HTTP",
    "keys": "who may use a server",
    "audit": "check the log of a server's decisions",
    "cohort": "strangers of your own that make rates surer",
    "explain": "see how one photo becomes a name",
    "plot": "draw embeddings as a map, and people against people",
    "evaluate": "measure error rates on photos of your own",
    "train-embedder": "photos -> a network of your own that turns faces into numbers",
    "models": "list, fetch and locate model files",
    "demo": "run the whole flow on sample photos",
    "version": "print the version and those of the libraries",
}

_WIDTH = max(map(len, COMMANDS))
HELP = f"""usage: openfaceplus COMMAND [options]

Put photos in a folder per person, train, and be told who is in a new photo, or honestly that it
is a stranger.

commands:
{chr(10).join(f"  {name:{_WIDTH}}  {text}" for name, text in COMMANDS.items())}

example:
  openfaceplus train training-images/ -o model/
  openfaceplus infer -m model/ photo.jpg

`openfaceplus COMMAND --help` explains one command."""


def module_of(name: str) -> str:
    """The module whose ``main`` is the command called ``name``."""
    return f"openfaceplus.cli.{name.replace('-', '_')}"


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit status; without arguments given, the process's own."""
    if argv is None:
        return process.whole(lambda: main(sys.argv[1:]))
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0 if argv else 2
    name, *rest = argv
    if name in ("-V", "--version"):
        name = "version"
    if name not in COMMANDS:
        print(
            f"openfaceplus: there is no command {name!r}; see openfaceplus --help", file=sys.stderr
        )
        return 2
    status: int = import_module(module_of(name)).main(rest)
    return status
