"""``openfaceplus evaluate``: error rates on photos of your own."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import finite, print_json, say
from openfaceplus.remote import Location, location

if TYPE_CHECKING:
    from openfaceplus.evaluate.protocols import Pair
    from openfaceplus.stages.embedded import EmbeddedFolder
    from openfaceplus.stages.evaluate_openset import OpenSetOptions


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus evaluate pairs FOLDER PAIRS`` and ``openfaceplus evaluate openset FOLDER``."""
    parse = common.parser(
        "openfaceplus evaluate",
        "Measure error rates, with intervals, on a folder with one folder of photos a person.",
        "  openfaceplus evaluate pairs lfw/ pairs.txt --all -o results/\n"
        "  openfaceplus evaluate openset lfw/ -o results/ --views 6\n"
        "  openfaceplus evaluate openset lfw/ --gallery 50 --repeats 100 --json\n"
        "  openfaceplus evaluate openset staff/ --strangers visitors/ --far 1%",
    )
    kinds = parse.add_subparsers(dest="kind", required=True)
    pairs = kinds.add_parser("pairs", help="one to one: LFW's pairs, or all against all")
    pairs.add_argument("folder", type=location, help="one folder of photos a person")
    pairs.add_argument("pairs", type=Path, help="a file in the format of LFW's pairs.txt")
    pairs.add_argument(
        "--folds", type=int, nargs="+", default=[], metavar="N",
        help="only these of its folds, from 1, and the photos of their people (default: all)",
    )  # fmt: skip
    pairs.add_argument("--all", action="store_true", help="also every photo against every other")
    pairs.add_argument(
        "--save-table", nargs="?", const=True, metavar="FILE",
        help="keep thresholds by rate, measured all against all, for verify, whois and find",
    )  # fmt: skip
    openset = kinds.add_parser("openset", help="one to many, with strangers")
    openset.add_argument("folder", type=location, help="one folder of photos a person")
    strangers = openset.add_mutually_exclusive_group()
    strangers.add_argument(
        "--strangers", type=location, metavar="FOLDER",
        help="photos of people who are in no photo of the folder, one each or a folder each "
        "(default: people of the folder with one photo)",
    )  # fmt: skip
    strangers.add_argument(
        "--hold-out", type=int, metavar="N",
        help="people who could be enrolled to use as strangers (default: none; a quarter of them "
        "where nobody has one photo)",
    )  # fmt: skip
    openset.add_argument("--enrol", type=int, default=3, metavar="N", help="photos a person (3)")
    openset.add_argument("--gallery", type=int, metavar="N", help="people to enrol (default: all)")
    openset.add_argument("--repeats", type=int, default=1, metavar="N", help="draws of a gallery")
    openset.add_argument(
        "--classifier", choices=("LinearSvm", "openface-svc"), default="LinearSvm",
        help="openface-svc: OpenFace's own recipe, as a baseline; slow (default: %(default)s)",
    )  # fmt: skip
    openset.add_argument(
        "--far", type=options.rate, nargs="+", default=[0.01, 0.02, 0.05, 0.1], metavar="RATE",
        help="rates to calibrate for without seeing the strangers (default: 0.01 0.02 0.05 0.1)",
    )  # fmt: skip
    openset.add_argument(
        "--sure", type=options.rate, metavar="P",
        help="calibrate with this confidence, such as 0.95",
    )  # fmt: skip
    for kind in (pairs, openset):
        kind.add_argument(
            "-o", "--output", type=Path, default=Path("evaluation"), metavar="DIR",
            help="where chips, embeddings, tables and plots go (default: %(default)s)",
        )  # fmt: skip
        kind.add_argument(
            "--groups", type=Path, metavar="CSV",
            help="lines `photo or person,group`: report each rate per group",
        )  # fmt: skip
        kind.add_argument("--leave-out", type=Path, metavar="FILE",
                          help="photos not to use, a path or name a line")  # fmt: skip
        options.add_recipe(kind)
        options.add_jobs(kind)
        options.add_max_memory(kind)
        options.add_overwrite(kind)
        common.add_everywhere(kind, argparse.SUPPRESS)
    return common.run(parse, argv, _evaluate)


def _evaluate(args: argparse.Namespace) -> int:
    from openfaceplus.extras import require
    from openfaceplus.files import MARK, atomic_write, spare
    from openfaceplus.stages.embedded import embed_folder

    # What is wrong with the other files is said before an hour of embedding.
    require("matplotlib", "plots", "drawing what was measured")
    groups = _groups(args.groups)
    leave_out = _lines(args.leave_out)
    measure: Callable[[EmbeddedFolder], dict[str, Any]]
    if args.kind == "pairs":
        pairs = _read_pairs(args.pairs, args.folds)
        measure = partial(_pairs, args, groups, pairs)
        if args.folds:
            leave_out |= _others(args.folder, pairs)
    else:
        measure = partial(_openset, args, groups, _openset_options(args, leave_out))
    report, data = (args.output / f"{args.kind}.{ending}" for ending in ("txt", "json"))
    spare(report)
    spare(data)
    folder = embed_folder(
        args.folder, args.output, options.recipe_of(args), leave_out=leave_out,
        commercial=args.commercial, jobs=args.jobs, progress=common.progress,
    )  # fmt: skip
    result = measure(folder)
    text = json.dumps(finite(result), indent=1)
    with atomic_write(data) as file:
        file.write(text.encode() + b"\n")
    table = _table(result)
    with atomic_write(report) as file:
        file.write("".join(f"{line}\n" for line in (*table, "", MARK)).encode())
    if args.json:
        print_json(result)
    else:
        say(*table)
        say(f"written to {args.output}: {args.kind}.json, {args.kind}.txt and plots")
    return common.OK


