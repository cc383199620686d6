"""``openfaceplus represent`` and OpenFace's ``batch_represent/main.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from openfaceplus.cli import common, options
from openfaceplus.remote import location


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus represent CHIPS -o EMBEDDINGS``."""
    parse = common.parser(
        "openfaceplus represent",
        "Turn aligned chips into embeddings: reps.csv, labels.csv and representation.csv.",
        "  openfaceplus represent aligned-images/ -o generated-embeddings/\n"
        "  openfaceplus represent aligned-images/ -o generated-embeddings/ --views 6",
    )
    parse.add_argument(
        "data", type=location, metavar="CHIPS", help="a folder of aligned chips, or its URL"
    )
    parse.add_argument(
        "-o", "--output", type=Path, dest="outDir", default=Path("generated-embeddings"),
        help="where the files go (default: %(default)s)",
    )  # fmt: skip
    _add_work(parse)
    options.add_cluster(parse)
    options.add_recipe(parse, detection=False)
    return common.run(parse, argv, _represent)


def script(argv: list[str] | None = None) -> int:
    """OpenFace's grammar: ``main.py -outDir EMBEDDINGS -data CHIPS``."""
    parse = common.parser(
        "main.py",
        "Turn aligned chips into embeddings: reps.csv, labels.csv and representation.csv.",
        "  ./batch_represent/main.py -outDir ./generated-embeddings/ -data ./aligned-images/",
    )
    parse.add_argument("-outDir", type=Path, required=True, help="where the files go")
    parse.add_argument("-data", type=location, required=True, help="a folder of aligned chips")
    _add_work(parse, openface=True)
    options.add_recipe(parse, detection=False)
    return common.run(parse, argv, _represent)


def _add_work(to: argparse.ArgumentParser, openface: bool = False) -> None:
    spelled: tuple[str, ...] = ("-model", "--networkModel") if openface else ("--network",)
    to.add_argument(
        *spelled, dest="network", metavar="FILE",
        help="weights of nn4.small2: .pt, .t7 or a folder of CSV files",
    )  # fmt: skip
    spelled = ("-batchSize",) if openface else ()
    to.add_argument(
        *spelled, "--batch", type=int, default=16, dest="batch",
        help="chips at once (default: %(default)s)",
    )  # fmt: skip
    if openface:
        to.add_argument(
            "-imgDim", "--imgDim", type=int, dest="size",
            help="side of the chips in pixels; refused if they have another",
        )  # fmt: skip
    options.add_overwrite(to)
    options.add_device(to, openface)
    options.add_jobs(to)
    options.add_max_memory(to)


def _represent(args: argparse.Namespace) -> int:
    from openfaceplus.stages.align import read_alignment
    from openfaceplus.stages.represent import represent

    made, _ = read_alignment(args.data)
    if made is not None:
        options.check_size(args, made.settings["chip"]["size"])
    # Without these the chips say which network is theirs.
    chosen = options.recipe_of(args) if args.profile or args.embedder or args.network else None
    summary = represent(
        args.data, args.outDir, chosen,
        views=args.views, batch=args.batch, jobs=args.jobs,
        device=options.device_of(args), commercial=args.commercial, progress=common.progress,
        waiting=common.waiting,
    )  # fmt: skip
    return common.report(summary, args.json, args.verbose)
