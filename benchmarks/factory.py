"""Makes ``openfaceplus/classify/factory.json``: scores of strangers and of enrolled people by
gallery size and photos a person, as quantiles over draws of people.

    .venv/bin/python benchmarks/factory.py ../shared/data/lfw-dev/lfw -o evaluation --write
    .venv/bin/python benchmarks/factory.py ../shared/data/lfw-dev/lfw -o evaluation --judge

``--judge`` makes the table from one half of the people and prints, for rates asked, those achieved
on the other half. Takes about 20 minutes on two cores once the folder is embedded.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import openset
from openfaceplus.classify.factory import Factory
from openfaceplus.recipe import recipe
from openfaceplus.stages.embedded import embed_folder

ROOT = Path(__file__).resolve().parents[1]
DRAWS = {1: 200, 2: 120, 5: 80, 10: 50, 20: 30, 50: 14, 100: 7, 200: 4, 400: 2, 1000: 1, 3000: 1}
PHOTOS = (1, 2, 3, 5, 10)
LEVELS = np.concatenate(
    [np.linspace(0, 0.875, 18), [0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.993],
     [0.995, 0.997, 0.998, 0.999, 0.9995]]
)  # fmt: skip
GENUINE_LEVELS = np.linspace(0, 1, 19)
PROBES = 5  # of one person in one draw
RATES = (0.1, 0.05, 0.02, 0.01, 0.003, 0.001)
# One table serves several spaces, their scores shifted by medians of the differences: views raise
# them, at every size and rate within 0.001 of this; so do integers of 8 bits, by 0 to 0.0011
# for strangers accepted at rates of 5% and less.
OFFSETS = {
    "dlib-resnet-v1": {
        "dlib-resnet-v1/1v": -0.0023, "dlib-resnet-v1/2v": 0.0, "dlib-resnet-v1/6v": 0.0026,
        "dlib-resnet-v1-int8/1v": -0.0016, "dlib-resnet-v1-int8/2v": 0.0007,
        "dlib-resnet-v1-int8/6v": 0.0033,
    },
}  # fmt: skip


def main() -> None:
    """Measure on all people, or on one half and judge on the other."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("lfw", type=Path)
    parse.add_argument("-o", "--output", type=Path, default=Path("evaluation"))
    parse.add_argument("--embedder", metavar="NAME[:PATH]", help="the network (default: dlib)")
    parse.add_argument(
        "--write", action="store_true", help="write factory.json, other networks' rows as they were"
    )
    parse.add_argument(
        "--judge", action="store_true", help="make it on one half, judge on the other"
    )
    args = parse.parse_args()
    folder = embed_folder(args.lfw, args.output, recipe(embedder=args.embedder))
    people: dict[str, list[np.ndarray]] = {}
    for person, vector in zip(folder.people, folder.vectors, strict=True):
        if np.isfinite(vector[0]):
            people.setdefault(person, []).append(vector)
    faces = [np.stack(vectors) for vectors in people.values()]
    center = np.mean([unit(vectors.mean(axis=0)) for vectors in faces], axis=0)
    params = openset.ScoreParams(center=unit(center).astype(np.float32))
    if args.judge:
        order = np.random.default_rng(7).permutation(len(faces))
        made, judged = ([faces[i] for i in order[k::2]] for k in range(2))
        judge(Factory("one half", params, measure(made, params)), judged, params)
        return
    table = measure(faces, params)
    space, weights = folder.space.split("@")
    network = space.removesuffix("/2v")
    offsets = OFFSETS.get(network, {space: 0.0})
    row = {
        "spaces": {f"{name}@{weights}": shift for name, shift in offsets.items()},
        "data": f"{args.lfw.parent.name} ({len(faces):,} people of LFW, deep-funneled)",
        "params": {
            "rivals": params.rivals, "hub": params.hub, "mean": params.mean, "floor": params.floor,
            "center": [round(float(x), 6) for x in params.center],
        },
        "table": table,
    }  # fmt: skip
    if args.write:
        write(row, ROOT / "openfaceplus/classify/factory.json")
    else:
        print(json.dumps(row))


