"""What all commands share: options, exit statuses, errors in one line, progress."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from openfaceplus.errors import OpenFacePlusError
from openfaceplus.files import shown

OK, SOME_FAILED, CANNOT, INTERRUPTED = 0, 1, 2, 130
STATUSES = "exit status: 0 all done, 1 some photos failed, 2 nothing could be done, 130 interrupted"


def parser(name: str, about: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the options that every command has."""
    made = argparse.ArgumentParser(
        name,
        description=about,
        epilog=f"examples:\n{examples.rstrip()}\n\n{STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_everywhere(made)
    return made


def add_everywhere(to: argparse.ArgumentParser, default: Any = False) -> None:
    """Options of every command; ``default`` is SUPPRESS in sub-commands, which take them too."""
    group = to.add_argument_group("everywhere")
    for flag, text in (
        ("--json", "print the result as JSON"),
        ("--verbose", "say more about what is done"),
        ("--debug", "show the traceback of an error"),
        ("--commercial", "refuse models whose licence forbids commercial use"),
    ):
        group.add_argument(flag, action="store_true", default=default, help=text)


def add_recipe(to: argparse.ArgumentParser) -> None:
    """Options that decide how a photo becomes an embedding."""
    from openfaceplus.detect import AUTO, DETECTORS
    from openfaceplus.embedding import EMBEDDERS
    from openfaceplus.recipe import PROFILES, Recipe

    usual = Recipe()
    group = to.add_argument_group("recipe")
    group.add_argument("--profile", choices=PROFILES, help="what belongs together (default: dlib)")
    group.add_argument(
        "--detector", metavar="NAME[:PATH]", type=named((*DETECTORS, "auto"), "detector"),
        help=f"what finds faces: {', '.join(DETECTORS)} (default: {usual.detector}); auto: the "
        f"first of {', '.join(AUTO)} whose weights are here; PATH is the file of a network of "
        "yours (see docs/models.md)",
    )  # fmt: skip
    group.add_argument(
        "--detector-threshold", type=float, metavar="T",
        help="least score of a face, for a detector whose network is a file",
    )  # fmt: skip
    group.add_argument(
        "--landmarks", type=int, choices=(5, 68), dest="points",
        help="landmarks to align by (default: 5; 68 is not for commercial use)",
    )  # fmt: skip
    group.add_argument(
        "--embedder", metavar="NAME[:PATH]", type=named(EMBEDDERS, "embedder"),
        help=f"the network: {', '.join(EMBEDDERS)} (default: {usual.embedder}); PATH is its file, "
        "as in "
        "arcface:w600k_r50.onnx",
    )  # fmt: skip
    group.add_argument(
        "--embedder-spec", metavar="FILE",
        help="JSON that says what an ONNX embedder takes: size, layout, colour, mean, std, ...",
    )  # fmt: skip
    group.add_argument(
        "--views", type=int,
        help="1: the chip; 2: and its mirror image (default); 6: three crops, mirrored; slower",
    )  # fmt: skip


def named(table: Iterable[str], what: str) -> Callable[[str], str]:
    """A parser of ``name`` or ``name:PATH`` for argparse."""

    def check(text: str) -> str:
        name = text.partition(":")[0].partition("@")[0]
        if name not in table:
            known = ", ".join(table)
            raise argparse.ArgumentTypeError(
                f"invalid choice: there is no {what} named {name!r}; known are: {known}"
            )
        return text

    return check


def _join_recipe(args: Any) -> None:
    """Let ``args.detector`` and ``args.embedder`` hold what belongs to them.

    Raises UsageError for a threshold or a spec without its network.
    """
    from openfaceplus.errors import UsageError
    from openfaceplus.recipe import EmbedderChoice

    threshold = getattr(args, "detector_threshold", None)
    spec = getattr(args, "embedder_spec", None)
    if threshold is not None:
        if args.detector is None:
            raise UsageError("--detector-threshold goes with --detector NAME:PATH")
        name, colon, path = args.detector.partition(":")
        args.detector = f"{name}@{threshold}{colon}{path}"
    if spec is not None:
        if args.embedder is None:
            raise UsageError("--embedder-spec goes with --embedder NAME:PATH")
        args.embedder = EmbedderChoice(args.embedder, os.path.abspath(spec))


def add_photos(to: argparse.ArgumentParser) -> None:
    """Options of commands that read many photos."""
    add_jobs(to)
    add_max_pixels(to)


def add_max_pixels(to: argparse.ArgumentParser) -> None:
    """The limit on photos."""
    from openfaceplus.images import MAX_PIXELS

    to.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS, metavar="N",
        help="refuse photos of more pixels (default: %(default)s)",
    )  # fmt: skip


