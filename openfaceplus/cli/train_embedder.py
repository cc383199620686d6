"""``openfaceplus train-embedder``: photos -> a network that turns faces into numbers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.words import counted, percent

if TYPE_CHECKING:
    from openfaceplus.stages.train_embedder import TrainEmbedderOptions


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus train-embedder PHOTOS -o RUN``."""
    parse = common.parser(
        "openfaceplus train-embedder",
        "Train a network that turns faces into numbers, from photos in a folder per person: to\n"
        "keep people apart (triplet loss, ArcFace, ...), or to give the numbers that a teacher\n"
        "gives. What comes of it is a folder for --embedder. A run that was stopped goes on where\n"
        "it was; people who are not trained on say how good it is.",
        "  openfaceplus train-embedder photos/ -o run/ --teacher dlib\n"
        "  openfaceplus train-embedder photos/ -o run/ --network small --loss triplet\n"
        "  openfaceplus train-embedder photos/ -o run/ --loss arcface --from run0/weights.pt\n"
        "  openfaceplus train-embedder --summary --network nn4.small2\n"
        "  openfaceplus cohort build photos/ --embedder run/",
    )
    parse.add_argument(
        "input", type=Path, nargs="?", metavar="PHOTOS_OR_CHIPS",
        help="a folder with one folder a person, of photos or of chips that align cut",
    )  # fmt: skip
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("run"), metavar="RUN",
        help="the folder to write (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument(
        "--summary", action="store_true",
        help="only print the network's layers with the shape of their output and parameters",
    )  # fmt: skip
    _add_network(parse)
    _add_lesson(parse)
    _add_loop(parse)
    options.add_jobs(parse)
    return common.run(parse, argv, _run)


def _add_network(to: argparse.ArgumentParser) -> None:
    group = to.add_argument_group("network")
    group.add_argument(
        "--network", default="nn4.small2", metavar="NAME",
        help="nn4.small2, inception-resnet-v1, dlib-resnet or small (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--dim", type=int, default=128, help="numbers a vector (default: 128)")
    group.add_argument(
        "--from", type=Path, dest="weights", metavar="FILE", help="begin with these weights (.pt)"
    )
    group.add_argument(
        "--freeze", nargs="*", default=[], metavar="LAYER",
        help="layers that stay as they are: the beginnings of their names",
    )  # fmt: skip
    group.add_argument(
        "--export", choices=("onnx", "none"), default="onnx",
        help="none: no ONNX graph is written, and --embedder cannot take the folder",
    )  # fmt: skip


def _add_lesson(to: argparse.ArgumentParser) -> None:
    from openfaceplus.recipe import AUTO

    group = to.add_argument_group("what to learn")
    group.add_argument(
        "--teacher", metavar="EMBEDDER",
        help="learn this embedder's numbers, such as dlib's; nobody's name is needed",
    )  # fmt: skip
    group.add_argument(
        "--relation", type=float, default=0.1, metavar="W",
        help="weight of the likeness between faces beside the numbers (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--blend", type=float, default=0.7, metavar="SHARE",
        help="share of faces that are laid over others, so that there are more to learn the "
        "teacher's numbers of; in the end half of it (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--loss", default="triplet", metavar="NAME",
        help="without a teacher: triplet, or one of pytorch-metric-learning's, such as arcface, "
        "cosface, proxy-anchor, contrastive, supcon (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--mining", default="semi-hard", metavar="NAME",
        help="which triplets: random, semi-hard or batch-hard (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--margin", type=float, default=0.2, help="the triplet loss's alpha (0.2)")
    group.add_argument("--people", type=int, default=16, help="people in a batch (default: 16)")
    group.add_argument("--photos", type=int, default=4, help="photos of each (default: 4)")
    group.add_argument("--batch", type=int, default=64, help="faces in a teacher's batch (64)")
    group.add_argument(
        "--pairs", type=Path, metavar="FILE", help="check on the pairs of this file, as LFW's"
    )
    group.add_argument(
        "--folds", type=int, nargs="+", default=[], metavar="N",
        help="only the people of these folds of it are held out, from 1 (default: all)",
    )  # fmt: skip
    group.add_argument(
        "--detector", metavar="NAME[:PATH]", type=options.detector, default=AUTO,
        help="what finds faces in photos (default: %(default)s)",
    )  # fmt: skip


