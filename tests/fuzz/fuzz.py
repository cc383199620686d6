"""Read thousands of damaged files: ``make fuzz``, or ``python tests/fuzz/fuzz.py --count 100 pkl``.

Every case is made from a good file by a seed and read in a process that stays, under a time limit
and a ceiling of memory. It must give a value, or an error of openfaceplus whose one line names the
file; anything else is a finding: its file is kept, and the command that makes it again printed.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import readers  # noqa: E402
import seeds  # noqa: E402

from openfaceplus.cli.output import say  # noqa: E402
from openfaceplus.stages.worker_process import Died, Process, answer  # noqa: E402

SECONDS = 20.0  # for one case; the slowest good file takes less than one
COUNTS = {"photos": 10}  # times as many, since they are quick


@dataclass(frozen=True)
class Finding:
    """A case that should have gone otherwise."""

    kind: str
    seed: int
    number: int
    what: str
    folder: Path

    def __str__(self) -> str:
        again = f"python tests/fuzz/fuzz.py --seed {self.seed} --only {self.number} {self.kind}"
        return f"{self.kind} {self.number}: {self.what} [{self.folder}; again: {again}]"


def run(
    kind: str, numbers: Iterable[int], good: Path, folder: Path, seed: int = 0,
    seconds: float = SECONDS, refusals: list[int] | None = None,
) -> Iterator[Finding]:  # fmt: skip
    """The findings among the cases of those numbers, made from the files in ``good``;
    the numbers of those that were refused as they should be are added to ``refusals``."""
    process = None
    for number in numbers:
        try:
            if process is None:
                process = Process()
                made = (readers.Reader, (kind, seed, good, folder))
                answer(process.ask(pickle.dumps(made)))
            late = threading.Event()
            watch = threading.Timer(seconds, lambda p=process, e=late: (e.set(), p.kill()))
            watch.start()
            try:
                what, refused = answer(process.ask(pickle.dumps(number)))
                if refused and refusals is not None:
                    refusals.append(number)
            finally:
                watch.cancel()
        except Died:
            assert process is not None
            process.kill()
            status = process._popen.returncode
            what = f"took more than {seconds:g} s" if late.is_set() else f"died, status {status}"
            process = None
        if what:
            yield Finding(kind, seed, number, what, folder / f"case{number}")
    if process is not None:
        process.kill()


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parse.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(seeds.KINDS))
    parse.add_argument("--count", type=int, default=1000, help="cases a kind; of photos ten times")
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--only", type=int, metavar="NUMBER", help="the one case of that number")
    parse.add_argument("--keep", type=Path, metavar="DIR", help="where the files of findings go")
    args = parse.parse_args()
    keep = (args.keep or Path(tempfile.mkdtemp(prefix="openfaceplus-fuzz-"))).absolute()
    os.environ["OMP_NUM_THREADS"] = "1"
    total = 0
    for kind in args.kinds or seeds.KINDS:
        shutil.rmtree(keep / kind, ignore_errors=True)
        seeds.make(kind, keep / kind / "good")
        count = args.count * COUNTS.get(kind, 1)
        numbers = range(count) if args.only is None else (args.only,)
        found = 0
        refusals: list[int] = []
        for finding in run(
            kind, numbers, keep / kind / "good", keep / kind, args.seed, refusals=refusals
        ):
            say(finding)
            found += 1
        say(
            f"{kind}: {len(numbers)} cases of seed {args.seed}, {len(refusals)} refused in a line "
            f"of ours, {found} findings"
        )
        total += found
    if not total and args.keep is None:
        shutil.rmtree(keep)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
