"""``openfaceplus infer``: who is in new photos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say

if TYPE_CHECKING:
    from openfaceplus.model import Identified, Model, Policy
    from openfaceplus.remote import Location


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus infer -m MODEL PHOTO ...``."""
    parse = common.parser(
        "openfaceplus infer",
        "Name the people in photos, or say that they are unknown.",
        "  openfaceplus infer -m model/ photo.jpg\n"
        "  openfaceplus infer -m model/ --far 0.001 photo.jpg\n"
        "  openfaceplus infer -m model/ --multi --annotate labelled/ party/*.jpg\n"
        "  openfaceplus infer -m model/ s3://bucket/photos",
    )
    parse.add_argument(
        "-m", "--model", metavar="MODEL",
        help="a model folder or classifier.pkl (default: $OPENFACEPLUS_CLASSIFIER, or the one "
        "below the working folder)",
    )  # fmt: skip
    parse.add_argument(
        "photos", nargs="+", metavar="PHOTO",
        help="photos, or folders of photos, or their URLs; - reads a photo from standard input",
    )  # fmt: skip
    add_inference(parse)
    options.add_cluster(parse)
    return common.run(parse, argv, lambda args: infer(args, args.model, args.photos))


def add_inference(to: argparse.ArgumentParser) -> None:
    """Options of inference, shared with ``demos/classifier.py infer``."""
    to.add_argument("--multi", action="store_true", help="name all faces, from left to right")
    group = to.add_argument_group("strangers")
    group.add_argument(
        "--far", type=options.rate, metavar="RATE",
        help="share of strangers' faces that may be accepted (default: as trained)",
    )  # fmt: skip
    group.add_argument(
        "--sure", type=options.rate, metavar="P", help="meet --far with this confidence"
    )
    group.add_argument(
        "--far-per", choices=("face", "photo"), default="face",
        help="what the rate is of: with photo, several faces share it (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--threshold",
        type=float,
        metavar="S",
        help="accept scores from S up (0: a usual stranger's, 1: that of somebody enrolled)",
    )
    group.add_argument(
        "--prior", type=options.rate, default=0.5, metavar="P",
        help="share of strangers among the faces, for the confidence (default: %(default)s)",
    )  # fmt: skip
    to.add_argument(
        "--annotate", type=Path, metavar="DIR",
        help="write the photos there with labelled boxes: green known, red unknown",
    )  # fmt: skip
    to.add_argument(
        "--detector", metavar="NAME[:PATH]", type=options.detector,
        help="what finds faces (default: as trained)",
    )  # fmt: skip
    options.add_photos(to)
    options.add_overwrite(to)
    options.add_device(to)


def infer(args: argparse.Namespace, model_path: str | None, photos: Sequence[str]) -> int:
    """Print who is in each photo; 1 if any photo failed, after all others were done."""
    from openfaceplus.errors import InTheWay, UnwritablePicture, UsageError
    from openfaceplus.model import Model, Policy

    sources = common.photos_of(photos)
    if not sources:
        raise UsageError(
            f"{', '.join(photos)}: holds no photos", remedy="name photos, or folders of them"
        )
    model = Model.load(
        model_path,
        detector=args.detector,
        network=getattr(args, "network", None),
        predictor=getattr(args, "predictor", None),
        commercial=args.commercial,
        device=options.device_of(args),
        progress=common.DownloadProgress(),
    )
    policy = Policy(args.far, args.sure, args.far_per, args.threshold, args.prior)
    chip = model.pipeline.recipe.through or model.pipeline.recipe.chip
    options.check_size(args, chip.size)
    _say_unsupported(model, policy)
    paths = [path for path, _ in sources]
    names = _annotation_names(paths)
    failed = False
    statuses = set()
    results = model.identify_many(
        [source for _, source in sources],
        policy=policy,
        largest=not args.multi,
        jobs=args.jobs,
        max_pixels=args.max_pixels,
        keep_photos=bool(args.annotate),
    )
    with common.progress("infer", len(paths)) as advance:
        for path, found in zip(paths, results, strict=True):
            if args.annotate and found.decisions:
                try:
                    _annotate(args.annotate / names[path], found)
                except UnwritablePicture as error:
                    found = replace(found, error=error)
                except InTheWay as error:
                    kept = UnwritablePicture(error.problem, remedy=error.remedy, field=error.field)
                    found = replace(found, error=kept)
            failed |= found.status != "ok"
            statuses.add(found.status)
            if args.json:
                print_json(found.to_dict(path))
            else:
                _print(path, found, args.multi)
            advance()
    common.say_limits(statuses)
    return common.SOME_FAILED if failed else common.OK


def _say_unsupported(model: Model, policy: Policy) -> None:
    """Where the user asked for a rate, say if the enrolled people do not support it."""
    from openfaceplus.classify import wording

    if policy.far is not None and policy.threshold is None:
        threshold = model.threshold(policy)
        if threshold.short is not None or threshold.uses == "nobody":
            say(*wording.lines(threshold, len(model.classifier.people)), file=sys.stderr)


def _print(path: Location, found: Identified, multi: bool) -> None:
    from openfaceplus.model import centre
    from openfaceplus.words import counted

    say("", f"=== {path} ===")
    if error := found.problem(path):
        say(f"No {'picture' if found.decisions else 'result'}: {error}")
    if not found.decisions:
        return
    if multi:
        say("List of faces in image from left to right")
    for decision in found.decisions:
        place = f" @ x={centre(decision.box)}" if multi and decision.box else ""
        if decision.name is not None:
            name = decision.name
            say(f"Predict {name}{place} with {decision.confidence:.2f} confidence.")
            continue
        if decision.second is not None:
            say(f"Predict unsure between {decision.closest} and {decision.second}{place}.")
            continue
        why = f"closest: {decision.closest}"
        if decision.note:
            why = f"{decision.note.replace('_', ' ')} to be recognised; {why}"
        say(f"Predict unknown{place} ({why}).")
    if found.others:
        # Standard output holds what OpenFace prints.
        more = f"at least {counted(found.others, 'more face')}"
        say(f"{path}: {more}; --multi names all", file=sys.stderr)


def _annotate(to: Path, found: Identified) -> None:
    from openfaceplus.images import save_image
    from openfaceplus.model import annotate, numbers_of

    assert found.photo is not None
    save_image(to, annotate(found.photo, found.decisions))
    say(f"annotated: {to}", file=sys.stderr)
    for name, number in numbers_of(found.decisions).items():
        say(f"  {number} there: {name}", file=sys.stderr)


def _annotation_names(paths: Sequence[Location]) -> dict[Location, str]:
    """A name for each photo's picture; photos of one name from two folders get a number."""
    names: dict[Location, str] = {}
    taken: set[str] = set()
    for path in paths:
        suffix = (
            path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") else ".png"
        )
        for number in range(1, len(paths) + 2):
            name = path.stem + ("" if number == 1 else f"-{number}") + suffix
            if name not in taken:
                break
        names.setdefault(path, name)
        taken.add(name)
    return names
