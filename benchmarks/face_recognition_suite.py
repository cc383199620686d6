"""Run face_recognition's own test suite, unchanged, against our drop-in.

    python benchmarks/face_recognition_suite.py [words for unittest, such as -k encodings]

The suite is not ours and not kept here: pip downloads the source distribution, whose sha256 is
pinned, to a temporary folder. Its 30 tests take minutes, most of them in dlib's CNN detector.
Exit status 0 if all pass. Needs click (pip install 'openfaceplus[compat]').
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from openfaceplus.compat.face_recognition import alias

REQUIREMENT = (
    "face_recognition==1.3.0 "
    "--hash=sha256:5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec"
)
TESTS = "face_recognition-1.3.0/tests/"


def fetch(folder: Path) -> None:
    """Put the suite's ``tests`` into ``folder``; CalledProcessError where pip fails."""
    wanted = folder / "requirements.txt"
    wanted.write_text(REQUIREMENT)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run(
        [*pip, "--require-hashes", "--requirement", wanted, "--dest", folder], check=True
    )
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        for member in archive.getmembers():
            if member.name.startswith(TESTS):
                member.name = "tests/" + member.name.removeprefix(TESTS)
                archive.extract(member, folder, filter="data")


def run(folder: Path, words: list[str]) -> int:
    """unittest's exit status for the suite in ``folder``, where ``face_recognition`` is ours."""
    alias.install(folder / "alias")
    # The original in this python would come after these two.
    paths = [folder / "alias", Path(__file__).parents[1]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    check = "import face_recognition.api as a; assert a.__name__.startswith('openfaceplus'), a"
    subprocess.run([sys.executable, "-c", check], cwd=folder, env=environment, check=True)
    suite = [
        sys.executable,
        "-m",
        "unittest",
        *(words or ["--verbose"]),
        "tests.test_face_recognition",
    ]
    return subprocess.run(suite, cwd=folder, env=environment).returncode


def main(argv: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch(folder)
        return run(folder, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