def _read_pairs(path: Path, folds: Collection[int]) -> list[Pair]:
    from openfaceplus.evaluate.protocols import read_pairs

    return read_pairs(path, folds)


def _others(folder: Location, pairs: Sequence[Pair]) -> frozenset[str]:
    """The photos of people who are in no pair."""
    from openfaceplus.images import walk

    people = {person for pair in pairs for person, _ in (pair.first, pair.second)}
    return frozenset(str(file.path) for file in walk(folder) if file.person not in people)


def _pairs(
    args: argparse.Namespace,
    groups: dict[str, str] | None,
    pairs: Sequence[Pair],
    folder: EmbeddedFolder,
) -> dict[str, Any]:
    from openfaceplus import thresholds
    from openfaceplus.stages import evaluate_pairs as stage

    result = stage.evaluate_pairs(folder, pairs, groups=groups, output=args.output)
    if args.all:
        result["all"] = stage.evaluate_all(folder)
    if args.save_table:
        table = stage.threshold_table(folder, args.folder.name)
        where = None if args.save_table is True else Path(args.save_table)
        result["table"] = str(thresholds.save(table, where))
    return result


def _openset_options(args: argparse.Namespace, leave_out: Collection[str]) -> OpenSetOptions:
    """The options, once it is known that there are people enough and strangers."""
    from openfaceplus.errors import UsageError
    from openfaceplus.images import walk
    from openfaceplus.stages.evaluate_openset import OpenSetOptions, split

    least = (("enrol", 1), ("repeats", 1), ("gallery", 1), ("hold_out", 0))
    for field, low in least:
        number = getattr(args, field)
        if number is not None and number < low:
            raise UsageError(f"{number} is not a number from {low} up", field=field)
    for field, rate in (*(("far", far) for far in args.far), ("sure", args.sure)):
        if rate is not None and not 0 < rate < 1:
            raise UsageError(f"{rate:g} is not a share above 0 and below 1", field=field)
    chosen = OpenSetOptions(
        enrol=args.enrol, gallery=args.gallery, repeats=args.repeats, classifier=args.classifier,
        fars=tuple(args.far), confidence_level=args.sure, hold_out=args.hold_out,
    )  # fmt: skip
    if args.strangers is not None:
        walk(args.strangers)
    used = (
        file.person
        for file in walk(args.folder)
        if file.person and not {str(file.path), file.path.name} & set(leave_out)
    )
    split(list(used), chosen, args.strangers is not None)
    return chosen


def _openset(
    args: argparse.Namespace,
    groups: dict[str, str] | None,
    chosen: OpenSetOptions,
    folder: EmbeddedFolder,
) -> dict[str, Any]:
    from openfaceplus.stages.embedded import embed_strangers
    from openfaceplus.stages.evaluate_openset import evaluate_openset

    strangers = None
    if args.strangers is not None:
        strangers = embed_strangers(
            args.strangers, options.recipe_of(args), folder.space, commercial=args.commercial,
            jobs=args.jobs, progress=common.progress,
        )  # fmt: skip
    return evaluate_openset(
        folder, chosen, strangers=strangers, groups=groups, output=args.output,
        progress=common.progress,
    )  # fmt: skip


def _lines(path: Path | None) -> frozenset[str]:
    from openfaceplus.errors import StorageError

    if path is None:
        return frozenset()
    try:
        return frozenset(filter(None, map(str.strip, path.read_text().splitlines())))
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: cannot be read ({error})") from error


def _groups(path: Path | None) -> dict[str, str] | None:
    from openfaceplus.errors import StorageError

    if path is None:
        return None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row[0]: row[1] for row in csv.reader(file) if row}
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise StorageError(f"{path}: needs lines of `photo or person,group` ({error})") from error


def _table(result: dict[str, Any], indent: str = "") -> list[str]:
    """The result as indented lines, rates as they are."""
    lines = []
    for key, value in result.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", *_table(value, f"{indent}  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                text = ", ".join(f"{k} {_number(v)}" for k, v in row.items() if v is not None)
                lines.append(f"{indent}{key}: {text}")
        else:
            lines.append(f"{indent}{key:<24} {_number(value)}")
    return lines


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, (list, tuple)):
        return " to ".join(_number(v) for v in value)
    return "not measured" if value is None else str(value)
