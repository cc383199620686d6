"""Options that several commands have, and what they ask for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from openfaceplus.errors import UsageError
from openfaceplus.memory import bytes_of

if TYPE_CHECKING:
    from openfaceplus.faces import ChipSpec
    from openfaceplus.recipe import Recipe


def add_database(to: argparse.ArgumentParser) -> None:
    """Which database."""
    to.add_argument(
        "--db", metavar="WHERE",
        help="a folder for the database, or postgresql://... of a server of yours (default: "
        "$OPENFACEPLUS_DB, or a folder in your data folder)",
    )  # fmt: skip


def add_recipe(to: argparse.ArgumentParser, detection: bool = True, openface: bool = False) -> None:
    """Options that decide how a photo becomes an embedding; without ``detection`` a chip.

    In ``openface``'s scripts faces are found as OpenFace does.
    """
    from openfaceplus.embedding import EMBEDDERS
    from openfaceplus.recipe import AUTO, CLASSIC, PROFILES, Recipe

    usual = Recipe()
    group = to.add_argument_group("recipe")
    group.add_argument("--profile", choices=PROFILES, help="what belongs together (default: dlib)")
    if detection:
        _add_detection(group, CLASSIC if openface else AUTO)
    group.add_argument(
        "--embedder", metavar="NAME[:PATH]", type=_embedder,
        help=f"the network: {', '.join(EMBEDDERS)} (default: {usual.embedder}); PATH is its file, "
        "as in arcface:w600k_r50.onnx; or a folder that train-embedder left",
    )  # fmt: skip
    group.add_argument(
        "--embedder-spec", metavar="FILE",
        help="JSON that says what an ONNX embedder takes: size, layout, colour, mean, std, ...",
    )  # fmt: skip
    group.add_argument(
        "--views", type=int,
        help="1: the chip; 2: and its mirror image (default); 6: three crops, mirrored; slower",
    )  # fmt: skip


def _embedder(text: str) -> str:
    """A parser of ``--embedder``: a name, a name with a path, or a trained embedder's folder."""
    from openfaceplus.embedding import EMBEDDERS
    from openfaceplus.weights.trained import MANIFEST

    if text not in EMBEDDERS and os.path.isfile(os.path.join(text, MANIFEST)):
        return os.path.abspath(text)
    return named(EMBEDDERS, "embedder")(text)


def _add_detection(group: argparse._ArgumentGroup, usual: str) -> None:
    from openfaceplus.detect import AUTO, DETECTORS

    group.add_argument(
        "--detector", metavar="NAME[:PATH]", type=detector, default=usual,
        help=f"what finds faces: {', '.join(DETECTORS)}, or several, each looking where those "
        f"before found none, as in {'+'.join(AUTO)}; auto: those of that whose weights are here "
        "(default: %(default)s); PATH is the file of a network of yours (see docs/models.md)",
    )  # fmt: skip
    group.add_argument(
        "--upright", action="store_true",
        help="photos are upright: do not look again at them upside down where nothing was found",
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


def detector(text: str) -> str:
    """A parser of ``--detector`` for argparse."""
    from openfaceplus.detect import DETECTORS, TURNED, split_chain
    from openfaceplus.recipe import AUTO

    first, *others = split_chain(text)
    named(DETECTORS if others else (*DETECTORS, AUTO), "detector")(first)
    for name in others[:-1]:
        named(DETECTORS, "detector")(name)
    for name in others[-1:]:
        named((*DETECTORS, TURNED), "detector")(name)
    return text


def join_recipe(args: argparse.Namespace) -> None:
    """Let ``args.detector`` and ``args.embedder`` hold what belongs to them.

    Raises UsageError for a threshold or a spec without its network.
    """
    from openfaceplus.detect import upright
    from openfaceplus.recipe import AUTO, EmbedderChoice, detector_of

    if getattr(args, "upright", False):
        args.detector = upright(detector_of(args.detector))
    threshold = getattr(args, "detector_threshold", None)
    spec = getattr(args, "embedder_spec", None)
    if threshold is not None:
        if args.detector == AUTO:
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
    """The limits on photos."""
    from openfaceplus.images import MAX_PIXELS

    to.add_argument(
        "--max-pixels", type=int, default=MAX_PIXELS, metavar="N",
        help="refuse photos of more pixels (default: %(default)s)",
    )  # fmt: skip
    add_max_memory(to)


def add_max_memory(to: argparse.ArgumentParser) -> None:
    """The ceiling on what all processes of the command take."""
    to.add_argument(
        "--max-memory", type=_memory, metavar="SIZE",
        help="let large photos wait for each other so that all processes together stay below this, "
        "such as 2G or 40%% of what is free (default: 50%%)",
    )  # fmt: skip


def _memory(text: str) -> int:
    try:
        return bytes_of(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_overwrite(to: argparse.ArgumentParser) -> None:
    """The leave to replace what is not ours."""
    to.add_argument(
        "--overwrite", action="store_true",
        help="replace files that openfaceplus did not write, where one of its own would go",
    )  # fmt: skip


def add_cluster(to: argparse.ArgumentParser) -> None:
    """Where the processes run."""
    to.add_argument(
        "--ray", metavar="ADDRESS",
        help="run the processes on a Ray cluster: HOST:PORT, auto for the one that this machine is "
        "part of, or local:N for N processes of one started here (default: none)",
    )  # fmt: skip


def add_jobs(to: argparse.ArgumentParser) -> None:
    """The number of processes."""
    to.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")
