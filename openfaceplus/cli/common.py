"""What all commands share: options, running, photos from standard input, progress."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from openfaceplus.cli.output import finite, line, listen, print_json, say
from openfaceplus.cli.problems import OK, SOME_FAILED, stop
from openfaceplus.errors import UsageError
from openfaceplus.files import sharing

if TYPE_CHECKING:
    from openfaceplus.faces import ChipSpec
    from openfaceplus.recipe import Recipe
    from openfaceplus.stages.summary import Summary

_MOST_BYTES = 1 << 30  # of a photo on standard input
__all__ = ["OK", "SOME_FAILED", "finite", "line", "print_json", "say"]  # and what is below
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


def add_recipe(to: argparse.ArgumentParser, detection: bool = True) -> None:
    """Options that decide how a photo becomes an embedding; without ``detection`` a chip."""
    from openfaceplus.embedding import EMBEDDERS
    from openfaceplus.recipe import PROFILES, Recipe

    usual = Recipe()
    group = to.add_argument_group("recipe")
    group.add_argument("--profile", choices=PROFILES, help="what belongs together (default: dlib)")
    if detection:
        _add_detection(group, usual.detector)
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


def _add_detection(group: argparse._ArgumentGroup, usual: str) -> None:
    from openfaceplus.detect import AUTO, DETECTORS

    group.add_argument(
        "--detector", metavar="NAME[:PATH]", type=named((*DETECTORS, "auto"), "detector"),
        help=f"what finds faces: {', '.join(DETECTORS)} (default: {usual}); auto: the "
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


def recipe_of(args: argparse.Namespace, chip: ChipSpec | None = None) -> Recipe:
    """The recipe that a command's options ask for, with chips of a kind if one is given."""
    from openfaceplus.recipe import profile_for, recipe

    given = vars(args)
    network, points = given.get("network"), given.get("points")
    if points is None and chip is not None:
        # The mouth is not among five landmarks; and OpenFace's network was trained on 68.
        points = 68 if chip.template == "innerEyesAndBottomLip" else profile_for(chip).landmarks
    return recipe(
        args.profile or ("openface" if network else "dlib"),
        detector=given.get("detector"),
        landmarks=points,
        chip=chip,
        embedder=args.embedder,
        views=args.views,
        predictor=given.get("predictor"),
        network=network,
    )


def check_size(args: argparse.Namespace, actual: int) -> None:
    """Refuse OpenFace's ``--imgDim`` where chips have another size, in pixels."""
    if vars(args).get("size") not in (None, actual):
        raise UsageError(
            f"chips have {actual} pixels a side here, not {args.size}",
            field="size",
            remedy="leave it out: the size is known",
        )


def add_device(to: argparse.ArgumentParser, openface: bool = False) -> None:
    """What runs the network; in OpenFace's spelling with one dash too."""
    one = ("-cuda",) if openface else ()
    to.add_argument(*one, "--cuda", action="store_true", help="use the graphics processor")
    one = ("-device",) if openface else ()
    number = "the number of a graphics processor, from 1 as in Lua" if openface else "cuda:N"
    to.add_argument(*one, "--device", help=f"cpu, cuda or {number} (default: cpu)")


def device_of(args: argparse.Namespace) -> str:
    """What these options name: cpu, cuda or cuda:N. Raises UsageError for a number without
    ``--cuda``, which would say nothing."""
    device: str | None = args.device
    if device is None:
        return "cuda" if args.cuda else "cpu"
    if not device.isdigit():
        return device
    if not args.cuda:
        raise UsageError(
            f"{device} is the number of a graphics processor",
            field="device",
            remedy="give --cuda as well, or leave it out",
        )
    return f"cuda:{max(0, int(device) - 1)}"


def rate(text: str) -> float:
    """A parser of a share for argparse: ``0.01`` or ``1%``."""
    number = text.strip()
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no rate: give a share such as 0.01, or a percentage such as 1%"
        ) from error


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


def _join_recipe(args: argparse.Namespace) -> None:
    """Let ``args.detector`` and ``args.embedder`` hold what belongs to them.

    Raises UsageError for a threshold or a spec without its network.
    """
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


def photo_of(argument: str) -> Path | bytes:
    """A photo that a command line names: a path, or for ``-`` what standard input holds.

    Raises UsageError for more than a photo may have.
    """
    if argument != "-":
        return Path(argument)
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UsageError(f"standard input holds more than {_MOST_BYTES >> 20} MiB: no photo")
    return data


def photos_of(arguments: Sequence[str]) -> list[tuple[Path, Path | bytes]]:
    """The photos that arguments name, folders among them: what to call each, and where to read it.

    Raises UsageError if standard input is named twice.
    """
    from openfaceplus.images import photos_in

    if arguments.count("-") > 1:
        raise UsageError("standard input is named twice", remedy="it holds one photo")
    photos: list[tuple[Path, Path | bytes]] = []
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
    # A name with bytes that are not UTF-8 must not stop the run that prints it.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        _join_recipe(args)
        with sharing(args.shared), warnings.catch_warnings():
            listen(args.verbose, args.debug or bool(sys.warnoptions))
            return command(args)
    except BrokenPipeError:
        # The reader of our output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (Exception, KeyboardInterrupt) as error:
        if args.debug and not isinstance(error, KeyboardInterrupt):
            raise
        return stop(parse, error, args.json)


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
    say(f"{what} ...", file=sys.stderr)


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
