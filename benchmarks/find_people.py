"""``openfaceplus find`` on people of LFW: precision and recall at the default rate.

    .venv/bin/python benchmarks/find_people.py ../shared/data/lfw-dev/lfw

For each of five people: four references, and a pile of 60 photos of which 10 show the person; the
other 50 are of as many other people. A photo counts, not a face: LFW's photos show bystanders too.
``--draws`` repeats it with other people and photos.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from openfaceplus.stages.find import FindOptions, find

REFERENCES, SHOWN, PILE, PEOPLE = 4, 10, 60, 5


def main() -> None:
    """Print a row a person and one for all."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("lfw", type=Path)
    parse.add_argument("--far", type=float, default=FindOptions().far)
    parse.add_argument("--table", type=Path, help="a threshold table")
    parse.add_argument("--draws", type=int, default=1)
    parse.add_argument("--seed", type=int, default=5)
    parse.add_argument("--keep", type=Path, help="leave the folders there, to look at")
    args = parse.parse_args()
    generator = random.Random(args.seed)
    photos = {
        folder.name: sorted(folder.iterdir())
        for folder in sorted(args.lfw.iterdir())
        if folder.is_dir()
    }
    able = [name for name, theirs in photos.items() if len(theirs) >= REFERENCES + SHOWN]
    print(f"{'person':28} {'found':>7} {'missed':>7} {'wrong':>6} {'precision':>10} {'recall':>7}")
    totals = [0, 0, 0]
    for _ in range(args.draws):
        for person in generator.sample(able, PEOPLE):
            counts = judge(person, photos, generator, args)
            totals = [a + b for a, b in zip(totals, counts, strict=True)]
            print(line(person, *counts), flush=True)
    print(line("all", *totals))


def judge(
    person: str, photos: dict[str, list[Path]], generator: random.Random, args: argparse.Namespace
) -> tuple[int, int, int]:
    """How many of the ten were found and missed, and how many of the fifty were taken wrongly."""
    theirs = generator.sample(photos[person], REFERENCES + SHOWN)
    others = generator.sample([name for name in photos if name != person], PILE - SHOWN)
    pile = theirs[REFERENCES:] + [generator.choice(photos[name]) for name in others]
    with tempfile.TemporaryDirectory() as temporary:
        root = (args.keep or Path(temporary)) / person
        links(root / "knowns" / person, theirs[:REFERENCES])
        links(root / "unknowns", pile)
        options = FindOptions(far=args.far, table=args.table)
        search = find(root / "knowns", root / "unknowns", root / "results", options)
    for remark in search.remarks:
        print(f"  {remark}")
    right = {path.name for path in theirs}
    taken = [result["photo"] for result in search.results if result["matches"]]
    found = sum(name in right for name in taken)
    return found, SHOWN - found, len(taken) - found


def links(folder: Path, paths: list[Path]) -> None:
    """A folder of links to photos."""
    folder.mkdir(parents=True)
    for path in paths:
        (folder / path.name).symlink_to(path.resolve())


def line(person: str, found: int, missed: int, wrong: int) -> str:
    """A row of the table."""
    precision = f"{100 * found / (found + wrong):.1f}%" if found + wrong else "-"
    recall = f"{100 * found / (found + missed):.1f}%"
    return f"{person:28} {found:7} {missed:7} {wrong:6} {precision:>10} {recall:>7}"


if __name__ == "__main__":
    main()
