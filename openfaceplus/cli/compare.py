"""OpenFace's ``demos/compare.py``: the squared distance of each pair of photos."""

from __future__ import annotations

import argparse
from itertools import combinations

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say


def script(argv: list[str] | None = None) -> int:
    """``compare.py A B [C ...]``."""
    parse = common.parser(
        "compare.py",
        "Print the squared Euclidean distance between the faces of each pair of photos.",
        "  ./demos/compare.py a.jpg b.jpg c.jpg",
    )
    parse.add_argument("imgs", nargs="+", help="photos")
    parse.add_argument(
        "--dlibFacePredictor", metavar="FILE", dest="predictor", help="a shape predictor of dlib"
    )
    parse.add_argument(
        "--networkModel", metavar="FILE", dest="network", help="weights of nn4.small2"
    )
    parse.add_argument("--imgDim", type=int, dest="size", help="refused if the network's differs")
    options.add_max_pixels(parse)
    options.add_recipe(parse, openface=True)
    return common.run(parse, argv, _compare)


def _compare(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError
    from openfaceplus.verification import Comparer

    if len(args.imgs) < 2:
        raise UsageError("name at least two photos")
    chosen = options.recipe_of(args)
    options.check_size(args, chosen.chip.size)
    # The limit plays no part: distances are those of the network's own output.
    comparer = Comparer(
        chosen, distance=1.0, max_pixels=args.max_pixels, commercial=args.commercial,
        progress=common.DownloadProgress(),
    )  # fmt: skip
    vectors = {path: comparer.embed(path)[0] for path in dict.fromkeys(args.imgs)}
    for first, second in combinations(args.imgs, 2):
        difference = vectors[first] - vectors[second]
        squared = float(difference @ difference)
        if args.json:
            print_json({"first": first, "second": second, "squared_l2": round(squared, 6)})
        else:
            say(f"Comparing {first} with {second}.")
            say(f"  + Squared l2 distance between representations: {squared:0.3f}")
    return common.OK
