"""``openfaceplus find`` and ``demos/find_person.py``: one person in a pile of photos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.cli.verify import add_comparison, comparison_of, measure_of
from openfaceplus.remote import location
from openfaceplus.words import counted

ABOUT = """\
Find one person, or several, in a pile of photos. Each face of each photo is compared with each
reference; the photo matches if a face is near enough. The pictures in --results have a green box
round the person and red boxes round others; open index.html there to see them all, matches first.
The same command again does only what is new.

The false-accept rate --far is that of a face of somebody else against all references of one
person: with n of them each comparison gets an nth of the rate (K nths with votes:K, all of it with
mean). A photo of ten strangers has ten chances; of several people sought each has the rate.
Photos without a face are no failures."""


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus find --knowns FOLDER --unknowns FOLDER --results FOLDER``."""
    return _main("openfaceplus find", argv)


def script(argv: list[str] | None = None) -> int:
    """``demos/find_person.py``."""
    return _main("demos/find_person.py", argv)


def _main(name: str, argv: list[str] | None) -> int:
    parse = common.parser(
        name,
        ABOUT,
        f"  {name} --knowns knowns/ --unknowns unknowns/ --results results/\n"
        f"  {name} --knowns ada/ --unknowns party/ --results found/ --far 0.0005\n"
        f"  {name} --distance 0.6 --rule votes:2",
    )
    parse.add_argument(
        "--knowns", type=location, default=Path("knowns"), metavar="FOLDER",
        help="photos of the person, or a folder of photos per person, or its URL "
        "(default: %(default)s)",
    )  # fmt: skip
    parse.add_argument(
        "--unknowns", type=location, default=Path("unknowns"), metavar="FOLDER",
        help="the photos to search, also in sub-folders, or their URL (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER",
        help="where pictures, matches.csv and index.html go (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument(
        "--rule", default="any", metavar="any|mean|votes:K",
        help="any: one reference is near enough; votes:K: K of them; mean: their mean distance is "
        "(default: %(default)s)",
    )  # fmt: skip
    options.add_overwrite(parse)
    add_comparison(parse)
    options.add_photos(parse)
    options.add_cluster(parse)
    options.add_recipe(parse)
    return common.run(parse, argv, _find)


def _find(args: argparse.Namespace) -> int:
    from openfaceplus.stages.contact_sheet import threshold_in_words
    from openfaceplus.stages.find import FindOptions, find
    from openfaceplus.stages.subjects import Rule

    comparison = comparison_of(args)
    progress = comparison.pop("progress")
    chosen = FindOptions(
        rule=Rule.parse(args.rule),
        **comparison,
    )
    with ExitStack() as stack:
        advance: list[Callable[[], object]] = []

        def begin(references: Any, remarks: Sequence[str], total: int) -> None:
            for remark in remarks:
                say(remark, file=sys.stderr)
            advance.append(stack.enter_context(common.progress("find", total)))

        def tell(result: dict[str, Any]) -> None:
            if args.json:
                print_json(_as_dict(args.unknowns, result))
            else:
                _print(args.unknowns, result)
            advance[0]()

        search = find(
            args.knowns, args.unknowns, args.results, chosen,
            jobs=args.jobs, progress=progress, begin=begin, tell=tell,
        )  # fmt: skip
    if args.json:
        print_json(
            {
                "photos": len(search.results),
                "matches": search.matches,
                "failed": search.failed,
                "kept": len(search.results) - search.fresh,
                "measure": measure_of(search.far),
                "limits": {name: round(x, 4) for name, x in search.references.limits.items()},
                "index": str(search.index),
            }
        )
    else:
        kept = len(search.results) - search.fresh
        failed = f", {search.failed} could not be used" if search.failed else ""
        again = f", {kept} kept from before" if kept else ""
        say("", f"{search.matches} of {counted(len(search.results), 'photo')} match{failed}{again} "
              f"({threshold_in_words(search.references, search.far)}); "
              f"see {search.index}")  # fmt: skip
    common.say_limits({result["status"] for result in search.results})
    return common.SOME_FAILED if search.failed else common.OK


def _print(unknowns: Path, result: dict[str, Any]) -> None:
    from openfaceplus.stages.contact_sheet import distance_of

    path, faces = unknowns / result["photo"], result["faces"]
    if not faces:
        say(f"{path}: {'no face found' if result['status'] == 'no_face' else 'not used'}")
    else:
        say(f"{path}: {counted(len(faces), 'face')}, nearest {distance_of(result):.3f}")
    if result["status"] not in ("ok", "no_face"):
        say(f"  {result['reason']}", file=sys.stderr)
    for face in faces:
        if face["decision"] == "match":
            say(f"  match! {face['subject']}: {face['distance']:.3f} from "
                  f"{face['reference']}")  # fmt: skip


def _as_dict(unknowns: Path, result: dict[str, Any]) -> dict[str, Any]:
    from openfaceplus.errors import PhotoError

    codes = {kind.status: kind.code for kind in PhotoError.__subclasses__()}
    code = codes.get(result["status"], PhotoError.code)
    error = {"code": code, "problem": result["reason"], "field": None, "remedy": None}
    return {
        "file": str(unknowns / result["photo"]),
        "match": bool(result["matches"]),
        "error": None if result["picture"] else error,
        "faces": [{**face, "subject": face["subject"] or None} for face in result["faces"]],
        "picture": result["picture"] or None,
    }
