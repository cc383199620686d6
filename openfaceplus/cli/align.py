"""``openfaceplus align`` and OpenFace's ``util/align-dlib.py``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.remote import location
from openfaceplus.words import counted

OPENFACE_LANDMARKS = ("outerEyesAndNose", "innerEyesAndBottomLip")


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus align PHOTOS -o CHIPS``."""
    parse = common.parser(
        "openfaceplus align",
        "Find the face in every photo of a folder-per-person tree and cut an aligned chip.",
        "  openfaceplus align training-images/ -o aligned-images/\n"
        "  openfaceplus align training-images/ -o aligned-images/ --profile openface",
    )
    parse.add_argument(
        "input", type=location, metavar="PHOTOS",
        help="a folder with one folder a person, or its URL",
    )  # fmt: skip
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("aligned-images"), metavar="CHIPS",
        help="where chips and alignment.csv go (default: %(default)s)",
    )  # fmt: skip
    add_alignment(parse)
    options.add_recipe(parse)
    options.add_photos(parse)
    return common.run(parse, argv, lambda args: _align(args, args.input, args.output, None))


def script(argv: list[str] | None = None) -> int:
    """OpenFace's grammar: ``align-dlib.py PHOTOS align LANDMARKS CHIPS [--size 96]``."""
    parse = common.parser(
        "align-dlib.py",
        "Align a folder-per-person tree of photos, or compute their mean landmarks.",
        "  ./util/align-dlib.py training-images/ align outerEyesAndNose aligned-images/ --size 96\n"
        "  ./util/align-dlib.py training-images/ computeMean --numImages 100",
    )
    parse.add_argument("inputDir", type=location, help="a folder with one folder a person")
    _add_predictor(parse, None)
    modes = parse.add_subparsers(dest="mode", required=True)
    mean = modes.add_parser("computeMean", help="write mean.csv and std.csv of the landmarks")
    mean.add_argument("--numImages", type=int, default=0, help="how many photos; 0 for all")
    mean.add_argument(
        "--modelDir", type=Path, default=Path("."), help="where the files go (default: here)"
    )
    options.add_photos(mean)
    options.add_overwrite(mean)
    align = modes.add_parser("align", help="cut aligned chips")
    align.add_argument("landmarks", choices=OPENFACE_LANDMARKS, help="what to align by")
    align.add_argument("outputDir", type=Path, help="where chips and alignment.csv go")
    align.add_argument("--size", type=int, default=96, help="side in pixels (default: %(default)s)")
    align.add_argument(
        "--version", type=int, choices=(1, 2), default=1, help="OpenFace's; both give the same here"
    )
    add_alignment(align, openface=True)
    options.add_recipe(align, openface=True)
    options.add_photos(align)
    for mode in (mean, align):
        _add_predictor(mode, argparse.SUPPRESS)
        common.add_everywhere(mode, argparse.SUPPRESS)
    return common.run(parse, argv, _script)


def _script(args: argparse.Namespace) -> int:
    from openfaceplus.faces import ChipSpec

    if args.mode == "computeMean":
        return _mean(args)
    return _align(args, args.inputDir, args.outputDir, ChipSpec(args.size, args.landmarks))


def _add_predictor(to: argparse.ArgumentParser, default: Any) -> None:
    to.add_argument(
        "--dlibFacePredictor", metavar="FILE", default=default, dest="predictor",
        help="a shape predictor of dlib in place of the installed ones",
    )  # fmt: skip


def add_alignment(to: argparse.ArgumentParser, openface: bool = False) -> None:
    """Options of alignment beside the recipe."""
    to.add_argument(
        "--skipMulti" if openface else "--skip-multi", action="store_true", dest="skip_multi",
        help="leave out photos with several faces",
    )  # fmt: skip
    to.add_argument(
        "--fallbackLfw" if openface else "--fallback", type=Path, metavar="DIR", dest="fallback",
        help="where no face is found, copy DIR/<person>/<photo>.jpg instead",
    )  # fmt: skip
    to.add_argument(
        "--keep-flawed", action="store_true",
        help="keep faces too small or too blurred to be recognised",
    )  # fmt: skip
    options.add_overwrite(to)


def options_of(args: argparse.Namespace) -> Any:
    """The alignment options among a command's."""
    from openfaceplus.stages.align import AlignOptions

    return AlignOptions(
        skip_multi=args.skip_multi,
        keep_flawed=args.keep_flawed,
        fallback=args.fallback,
        max_pixels=args.max_pixels,
        commercial=args.commercial,
    )


def _align(args: argparse.Namespace, photos: Path, output: Path, chip: Any) -> int:
    from openfaceplus.stages.align import align

    summary = align(
        photos, output, options.recipe_of(args, chip), options_of(args),
        jobs=args.jobs, progress=common.progress, waiting=common.waiting,
    )  # fmt: skip
    common.say_limits(summary.counts)
    return common.report(summary, args.json, args.verbose)


def _mean(args: argparse.Namespace) -> int:
    from openfaceplus.stages.mean import mean_landmarks

    count = mean_landmarks(
        args.inputDir, args.modelDir, predictor=args.predictor, sample=args.numImages,
        commercial=args.commercial, jobs=args.jobs, progress=common.progress,
    )  # fmt: skip
    if args.json:
        print_json({"photos": count, "mean": str(args.modelDir / "mean.csv")})
    else:
        say(
            f"mean and deviation of landmarks of {counted(count, 'face')}: "
            f"{args.modelDir}/mean.csv, std.csv"
        )
    return common.OK
