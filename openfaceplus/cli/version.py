"""``openfaceplus version``: ours and those of the libraries that decide results."""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import PackageNotFoundError, version

from openfaceplus.cli import common
from openfaceplus.cli.output import print_json, say
from openfaceplus.version import __version__

LIBRARIES = (
    "dlib-bin", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "scikit-learn",
    "torch",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus version``."""
    parse = common.parser(
        "openfaceplus version",
        "Print the version of openfaceplus, Python and the libraries that decide results.",
        "  openfaceplus version --json",
    )
    return common.run(parse, argv, _version)


def _version(args: argparse.Namespace) -> int:
    found = {"openfaceplus": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if args.json:
        print_json(found)
    else:
        for name, number in found.items():
            say(f"{name} {number}")
    return common.OK
