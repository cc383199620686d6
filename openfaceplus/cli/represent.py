"""``openfaceplus represent`` and OpenFace's ``batch_represent/main.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from openfaceplus.cli import common


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus represent CHIPS -o EMBEDDINGS``."""
    parse = common.parser(
        "openfaceplus represent",
        "Turn aligned chips into embeddings: reps.csv, labels.csv and representation.csv.",
        "  openfaceplus represent aligned-images/ -o generated-embeddings/\n"
        "  openfaceplus represent aligned-images/ -o generated-embeddings/ --views 6",
    )
    parse.add_argument("data", type=Path, metavar="CHIPS", help="a folder of aligned chips")
    parse.add_argument(
        "-o", "--output", type=Path, dest="outDir", default=Path("generated-embeddings"),
        help="where the files go (default: %(default)s)",
    )  # fmt: skip
    _add_work(parse)
    common.add_recipe(parse)
    return common.run(parse, argv, _represent)


def script(argv: list[str] | None = None) -> int:
    """OpenFace's grammar: ``main.py -outDir EMBEDDINGS -data CHIPS``."""
    parse = common.parser(
        "main.py",
        "Turn aligned chips into embeddings: reps.csv, labels.csv and representation.csv.",
        "  ./batch_represent/main.py -outDir ./generated-embeddings/ -data ./aligned-images/",
    )
    parse.add_argument("-outDir", type=Path, required=True, help="where the files go")
    parse.add_argument("-data", type=Path, required=True, help="a folder of aligned chips")
    _add_work(parse)
    common.add_recipe(parse)
    return common.run(parse, argv, _represent)


def _add_work(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "-model", "--networkModel", dest="network", metavar="FILE",
        help="weights of nn4.small2: .pt, .t7 or a folder of CSV files",
    )  # fmt: skip
    to.add_argument(
        "-imgDim",
        "--imgDim",
        type=int,
        help="side of the chips in pixels; known from alignment.csv",
    )
    to.add_argument(
        "-batchSize", "--batch", type=int, default=16, dest="batch",
        help="chips at once (default: %(default)s)",
    )  # fmt: skip
    to.add_argument("-cuda", "--cuda", action="store_true", help="use the graphics processor")
    to.add_argument(
        "-device", "--device", default=None, help="cpu, cuda or the number of one (default: cpu)"
    )
    common.add_jobs(to)


def device_of(args: argparse.Namespace) -> str:
    """What ``-cuda`` and ``-device`` name: cpu, cuda or cuda:N. OpenFace counts from 1, as Lua."""
    device: str | None = args.device
    if device is None:
        return "cuda" if args.cuda else "cpu"
    if device.isdigit():
        return f"cuda:{max(0, int(device) - 1)}" if args.cuda else "cpu"
    return device


def _represent(args: argparse.Namespace) -> int:
    from openfaceplus import recipe as recipes
    from openfaceplus.stages.represent import represent

    chosen = None
    if args.profile or args.embedder or args.network:
        profile = args.profile or ("openface" if args.network else "dlib")
        chosen = recipes.recipe(profile, embedder=args.embedder, network=args.network)
    summary = represent(
        args.data, args.outDir, chosen,
        views=args.views, batch=args.batch, jobs=args.jobs, device=device_of(args),
        commercial=args.commercial, progress=common.progress, waiting=common.waiting,
    )  # fmt: skip
    return common.report(summary, args.json, args.verbose)
