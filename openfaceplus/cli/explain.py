"""``openfaceplus explain``: one photo, step by step, as pictures and a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say

if TYPE_CHECKING:
    from openfaceplus.model import Model
    from openfaceplus.pipeline import Pipeline

_STEPS = ("hog", "landmarks", "align")


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus explain PHOTO``."""
    parse = common.parser(
        "openfaceplus explain",
        "Show how a photo becomes a name: the faces found, what the detector sees, landmarks, the "
        "aligned chip, the embedding, and who is near, as pictures and one page that tells the "
        "story in order. Exit status 1 if no face is found.",
        "  openfaceplus explain photo.jpg -m model/ -o out/\n"
        "  openfaceplus explain party.jpg --face 2\n"
        "  openfaceplus explain photo.jpg --step hog",
    )
    parse.add_argument("photo", metavar="PHOTO", help="a photo; - reads it from standard input")
    parse.add_argument(
        "-m", "--model", metavar="MODEL",
        help="a model folder or classifier.pkl (default: none, so that nobody is named)",
    )  # fmt: skip
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("explained"), metavar="DIR",
        help="where the pictures and index.html go (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument("--step", choices=_STEPS, help="only the picture of one step")
    parse.add_argument(
        "--face", dest="number", type=int, default=1, metavar="N",
        help="which face to follow, from the most prominent down (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument(
        "--far", type=options.rate, metavar="RATE",
        help="share of strangers' faces that the model may accept (default: as trained)",
    )  # fmt: skip
    options.add_max_pixels(parse)
    options.add_overwrite(parse)
    options.add_recipe(parse)
    return common.run(parse, argv, _explain)


def _explain(args: argparse.Namespace) -> int:
    from openfaceplus.files import spare
    from openfaceplus.model import Policy
    from openfaceplus.stages.explain import explain
    from openfaceplus.stages.page import PAGE

    if args.step is None:
        spare(args.output / PAGE)
    explained = explain(
        common.photo_of(args.photo), args.output, _source(args), number=args.number,
        step=args.step, policy=Policy(args.far), max_pixels=args.max_pixels,
    )  # fmt: skip
    if args.json:
        print_json(explained.to_dict())
    else:
        found = explained.number is not None
        if explained.decision is not None:
            say(f"{explained.photo}: {explained.decision}")
        elif not found:
            say(f"{explained.photo}: no face found")
        say(f"see {explained.files.get('page') or explained.files[args.step]}")
    return common.OK if explained.number is not None else common.SOME_FAILED


def _source(args: argparse.Namespace) -> Model | Pipeline:
    """The model, or without one what the recipe's options ask for."""
    from openfaceplus.errors import UsageError
    from openfaceplus.model import Model
    from openfaceplus.pipeline import Pipeline
    from openfaceplus.recipe import AUTO

    more = {"commercial": args.commercial, "progress": common.DownloadProgress()}
    if args.model is None:
        if args.far is not None:
            raise UsageError(
                "without a model there is nobody to accept", field="far", remedy="name a model"
            )
        return Pipeline(options.recipe_of(args), **more)
    if any((args.profile, args.embedder, args.views, args.points)):
        raise UsageError("a model brings its recipe", remedy="leave out its options, or the model")
    return Model.load(args.model, detector=None if args.detector == AUTO else args.detector, **more)