def add_jobs(to: argparse.ArgumentParser) -> None:
    """The number of processes."""
    to.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")


def run(
    parse: argparse.ArgumentParser, argv: list[str] | None, command: Callable[[Any], int]
) -> int:
    """Parse, set up logging, run the command and turn errors into one line and a status."""
    args = parse.parse_args(sys.argv[1:] if argv is None else argv)
    # A name with bytes that are not UTF-8 must not stop the run that prints it.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING, format="%(message)s", force=True
    )
    try:
        _join_recipe(args)
        return command(args)
    except OpenFacePlusError as error:
        if args.debug:
            raise
        flag = _option(parse, error.field)
        text = f"{flag}: {error}" if flag and flag not in str(error) else str(error)
        return _stop(parse.prog, text, CANNOT)
    except MemoryError:
        if args.debug:
            raise
        return _stop(parse.prog, "out of memory; try fewer --jobs or smaller photos", CANNOT)
    except KeyboardInterrupt:
        return _stop(
            parse.prog, "interrupted; the same command goes on where it stopped", INTERRUPTED
        )
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if args.debug:
            raise
        message = f"{type(error).__name__}: {error}; this should not happen: please report what "
        return _stop(parse.prog, message + "--debug shows", CANNOT)


def _option(parse: argparse.ArgumentParser, field: str | None) -> str | None:
    """The flag of the option that a parameter comes from, in the parser or its sub-commands."""
    called = {"confidence_level": "sure", "lda_dim": "ldaDim", "per": "far_per"}
    for action in parse._actions:
        if field and action.option_strings and action.dest == called.get(field, field):
            return max(action.option_strings, key=lambda flag: flag.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for mode in action.choices.values():
                if flag := _option(mode, field):
                    return flag
    return None


def _stop(program: str, message: str, status: int) -> int:
    sys.stdout.flush()
    print(f"{program}: {' '.join(shown(line) for line in message.splitlines())}", file=sys.stderr)
    return status


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], object]]:
    """A bar with rate and time left on standard error, once two seconds have passed."""
    from tqdm import tqdm

    with tqdm(
        total=total, desc=label, unit=" photos", delay=2, dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 10,
        disable=total == 0,
    ) as bar:  # fmt: skip
        yield bar.update


def waiting(what: str) -> None:
    """Say once that another command is waited for."""
    print(f"{what} ...", file=sys.stderr, flush=True)


class DownloadProgress:
    """A bar for a model's download, given to ``weights.require``."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=total, desc="downloading model", unit="B", unit_scale=True, unit_divisor=1024
            )
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
            self._bar = None


def report(summary: Any, as_json: bool, verbose: bool) -> int:
    """Print what became of a stage's inputs and give the exit status that follows."""
    for remark in summary.remarks:
        print(remark, file=sys.stderr)
    if as_json:
        print_json(
            {
                "stage": summary.verb,
                "table": str(summary.table),
                "photos": len(summary.rows),
                "usable": summary.succeeded,
                "counts": summary.counts,
            }
        )
    else:
        if verbose:
            for row in summary.rows:
                print(f"{row['status']:>13}  {shown(row.get('photo') or row['chip'])}")
        for row in summary.rows:
            if row["status"] not in summary.usable:
                print(f"  {row['status']}: {shown(row['reason'])}", file=sys.stderr)
        print(summary)
    return SOME_FAILED if summary.failed else OK


def print_json(data: Any) -> None:
    """One JSON value on one line of standard output."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(finite(data), ensure_ascii=not unicode))


def finite(data: Any) -> Any:
    """The same with None for numbers that JSON lacks: infinite ones and NaN."""
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data
