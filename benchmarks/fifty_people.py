"""The commands as a user runs them: 50 people of LFW, 3 photos each to train, and 300 strangers.

    .venv/bin/python benchmarks/fifty_people.py ../shared/data/lfw-dev/lfw [--seed 0] [train
    options]

Prints how many of the people's other faces were accepted, how many of those named right, and how
many strangers' photos were accepted.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PEOPLE, ENROLLED, LEAST, STRANGERS = 50, 3, 6, 300


def main() -> None:
    """Train on links to the photos, infer the others, count."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("lfw", type=Path)
    parse.add_argument("--seed", type=int, default=0)
    args, options = parse.parse_known_args()
    generator = random.Random(args.seed)
    photos = {person.name: sorted(person.iterdir()) for person in sorted(args.lfw.iterdir())}
    people = generator.sample([name for name in photos if len(photos[name]) >= LEAST], PEOPLE)
    strangers = generator.sample([name for name in photos if len(photos[name]) == 1], STRANGERS)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in people:
            (root / "training-images" / name).mkdir(parents=True)
            for photo in photos[name][:ENROLLED]:
                (root / "training-images" / name / photo.name).symlink_to(photo.resolve())
        run("train", root / "training-images", "-o", root / "model", *options)
        probes = [photo for name in people for photo in photos[name][ENROLLED:]]
        known = infer(root / "model", probes)
        unknown = infer(root / "model", [photos[name][0] for name in strangers])
    truth = [photo.parent.name for photo in probes]
    named = [(name, person) for name, person in zip(known, truth, strict=True) if name]
    right = sum(name == person for name, person in named)
    false = sum(name is not None for name in unknown)
    print(f"accepted {len(named)} of {len(probes)} ({len(named) / len(probes):.1%})")
    print(f"of these named right {right} ({right / max(1, len(named)):.2%})")
    print(f"strangers accepted {false} of {len(unknown)} ({false / len(unknown):.1%})")


def run(*words: object) -> str:
    """The output of an ``openfaceplus`` command; failed photos are no reason to stop."""
    command = [
        sys.executable,
        "-c",
        "import sys; from openfaceplus.cli import main; sys.exit(main())",
    ]
    done = subprocess.run(
        [*command, *map(str, words)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)
    return done.stdout


def infer(model: Path, photos: list[Path]) -> list[str | None]:
    """The name of the face in each photo, None for a stranger or no face."""
    lines = run("infer", "-m", model, "--json", *photos).splitlines()
    faces = [json.loads(line)["faces"] for line in lines]
    return [found[0]["name"] if found else None for found in faces]


if __name__ == "__main__":
    main()
