"""What all commands share: options, running, photos from standard input, progress."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from openfaceplus.cli import options
from openfaceplus.cli.output import line, listen, print_json, say
from openfaceplus.cli.problems import stop
from openfaceplus.cli.process import CANNOT, OK, SOME_FAILED
from openfaceplus.errors import UsageError
from openfaceplus.files import overwriting, sharing
from openfaceplus.hosts import elsewhere
from openfaceplus.memory import limited
from openfaceplus.remote import MOST_BYTES, Location, location

if TYPE_CHECKING:
    from openfaceplus.stages.summary import Summary

_FEWEST_ADDRESSES = 768 << 20  # OpenCV and ONNX Runtime were seen to crash with 700 MB
__all__ = ["CANNOT", "OK", "SOME_FAILED"]  # and what is below
STATUSES = "exit status: 0 all done, 1 some photos failed, 2 nothing could be done, 130 interrupted"


class Parser(argparse.ArgumentParser):
    """Takes options between its arguments too, and prints nothing raw that it was given."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # The intermixed way calls this method again; with sub-commands it is theirs to take.
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def error(self, message: str) -> NoReturn:
        super().error(line(message))


def parser(name: str, about: str, examples: str) -> Parser:
    """A parser with the options that every command has."""
    made = Parser(
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
        ("--debug", "show the traceback of an error, and warnings of libraries"),
        ("--shared", "let others read what is written, as the umask says (default: only you)"),
        ("--commercial", "refuse models whose licence forbids commercial use"),
    ):
        group.add_argument(flag, action="store_true", default=default, help=text)


def photo_of(argument: str) -> Location | bytes:
    """A photo that a command line names: a path or URL, or for ``-`` what standard input holds.

    Raises UsageError for more than a photo may have.
    """
    if argument != "-":
        return location(argument)
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageError(f"standard input holds more than {MOST_BYTES >> 20} MiB: no photo")
    return data


def photos_of(arguments: Sequence[str]) -> list[tuple[Location, Location | bytes]]:
    """The photos that arguments name, folders among them: what to call each, and where to read it.

    Raises UsageError if standard input is named twice.
    """
    from openfaceplus.images import photos_in

    if arguments.count("-") > 1:
        raise UsageError("standard input is named twice", remedy="it holds one photo")
    photos: list[tuple[Location, Location | bytes]] = []
    for argument in arguments:
        if argument == "-":
            photos.append((Path(argument), photo_of(argument)))
        else:
            photos += [(path, path) for path in photos_in([argument])]
    return photos


def run(
    parse: argparse.ArgumentParser,
    argv: list[str] | None,
    command: Callable[[argparse.Namespace], int],
) -> int:
    """Parse, set up logging, run the command and turn errors into one line and a status."""
    args = parse.parse_args(sys.argv[1:] if argv is None else argv)
    try:
        options.join_recipe(args)
        allowed = getattr(args, "overwrite", False)
        ceiling = limited(getattr(args, "max_memory", None))
        with sharing(args.shared), overwriting(allowed), ceiling, warnings.catch_warnings():
            listen(args.verbose, args.debug or bool(sys.warnoptions))
            _check_addresses()
            with _host(args):
                return command(args)
    except BrokenPipeError:
        return OK  # the reader of our output, such as head, has seen enough
    except (Exception, KeyboardInterrupt) as error:
        if args.debug and not isinstance(error, KeyboardInterrupt):
            raise
        return stop(parse, error, args.json)


def _host(args: argparse.Namespace) -> AbstractContextManager[object]:
    """Where the command's processes run. Raises UsageError for a cluster's graphics processors."""
    address = getattr(args, "ray", None)
    if address is None:
        return nullcontext()
    if hasattr(args, "device") and options.device_of(args) != "cpu":
        raise UsageError(
            "the processes of a cluster work on its processors",
            field="device",
            remedy="leave out the cluster, or the graphics processor",
        )
    from openfaceplus.cluster import cluster

    return cluster(address)


def _check_addresses() -> None:
    """Raises MemoryError where libraries have so few addresses that they crash (ulimit -v)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= limit < _FEWEST_ADDRESSES:
        raise MemoryError


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], object]]:
    """A bar with rate and time left on standard error, once two seconds have passed."""
    from tqdm import tqdm

    host = elsewhere()

    def advance() -> None:
        if host is not None:
            speeds = (f"{name} {speed:.1f}/s" for name, speed in host.speeds().items())
            bar.set_postfix_str(", ".join(speeds), refresh=False)
        bar.update()

    with tqdm(
        total=total, desc=label, unit=" photos", delay=2, dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 10,
        disable=total == 0,
    ) as bar:  # fmt: skip
        yield advance


class FrameProgress:
    """A bar a video with frames a second and time left, once two seconds have passed."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, video: str, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=total, desc=line(os.path.basename(video)), unit=" frames", delay=2,
                dynamic_ncols=True, mininterval=0.5 if sys.stderr.isatty() else 10,
            )  # fmt: skip
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """The video is done."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None


def waiting(what: str) -> None:
    """Say once that another command is waited for."""
    say(f"{what} ...", file=sys.stderr)


class DownloadProgress:
    """A bar for a download, given to what fetches, such as ``weights.require``."""

    def __init__(self, label: str = "downloading model") -> None:
        self._label = label
        self._bar: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=total, desc=self._label, unit="B", unit_scale=True, unit_divisor=1024
            )
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
            self._bar = None


def say_limits(statuses: Iterable[str]) -> None:
    """Name the options that say which photos are too large, if some were."""
    if "too_large" in statuses:
        say("how large photos may be is set by --max-pixels and --max-memory", file=sys.stderr)


def report(summary: Summary, as_json: bool, verbose: bool) -> int:
    """Print what became of a stage's inputs and give the exit status that follows."""
    for remark in summary.remarks:
        say(remark, file=sys.stderr)
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
                say(f"{row['status']:>13}  {row.get('photo') or row['chip']}")
        for row in summary.rows:
            if row["status"] not in summary.usable:
                say(f"  {row['status']}: {row['reason']}", file=sys.stderr)
        say(summary)
    return SOME_FAILED if summary.failed else OK