def write(row: dict[str, Any], path: Path) -> None:
    """Put a row into the file, in place of those that serve one of its spaces."""
    kept = [old for old in json.loads(path.read_text()) if not old["spaces"].keys() & row["spaces"]]
    lines = [json.dumps(each, separators=(",", ":")) for each in (*kept, row)]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def measure(faces: list[np.ndarray], params: openset.ScoreParams) -> dict[str, Any]:
    """Quantiles (people, photos, levels); cells that cannot be drawn follow from neighbours."""
    shape = len(DRAWS), len(PHOTOS)
    strangers = np.full((*shape, len(LEVELS)), np.nan)
    genuine = np.full((*shape, len(GENUINE_LEVELS)), np.nan)
    misnamed = np.full(shape, np.nan)
    generator = np.random.default_rng(3)
    for j, photos in enumerate(PHOTOS):
        able = [i for i, vectors in enumerate(faces) if len(vectors) >= photos]
        for i, (size, draws) in enumerate(DRAWS.items()):
            if size > len(able) or size > len(faces) - 300:
                continue
            found = [draw(faces, able, size, photos, params, generator) for _ in range(draws)]
            strangers[i, j] = np.quantile(np.concatenate([f[0] for f in found]), LEVELS)
            scores = np.concatenate([f[1] for f in found])
            if len(scores) > 50:
                genuine[i, j] = np.quantile(scores, GENUINE_LEVELS)
                misnamed[i, j] = np.mean(np.concatenate([f[2] for f in found]))
    return {
        "people": list(DRAWS),
        "photos": list(PHOTOS),
        "stranger_levels": LEVELS.round(4).tolist(),
        "genuine_levels": GENUINE_LEVELS.round(4).tolist(),
        "strangers": np.maximum.accumulate(filled(strangers), axis=0).round(4).tolist(),
        "genuine": filled(genuine).round(4).tolist(),
        "misnamed": filled(misnamed).round(4).tolist(),
    }


def draw(
    faces: list[np.ndarray],
    able: list[int],
    size: int,
    photos: int,
    params: openset.ScoreParams,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One gallery: scores of strangers, of rightly named probes, and which probes were misnamed."""
    chosen = generator.choice(able, size, replace=False)
    shuffled = [generator.permutation(faces[i]) for i in chosen]
    vectors = np.concatenate([mine[:photos] for mine in shuffled])
    numbers = [f"{number}" for number in range(size)]
    scorer = openset.Scorer.of(vectors, np.repeat(np.arange(size), photos), numbers, params)
    others = np.setdiff1d(np.arange(len(faces)), chosen)
    unknown = np.stack([generator.choice(faces[i]) for i in others])
    _, strangers = nearest(scorer, unknown)
    rest = [mine[photos : photos + PROBES] for mine in shuffled]
    probes = np.concatenate(rest)
    if not len(probes):
        return strangers, np.empty(0), np.empty(0)
    named, scores = nearest(scorer, probes)
    wrong = named != np.repeat(np.arange(size), [len(mine) for mine in rest])
    return strangers, scores[~wrong], wrong


def nearest(scorer: openset.Scorer, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest people's numbers, and the scores for them."""
    among = scorer.candidates(vectors)
    return among.who[:, 0], scorer.score(vectors, among.who[:, 0], among)


def filled(table: np.ndarray) -> np.ndarray:
    """Empty cells from the next smaller gallery, plus what one photo less shows of its growth."""
    for j in range(table.shape[1]):
        for i in range(table.shape[0]):
            if not np.isnan(table[i, j]).any():
                continue
            if i:
                drift = table[i, j - 1] - table[i - 1, j - 1] if j else 0
                table[i, j] = table[i - 1, j] + drift
            else:
                table[i, j] = table[i, j - 1]
    return table


def judge(made: Factory, faces: list[np.ndarray], params: openset.ScoreParams) -> None:
    """Print the rates that one half's thresholds achieve on the other's people."""
    generator = np.random.default_rng(11)
    print("people x photos   " + "  ".join(f"{rate:.1%} asked" for rate in RATES))
    for size, photos, draws in ((1, 1, 200), (5, 3, 60), (20, 1, 30), (50, 3, 20), (150, 3, 6)):
        able = [i for i, vectors in enumerate(faces) if len(vectors) >= photos]
        scores = np.concatenate(
            [draw(faces, able, size, photos, params, generator)[0] for _ in range(draws)]
        )
        achieved = [np.mean(scores > made.threshold(size, photos, rate)) for rate in RATES]
        print(f"{size:4} x {photos}          " + "  ".join(f"{rate:10.2%}" for rate in achieved))


def unit(vector: np.ndarray) -> np.ndarray:
    """The vector at length one."""
    return vector / np.linalg.norm(vector)


if __name__ == "__main__":
    main()