def _add_loop(to: argparse.ArgumentParser) -> None:
    group = to.add_argument_group("how to train")
    group.add_argument("--epochs", type=int, default=30, help="default: %(default)s")
    group.add_argument(
        "--learning-rate", type=float, default=2e-3, dest="rate", help="default: %(default)s"
    )
    group.add_argument("--weight-decay", type=float, default=0.02, dest="decay", help="0.02")
    group.add_argument(
        "--schedule", default="one-cycle", help="one-cycle, cosine or constant (one-cycle)"
    )
    group.add_argument(
        "--precision", default="auto",
        help="float32, bfloat16, or auto: bfloat16 where it is fast (default: %(default)s)",
    )  # fmt: skip
    group.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    group.add_argument("--seed", type=int, default=0, help="of all chance (default: 0)")
    group.add_argument(
        "--patience", type=int, default=0, metavar="N",
        help="stop after N epochs without a better one (default: 0, never)",
    )  # fmt: skip
    group.add_argument(
        "--average", type=float, default=0.999, metavar="SHARE",
        help="keep the mean of the network over its last steps, each weighing so many times as "
        "much as the next; 0: the network as it is (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--no-changes", action="store_true", help="train on the chips as they are, unchanged"
    )
    group.add_argument("--tensorboard", action="store_true", help="log for TensorBoard as well")


def _options(args: argparse.Namespace) -> TrainEmbedderOptions:
    from openfaceplus.extras import require
    from openfaceplus.stages.train_embedder import TrainEmbedderOptions

    require("torch", "training", "training an embedder")
    from openfaceplus.training.loop import LoopSettings

    loop = LoopSettings(
        args.epochs, args.rate, args.decay, args.schedule, args.precision, args.device, args.seed,
        args.patience, args.average, not args.no_changes, tuple(args.freeze),
    )  # fmt: skip
    same = ("network", "weights", "dim", "teacher", "relation", "blend", "batch", "loss", "mining",
            "margin", "people", "photos", "pairs", "detector", "tensorboard")  # fmt: skip
    given = {name: getattr(args, name) for name in same}
    return TrainEmbedderOptions(
        **given, folds=tuple(args.folds), onnx=args.export == "onnx", loop=loop
    )


def _run(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError

    chosen = _options(args)
    if args.summary:
        return _summary(args, chosen)
    if args.input is None:
        raise UsageError("name a folder of photos", field="input")
    from openfaceplus.stages.train_embedder import train_embedder

    def each(row: Any) -> None:
        done = f"epoch {row.epoch} of {args.epochs}: loss {row.loss:.4f}"
        right = f"{percent(row.score)} of pairs right of people held out"
        say(f"{done}, {right} ({row.seconds:.0f} s)", file=sys.stderr)

    made = train_embedder(
        args.input, args.output, chosen, jobs=args.jobs, progress=common.progress, each=each
    )
    best = made.best
    if args.json:
        print_json({
            "path": str(made.path), "epochs": len(made.history), "best": best.epoch,
            "accuracy": best.score, "counts": made.counts,
        })  # fmt: skip
        return common.OK
    people = counted(made.counts["people"], "person", "people")
    say(f"Trained on {counted(made.counts['photos'], 'photo')} of {people}: {made.path}")
    say(f"Of people held out it tells {percent(best.score)} of pairs apart (epoch {best.epoch}).")
    say(f"Use it: --embedder {made.path}; its thresholds: openfaceplus cohort build PHOTOS "
        f"--embedder {made.path}")  # fmt: skip
    return common.OK


def _summary(args: argparse.Namespace, chosen: TrainEmbedderOptions) -> int:
    from openfaceplus.stages.trainable import build, trainable
    from openfaceplus.training.networks import summary

    network = build(chosen.network, chosen.dim, chosen.loop.seed, chosen.weights)
    rows = summary(network, trainable(chosen.network).spec.size)
    total = sum(row.parameters for row in rows)
    if args.json:
        layers = [
            {"name": r.name, "kind": r.kind, "shape": r.shape, "parameters": r.parameters}
            for r in rows
        ]
        print_json({"network": chosen.network, "layers": layers, "parameters": total})
        return common.OK
    width = max(len(row.name) for row in rows)
    for row in rows:
        shape = " x ".join(map(str, row.shape))
        say(f"{row.name:{width}}  {row.kind:<12} {shape:<16} {row.parameters:>10,}")
    say(f"{chosen.network}: {total:,} parameters")
    return common.OK
