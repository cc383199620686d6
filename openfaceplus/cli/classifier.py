"""OpenFace's ``demos/classifier.py``: train on embeddings, name the people in photos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from openfaceplus.cli import common, infer, options, people, train


def script(argv: list[str] | None = None) -> int:
    """``classifier.py train EMBEDDINGS``, ``infer [MODEL] PHOTO ...`` and who is enrolled."""
    parse = common.parser(
        "classifier.py",
        "Train a classifier on embeddings, name the people in photos, add and remove people.",
        "  ./demos/classifier.py train ./generated-embeddings/\n"
        "  ./demos/classifier.py infer ./generated-embeddings/classifier.pkl photo.jpg\n"
        "  ./demos/classifier.py infer photo.jpg --multi\n"
        "  ./demos/classifier.py add Ada photos-of-ada/\n"
        "  ./demos/classifier.py remove Ada",
    )
    _add_networks(parse, None)
    modes = parse.add_subparsers(dest="mode", required=True)
    training = modes.add_parser("train", help="train on reps.csv and labels.csv")
    training.add_argument("workDir", type=Path, help="the folder that holds them")
    train.add_training(training, openface=True)
    options.add_jobs(training)
    options.add_max_memory(training)
    options.add_overwrite(training)
    inference = modes.add_parser("infer", help="name the people in photos")
    inference.add_argument(
        "arguments", nargs="+", metavar="[MODEL] PHOTO",
        help="photos or folders of photos; a first argument that ends in .pkl is the classifier",
    )  # fmt: skip
    inference.add_argument(
        "--classifier-model", metavar="MODEL",
        help="a model folder or classifier.pkl (default: $OPENFACEPLUS_CLASSIFIER, or "
        "generated-embeddings/classifier.pkl below the working folder)",
    )  # fmt: skip
    infer.add_inference(inference)
    for mode in (training, inference):
        _add_networks(mode, argparse.SUPPRESS)
        common.add_everywhere(mode, argparse.SUPPRESS)
    people.add_modes(modes)
    training.set_defaults(command=_train)
    inference.set_defaults(command=_infer)
    return common.run(parse, argv, lambda args: args.command(args))


def _add_networks(to: argparse.ArgumentParser, default: Any) -> None:
    to.add_argument(
        "--networkModel", metavar="FILE", default=default, dest="network",
        help="weights of the network, in place of those the classifier names",
    )  # fmt: skip
    to.add_argument(
        "--dlibFacePredictor", metavar="FILE", default=default, dest="predictor",
        help="a shape predictor of dlib in place of the installed ones",
    )  # fmt: skip
    to.add_argument(
        "--imgDim", type=int, default=default, dest="size",
        help="side of the chips in pixels; refused if the classifier's have another",
    )  # fmt: skip


def _train(args: argparse.Namespace) -> int:
    from openfaceplus.stages.train import train as train_embeddings
    from openfaceplus.store.layout import CLASSIFIER

    classifier = train_embeddings(
        args.workDir, train.settings_of(args), train.options_of(args),
        progress=common.progress, waiting=common.waiting,
    )  # fmt: skip
    train.report(classifier, args.workDir / CLASSIFIER, args.json)
    return common.OK


def _infer(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError

    model, photos = args.classifier_model, args.arguments
    if photos[0].endswith((".t7", ".pt")):
        raise UsageError(
            f"{photos[0]}: a network, not a classifier; pass classifier.pkl here and the network "
            "with --networkModel"
        )
    if photos[0].endswith(".pkl"):
        model, *photos = photos
    if not photos:
        raise UsageError("name at least one photo")
    return infer.infer(args, model, photos)
