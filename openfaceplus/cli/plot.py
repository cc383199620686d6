"""``openfaceplus plot``: embeddings as a map, and people against people."""

from __future__ import annotations

import argparse
from pathlib import Path

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus plot embeddings DIR`` and ``openfaceplus plot distances DIR``."""
    parse = common.parser(
        "openfaceplus plot",
        "Draw the people of a model: their photos as a map on which alike faces are near each "
        "other, or each person against each other.",
        "  openfaceplus plot embeddings model/ -o plots/\n"
        "  openfaceplus plot embeddings generated-embeddings/ --by pca\n"
        "  openfaceplus plot distances model/ --json",
    )
    kinds = parse.add_subparsers(dest="kind", required=True)
    embeddings = kinds.add_parser("embeddings", help="a map of all photos, as PNG and HTML")
    embeddings.add_argument(
        "--by", choices=("pca", "tsne", "umap"), default="tsne",
        help="how embeddings become two numbers; umap needs umap-learn (default: %(default)s)",
    )  # fmt: skip
    distances = kinds.add_parser("distances", help="people against people; most alike pairs")
    for kind in (embeddings, distances):
        kind.add_argument("folder", type=Path, metavar="DIR",
                          help="a model folder, or one of embeddings")  # fmt: skip
        kind.add_argument(
            "-o", "--output", type=Path, default=Path("plots"), metavar="DIR",
            help="where the pictures and pages go (default: %(default)s)",
        )  # fmt: skip
        options.add_overwrite(kind)
        common.add_everywhere(kind, argparse.SUPPRESS)
    return common.run(parse, argv, _plot)


def _plot(args: argparse.Namespace) -> int:
    from openfaceplus.extras import require

    for library in ("matplotlib", "jinja2"):
        require(library, "plots", "a plot")
    with common.progress("plot", 1) as advance:
        said = _map(args) if args.kind == "embeddings" else _distances(args)
        advance()
    if args.json:
        print_json(said[0])
    else:
        say(*said[1])
    return common.OK


def _map(args: argparse.Namespace) -> tuple[object, list[str]]:
    from openfaceplus.stages.plot import draw_map

    made = draw_map(args.folder, args.output, args.by)
    enrolled = made.enrolled
    points = [
        {"person": enrolled.people[label], "chip": chip, "x": x, "y": y, "odd": made.odd.get(i)}
        for i, (label, chip, (x, y)) in enumerate(
            zip(enrolled.labels.tolist(), enrolled.chips, made.places.tolist(), strict=True)
        )
    ]
    lines = [f"{enrolled.chips[i]}: {said}" for i, said in made.odd.items()]
    data = {"points": points, "files": {k: str(v) for k, v in made.files.items()}}
    return data, [*lines, f"see {made.files['html']} and {made.files['png']}"]


def _distances(args: argparse.Namespace) -> tuple[object, list[str]]:
    from openfaceplus.stages.plot import draw_distances

    made = draw_distances(args.folder, args.output)
    people = made.enrolled.people
    pairs = [
        {"people": [people[i], people[j]], "distance": round(float(made.distances[i, j]), 4)}
        for i, j in made.pairs
    ]
    lines = [f"{pair['distance']:.3f}  {people[i]} and {people[j]}"
             for pair, (i, j) in zip(pairs, made.pairs, strict=True)]  # fmt: skip
    data = {"pairs": pairs, "files": {k: str(v) for k, v in made.files.items()}}
    return data, ["Most alike:", *lines, f"see {made.files['html']} and {made.files['png']}"]
