"""``openfaceplus train``: photos in a folder per person -> a model, in one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from openfaceplus.cli import align, common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.remote import location
from openfaceplus.words import counted

_REMARKS = 20  # printed; on thousands of people there may be many


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus train PHOTOS -o MODEL``."""
    parse = common.parser(
        "openfaceplus train",
        "Align, represent and train: a folder per person with photos becomes a model folder.",
        "  openfaceplus train training-images/ -o model/\n"
        "  openfaceplus train training-images/ -o model/ --views 6 --commercial\n"
        "  openfaceplus train s3://bucket/training-images -o model/",
    )
    parse.add_argument(
        "input", type=location, metavar="PHOTOS",
        help="a folder with one folder a person, or its URL",
    )  # fmt: skip
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("model"), metavar="MODEL",
        help="the model folder (default: %(default)s)",
    )  # fmt: skip
    add_training(parse)
    align.add_alignment(parse)
    options.add_device(parse)
    options.add_recipe(parse)
    options.add_photos(parse)
    options.add_cluster(parse)
    return common.run(parse, argv, _train)


def add_training(to: argparse.ArgumentParser, openface: bool = False) -> None:
    """Options of training proper, shared with ``demos/classifier.py train``."""
    from openfaceplus.classify.names import KINDS

    to.add_argument(
        "--classifier", choices=KINDS, default="LinearSvm",
        help="what gives a face its name (default: %(default)s)",
    )  # fmt: skip
    to.add_argument(
        "--ldaDim" if openface else "--lda-dim", type=int, default=0, metavar="N", dest="lda_dim",
        help="project to N dimensions by linear discriminant analysis first",
    )  # fmt: skip
    group = to.add_argument_group("strangers")
    group.add_argument(
        "--far", type=options.rate, default=0.01, metavar="RATE",
        help="share of strangers' faces that may be accepted (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--sure", type=options.rate, metavar="P",
        help="meet the rate with this confidence, such as 0.95, and not only on average",
    )  # fmt: skip
    group.add_argument(
        "--strangers", type=location, metavar="FOLDER",
        help="photos of people who are not to be known, one each or a folder each",
    )  # fmt: skip
    group.add_argument(
        "--strict", action="store_true", help="refuse data that do not support the rate"
    )


def settings_of(args: argparse.Namespace) -> Any:
    """The classifier's settings among a command's options."""
    from openfaceplus.classify.training import Settings

    return Settings(args.classifier, args.lda_dim, args.far, args.sure)


def options_of(args: argparse.Namespace) -> Any:
    """The other training options among a command's."""
    from openfaceplus.stages.train import TrainOptions

    return TrainOptions(args.strangers, args.strict, args.jobs, args.commercial)


def _train(args: argparse.Namespace) -> int:
    from openfaceplus.stages.train import train_photos

    made = train_photos(
        args.input, args.output, options.recipe_of(args), align.options_of(args),
        settings_of(args), options_of(args), device=options.device_of(args),
        progress=common.progress, waiting=common.waiting,
    )  # fmt: skip
    if not args.json:
        common.report(made.aligned, False, args.verbose)
        if made.represented.failed:
            common.report(made.represented, False, args.verbose)
    for summary in (made.aligned, made.represented):
        for remark in summary.remarks:
            say(remark, file=sys.stderr)
    common.say_limits(made.aligned.counts)
    report(made.classifier, made.path, args.json, made.aligned.counts)
    return common.SOME_FAILED if made.aligned.failed or made.represented.failed else common.OK


def report(
    classifier: Any, path: Path, as_json: bool, counts: dict[str, int] | None = None
) -> None:
    """Say what was trained, what its threshold rests on, and where it lies."""
    from openfaceplus.classify import wording
    from openfaceplus.stages.train import remarks
    from openfaceplus.store.layout import PICTURE

    people, photos = len(classifier.people), len(classifier.labels)
    threshold = classifier.calibrate()
    odd = remarks(classifier)
    if as_json:
        rests_on = threshold.to_dict()
        data = {
            "classifier": str(path),
            "people": people,
            "photos": photos,
            "space": classifier.space,
            "threshold": rests_on,
            "remarks": odd,
        }
        print_json(data | ({} if counts is None else {"counts": counts}))
        return
    say(f"Training for {counted(people, 'class', 'classes')}.")
    if classifier.settings.kind == "LinearSvm" and classifier.namer is None and people > 1:
        say("Names are given by the nearest template: a linear SVM of so many people takes long "
            "and names no better.")  # fmt: skip
    say(*wording.lines(threshold, people))
    for remark in odd[:_REMARKS]:
        say(f"look: {remark}", file=sys.stderr)
    if len(odd) > _REMARKS:
        say(f"look: and {len(odd) - _REMARKS} more such remarks; --json has all", file=sys.stderr)
    say(f"Saving classifier to '{path}'")
    if (picture := path.with_name(PICTURE)).is_file():
        say(f"Scores of strangers and of the enrolled: {picture}")
