"""A package named ``face_recognition`` that leads to the drop-in."""

from __future__ import annotations

import contextlib
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, shown

NAME = "face_recognition"
_MARK = "Alias of openfaceplus.compat.face_recognition; its uninstall-alias removes it."
_DROP_IN = "openfaceplus.compat.face_recognition"

_PACKAGE = f'''"""{_MARK}"""

from {_DROP_IN} import *
from {_DROP_IN} import __version__

from . import api
'''
# The module itself, not a copy: what is patched or cached in one is so in the other.
_MODULE = f'''"""{_MARK}"""

import sys

from {_DROP_IN} import {{0}}

sys.modules[__name__] = {{0}}
'''
_SCRIPT = f"""#!{{python}}
# {_MARK}
from {_DROP_IN}.{{module}} import main

if __name__ == "__main__":
    main()
"""
_MODULES = ("api", "face_recognition_cli", "face_detection_cli")
_SCRIPTS = {"face_recognition": "face_recognition_cli", "face_detection": "face_detection_cli"}


def install(target: Path | None = None, scripts: bool = True) -> list[Path]:
    """Write the alias into the folder ``target``, or else where pip installs, and return its files.

    With ``scripts`` the two commands are written too: to ``target``'s bin, or next to python.
    Raises StorageError, with nothing written, where another ``face_recognition`` is in the way.
    """
    package, commands = _places(target)
    _refuse_real(package)
    if target is None:
        _refuse_importable(package)
    files = {package / "__init__.py": _PACKAGE}
    files |= {package / f"{module}.py": _MODULE.format(module) for module in _MODULES}
    if scripts:
        for name, module in _SCRIPTS.items():
            path = commands / name
            if path.exists() and not _is_ours(path):
                raise StorageError(
                    f"{shown(path)}: a command of that name is there and not ours",
                    remedy="remove it, or install without the commands",
                    field="scripts",
                )
            files[path] = _SCRIPT.format(python=sys.executable, module=module)
    for path, text in files.items():
        with atomic_write(path, "w", ours=path.is_file() and _is_ours(path)) as file:
            file.write(text)
        if path.parent == commands:
            path.chmod(0o755)
    return list(files)


def uninstall(target: Path | None = None) -> list[Path]:
    """Remove what ``install`` wrote for the same ``target`` and return it; empty if there is none.

    Raises StorageError where a ``face_recognition`` that is not the alias is there.
    """
    package, commands = _places(target)
    _refuse_real(package)
    candidates = [package / f"{name}.py" for name in ("__init__", *_MODULES)]
    candidates += [commands / name for name in _SCRIPTS]
    removed = [path for path in candidates if path.is_file() and _is_ours(path)]
    for path in removed:
        path.unlink()
    compiled = package / "__pycache__"
    for path in compiled.glob("*.pyc"):
        path.unlink()
    for folder in (compiled, package):
        with contextlib.suppress(OSError):  # none, or another's files in it
            folder.rmdir()
    return removed


def _places(target: Path | None) -> tuple[Path, Path]:
    if target is None:
        paths = sysconfig.get_paths()
        return Path(paths["purelib"]) / NAME, Path(paths["scripts"])
    return target / NAME, target / "bin"


def _refuse_real(package: Path) -> None:
    module = package.with_suffix(".py")
    start = package / "__init__.py"
    in_the_way = module if module.exists() else package
    ours = start.is_file() and _is_ours(start)
    empty = not package.exists() or (package.is_dir() and not any(package.iterdir()))
    if module.exists() or not (ours or empty):
        raise _real(in_the_way)


def _refuse_importable(package: Path) -> None:
    spec = find_spec(NAME)
    origin = spec and spec.origin
    if origin and Path(origin).parent != package and not _is_ours(Path(origin)):
        raise _real(Path(origin))


def _real(path: Path) -> StorageError:
    return StorageError(
        f"{shown(path)}: a {NAME} that is not our alias is there",
        remedy=f"remove it (pip uninstall {NAME}) or name another folder with --target",
    )


def _is_ours(path: Path) -> bool:
    return _MARK in path.read_text("utf-8", "replace")[:500]
