"""``openfaceplus cohort``: strangers that say which score is enough, for every model."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.remote import location


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus cohort [list | build FOLDER | remove SPACE]``."""
    parse = common.parser(
        "openfaceplus cohort",
        "Strangers whose scores against your gallery say which score is enough for a rate. One of\n"
        "made-up faces ships for the default network; one built from photos of real people, best\n"
        "like those who will come by, is surer, and makes any other embedder's rates known. It\n"
        "stays on this machine and serves all models that are trained from then on.",
        "  openfaceplus cohort build photos-of-many-people/\n"
        "  openfaceplus cohort build --lfw\n"
        "  openfaceplus cohort build photos-of-many-people/ --embedder arcface:w600k_r50.onnx\n"
        "  openfaceplus cohort list",
    )
    parse.set_defaults(command=_list)
    actions = parse.add_subparsers(dest="action", metavar="[list | build | remove]")
    listed = actions.add_parser("list", help="list all (the default)")
    listed.set_defaults(command=_list)
    build = actions.add_parser("build", help="embed many people's photos and keep the vectors")
    build.add_argument(
        "folder", type=location, nargs="?", metavar="FOLDER",
        help="photos of many people, 600 or more if you can: one each, or a folder each; "
        "or their URL",
    )  # fmt: skip
    build.add_argument(
        "--lfw", action="store_true",
        help="fetch Labeled Faces in the Wild (243 MB, 5,749 people; needs the internet)",
    )  # fmt: skip
    options.add_recipe(build)
    options.add_jobs(build)
    options.add_cluster(build)
    build.set_defaults(command=_build)
    remove = actions.add_parser("remove", help="delete a cohort that was built here")
    remove.add_argument("space", metavar="SPACE", help="the embedding, as list shows it; or all")
    remove.set_defaults(command=_remove)
    for action in (listed, build, remove):
        common.add_everywhere(action, argparse.SUPPRESS)
    return common.run(parse, argv, lambda args: args.command(args))


def _list(args: argparse.Namespace) -> int:
    from openfaceplus.classify import cohort
    from openfaceplus.words import counted

    rows: list[dict[str, Any]] = [
        {"space": space, "people": len(made.vectors), "data": made.data, "path": str(path)}
        for space, made, path in cohort.built()
    ]
    if args.json:
        print_json(rows)
        return common.OK
    for row in rows:
        say(f"{row['space']}: {counted(row['people'], 'person', 'people')} of {row['data']}")
        say(f"    lies in  {row['path']}")
    if not rows:
        say("None was built here; the default network's rates rest on the one that ships.")
    return common.OK


def _build(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError
    from openfaceplus.stages import cohort
    from openfaceplus.words import counted

    if args.lfw == (args.folder is not None):
        raise UsageError("name a folder of photos, or give --lfw", field="folder")
    recipe = options.recipe_of(args)
    download = common.DownloadProgress("downloading LFW")
    folder = cohort.fetch_lfw(download) if args.lfw else args.folder
    made = cohort.build(
        folder, recipe, "Labeled Faces in the Wild" if args.lfw else "",
        commercial=args.commercial, jobs=args.jobs, progress=common.progress,
    )  # fmt: skip
    people = len(made.cohort.vectors)
    for remark in made.remarks:
        say(remark, file=sys.stderr)
    if args.json:
        print_json({
            "space": made.space, "people": people, "photos": made.photos, "failed": made.failed,
            "path": str(made.path), "table": made.table and str(made.table),
        })  # fmt: skip
        return common.OK
    say(f"A cohort of {counted(people, 'person', 'people')} for {made.space}: {made.path}")
    if made.failed:
        say(f"{counted(made.failed, 'photo')} of {made.photos:,} showed no usable face.")
    if made.table is not None:
        say(f"Thresholds for verify, whois and find, from the same photos: {made.table}")
    say("Models trained from now on use it; train those you have again.")
    return common.OK


def _remove(args: argparse.Namespace) -> int:
    from openfaceplus.classify import cohort
    from openfaceplus.errors import UsageError
    from openfaceplus.words import nearest

    here = {space: path for space, _, path in cohort.built()}
    chosen = list(here) if args.space == "all" else [args.space]
    if unknown := [space for space in chosen if space not in here]:
        raise UsageError(
            f"no cohort was built for {unknown[0]!r}", field="space",
            remedy=nearest(unknown[0], here),
        )  # fmt: skip
    for space in chosen:
        here[space].unlink()
        say(f"deleted {here[space]}")
    return common.OK
