"""Files that a native library parses are opened in a child process first.

The child has a ceiling of memory and a time limit. A file that breaks it is refused; one that does
not is remembered by its sha256, so each is tried once, and those whose hash the catalog has never.
An ordinary error of the library refuses nothing here: whoever opens the file next says it better.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from openfaceplus.errors import ModelCorrupt, StorageError
from openfaceplus.files import shown
from openfaceplus.weights.catalog import CATALOG
from openfaceplus.weights.pins import passed, record, sha256_of
from openfaceplus.weights.source import open_regular

_SECONDS = 120
_MEMORY = 4 << 30  # bytes of addresses, most of which a library never touches
_LARGER = 8  # and so many times the file
_NO_MEMORY = 3  # the child's status
_SIDE = 128  # pixels, where a network leaves them open
_REMEDY = "name the right file, or export or download it again"
_TRUSTED = frozenset(model.sha256 for model in CATALOG.values() if model.sha256)


def attempt(kind: str, path: Path | str) -> None:
    """Open the file as one of ``_KINDS`` in a child, unless it is known.

    Raises ModelMissing for a file that cannot be read, ModelCorrupt for one that is no regular
    file, breaks its library, or takes too much memory or time in it.
    """
    file, size = open_regular(path)
    file.close()
    digest = sha256_of(path)
    key = f"{kind} {digest}"
    if digest in _TRUSTED or passed(key):
        return
    command = [sys.executable, "-P", "-m", __name__, kind, os.path.abspath(path)]
    own = {
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path))),
        "OPENBLAS_NUM_THREADS": "1",  # each would take addresses from the ceiling
        "OMP_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            [*command, str(_MEMORY + _LARGER * size)], env=os.environ | own,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=_SECONDS, start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        reason = f"takes more than {_SECONDS} s to open"
    else:
        if not done.returncode:
            with contextlib.suppress(StorageError):  # it is tried again next time
                record(key)
            return
        reason = "is damaged or of another kind"
        if done.returncode == _NO_MEMORY:
            reason = "takes more memory than a file of its size needs"
    raise ModelCorrupt(f"{shown(path)}: {reason}; it was not opened", remedy=_REMEDY)


def _onnx(path: str) -> None:
    import numpy as np

    from openfaceplus.weights.onnx_session import Session

    session = Session(Path(path).read_bytes(), 1, path)
    feeds = {}
    for one in session.get_inputs():
        first, *sides = (n if isinstance(n, int) else 0 for n in one.shape)
        kind = {"tensor(uint8)": "u1", "tensor(float16)": "f2"}.get(one.type, "f4")
        feeds[one.name] = np.zeros([first or 1, *(side or _SIDE for side in sides)], kind)
    session.run(None, feeds)


def _h5(path: str) -> None:
    from openfaceplus.weights.keras_h5 import parse

    parse(Path(path))


def _landmarks(path: str) -> None:
    import dlib

    from openfaceplus.weights.dlib_shapes import check

    try:
        check(path)
    except (ValueError, IndexError):
        sys.exit(1)
    dlib.shape_predictor(path)


def _tensorflow(path: str) -> None:
    import cv2

    cv2.dnn.readNetFromTensorflow(path, str(Path(path).with_suffix(".pbtxt")))


_KINDS: dict[str, Callable[[str], None]] = {
    "onnx": _onnx, "h5": _h5, "landmarks": _landmarks, "tensorflow": _tensorflow,
}  # fmt: skip


def _main(kind: str, path: str, memory: str) -> int:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(memory) if most == resource.RLIM_INFINITY else min(int(memory), most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _KINDS[kind](path)
    except MemoryError:
        return _NO_MEMORY
    except Exception as error:  # noqa: BLE001 - of whatever library; the next to open it says it
        return _NO_MEMORY if "alloc" in str(error) else 0
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
