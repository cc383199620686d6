"""How well people are found again in videos whose people are known (see make_videos.py).

    python benchmarks/make_videos.py LFW -o videos/ --strangers 200
    python benchmarks/reidentify.py videos/
    python benchmarks/reidentify.py videos/ --far 0.02 --one-by-one

The sequences are kept in videos/sequences.npz, so that only the first run reads the videos.

purity      share of a sequence's faces that are of the person most of them are of
B-cubed     of each sequence: which share of its person's sequences are of the same one (precision),
            and which share of that one's sequences are among them (recall); their means, and F
IDF1        of faces in frames with two or more: found and given the number that stands for their
            person in all videos (Ristani and others 2016); faces cut by the border do not count
people      numbers given, where the videos show so many
false joins share of the strangers, indexed after the others, who share a number with one of those
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from openfaceplus.classify import cohort
from openfaceplus.classify.linking import NEW, Sequences, link
from openfaceplus.classify.sequence_rule import SequenceRule
from openfaceplus.faces import Box
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.reidentify import together
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_sequences import VideoSequences
from openfaceplus.track.pooling import pool
from openfaceplus.video.source import open_video

Held = dict[str, np.ndarray]
OVERLAP, BORDER = 0.3, 12


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("videos_folder", type=Path, metavar="FOLDER")
    parse.add_argument("--detector", default="auto")
    parse.add_argument("--far", type=float, default=0.01)
    parse.add_argument("--one-by-one", action="store_true", help="link after each video")
    args = parse.parse_args()
    kept = args.videos_folder / "sequences.npz"
    if not kept.exists():
        np.savez(kept, **read(args.videos_folder, args.detector))
    held = dict(np.load(kept))
    rule = SequenceRule.of(cohort.find(str(held["space"])), held["vectors"].shape[1], args.far)
    print("| descriptor | purity | B-cubed | P | R | IDF1 | people | false joins |")
    print("| --- |" + " --- |" * 7)
    for name, how in POOLINGS.items():
        descriptors = np.array([
            how(held["vectors"][rows], held["quality"][rows]) for rows in crops_of(held)
        ])  # fmt: skip
        print(f"| {name} | {row(held, descriptors, rule, args.one_by_one)} |", flush=True)
    print(f"| every frame by itself | {frame_by_frame(held, rule)} |")


def read(folder: Path, detector: str) -> Held:
    """The sequences of all videos, and which of their faces are labelled as whom."""
    pipeline = Pipeline(video_recipe(recipe(detector=detector)))
    names: dict[str, int] = {}
    sequences, crops, faces, labels = [], [], [], []
    files = sorted(folder.glob("*.mp4"), key=lambda path: (path.name[0] == "s", path.name))
    start, frames = time.perf_counter(), 0
    for number, path in enumerate(files):
        known: dict[float, list[tuple[int, np.ndarray]]] = {}
        with path.with_suffix(".csv").open(newline="") as table:
            for at, person, *box in list(csv.reader(table))[1:]:
                who = names.setdefault(person, len(names))
                known.setdefault(round(float(at), 2), []).append((who, np.array(box, float)))
        with open_video(path) as video:
            found = VideoSequences(video, pipeline)
            for one in found:
                index = len(sequences)
                sequences.append((number, one.start, one.end))
                crops += [
                    (index, crop.quality, *x)
                    for crop, x in zip(one.crops, one.vectors, strict=True)
                ]
                for seen in one.seen:
                    near = known.get(round(seen.time, 2), [])
                    who, shown = labelled(corners(seen.box), near, video.info)
                    faces.append((index, who, len(near) > 1, shown))
            frames += found.report.frames
        labels += [(who, len(each) > 1) for each in known.values() for who, _ in each]
        print(f"{path.name}: {index + 1} sequences so far", flush=True)
    print(f"{frames} frames, {frames / (time.perf_counter() - start):.0f} a second")
    table = np.array(crops, np.float32)
    video, starts, ends = np.array(sequences).T
    return {
        "space": np.array(str(pipeline.space)), "video": video.astype(int), "starts": starts,
        "ends": ends, "of": table[:, 0].astype(int), "quality": table[:, 1],
        "vectors": table[:, 2:], "faces": np.array(faces), "labels": np.array(labels),
        "strangers": np.array([path.name[0] == "s" for path in files]),
    }  # fmt: skip


def corners(box: Box) -> np.ndarray:
    return np.array([box.left, box.top, box.right, box.bottom])


def labelled(box: np.ndarray, near: list[tuple[int, np.ndarray]], info: Any) -> tuple[int, bool]:
    """Who the face in a box is, -1 for nobody known, and whether it counts."""
    best, who = OVERLAP, -1
    for person, other in near:
        low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
        shared = float(np.prod(np.maximum(high - low, 0)))
        union = float(np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2])) - shared
        if shared / union > best:
            best, who = shared / union, person
    cut = (box[:2] < BORDER).any() or box[2] > info.width - BORDER or box[3] > info.height - BORDER
    return who, who >= 0 or not cut


def crops_of(held: Held) -> list[np.ndarray]:
    """The rows of each sequence's vectors."""
    return [np.flatnonzero(held["of"] == i) for i in range(len(held["video"]))]


def owners(held: Held) -> tuple[np.ndarray, np.ndarray]:
    """Who most of each sequence's faces are of, -1 for nobody, and the share of them."""
    who, share = [], []
    for i in range(len(held["video"])):
        mine = held["faces"][(held["faces"][:, 0] == i) & (held["faces"][:, 1] >= 0), 1]
        numbers, counts = np.unique(mine, return_counts=True)
        who.append(numbers[counts.argmax()] if len(mine) else -1)
        share.append(counts.max() / len(mine) if len(mine) else 1.0)
    return np.array(who), np.array(share)


def row(held: Held, descriptors: np.ndarray, rule: SequenceRule, one_by_one: bool) -> str:
    """What one way of pooling gives: the cells of its row."""
    who, share = owners(held)
    strange = held["strangers"][held["video"]]
    weights = np.bincount(held["of"], held["quality"])
    pairs = together(held["video"], held["starts"], held["ends"])
    person = np.full(len(who), NEW)
    steps = sorted({*held["video"][~strange]}) if one_by_one else [held["video"][~strange].max()]
    for last in steps:
        person = linked(
            descriptors, weights, person, pairs, held["video"] <= last, held["video"], rule
        )
    known = ~strange & (who >= 0)
    p, r, f = b_cubed(who[known], person[known])
    people, truth = len({*person[known]}), len({*who[known]})
    idf1 = idf1_of(held, person, ~held["strangers"])
    for last in range(int(steps[-1]) + 1, int(held["video"].max()) + 1):
        person = linked(
            descriptors, weights, person, pairs, held["video"] <= last, held["video"], rule
        )
    joined = {int(who[i]) for i in np.flatnonzero(strange) if person[i] in person[known]}
    strangers = len({*who[strange & (who >= 0)].tolist()})
    return (
        f"{100 * share[known].mean():.1f}% | {100 * f:.1f}% | {100 * p:.1f}% | {100 * r:.1f}% | "
        f"{100 * idf1:.1f}% | {people} of {truth} | {len(joined - {-1})} of {strangers}"
    )


def linked(
    descriptors: np.ndarray, weights: np.ndarray, person: np.ndarray, pairs: np.ndarray,
    there: np.ndarray, videos: np.ndarray, rule: SequenceRule,
) -> np.ndarray:  # fmt: skip
    """The people of the sequences that are ``there``, NEW for the others."""
    rows = np.flatnonzero(there)
    at = np.full(len(there), -1)
    at[rows] = np.arange(len(rows))
    apart = at[pairs[there[pairs].all(axis=1)]].reshape(-1, 2)
    none = np.zeros((0, 2), int)
    fixed = np.zeros(len(rows), bool)
    given = Sequences(
        descriptors[rows], weights[rows], person[rows], fixed, apart, none, videos[rows]
    )
    made = np.full(len(there), NEW)
    made[rows] = link(given, rule).person
    return made


def b_cubed(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """Precision, recall and F."""
    same, joined = truth[:, None] == truth, found[:, None] == found
    both = (same & joined).sum(axis=1)
    p, r = (both / joined.sum(axis=1)).mean(), (both / same.sum(axis=1)).mean()
    return float(p), float(r), float(2 * p * r / (p + r))


def idf1_of(held: Held, person: np.ndarray, videos: np.ndarray) -> float:
    """IDF1 over frames with two faces or more of some ``videos`` (n,)."""
    faces = held["faces"][held["faces"][:, 2] == 1]
    faces = faces[videos[held["video"][faces[:, 0]]]]
    labels = held["labels"][held["labels"][:, 1] == 1, 0]
    labels = labels[np.isin(labels, np.unique(faces[:, 1]))]
    found = faces[faces[:, 3] == 1]
    numbers, given = np.unique(person[found[:, 0]], return_inverse=True)
    table = np.zeros((int(held["labels"][:, 0].max()) + 1, len(numbers)))
    named = found[:, 1] >= 0
    np.add.at(table, (found[named, 1], given[named]), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(2 * table[rows, columns].sum() / (len(labels) + len(found)))


def frame_by_frame(held: Held, rule: SequenceRule) -> str:
    """What linking gives when every face that was kept stands alone."""
    who, _ = owners(held)
    of = held["of"]
    use = ~held["strangers"][held["video"][of]] & (who[of] >= 0)
    person = linked(
        held["vectors"],
        held["quality"],
        np.full(len(of), NEW),
        np.zeros((0, 2), int),
        use,
        held["video"][of],
        rule,
    )
    p, r, f = b_cubed(who[of[use]], person[use])
    people, truth = len({*person[use]}), len({*who[of[use]]})
    cells = f"{100 * f:.1f}% | {100 * p:.1f}% | {100 * r:.1f}% | - | {people} of {truth}"
    return f"- | {cells} | -"


def medoid(vectors: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The vector most like the others."""
    return vectors[(vectors @ vectors.T).sum(axis=1).argmax()]


def trimmed(vectors: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The mean without the fifth that lies farthest from it."""
    near = np.argsort(-vectors @ vectors.mean(axis=0))[: max(1, round(0.8 * len(vectors)))]
    return pool(vectors[near], np.ones(len(near)))[0]


POOLINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mean weighted by quality": lambda vectors, quality: pool(vectors, quality)[0],
    "plain mean": lambda vectors, quality: pool(vectors, np.ones(len(vectors)))[0],
    "mean weighted by quality squared": lambda vectors, quality: pool(vectors, quality**2)[0],
    "mean of the best three": lambda vectors, quality: pool(
        vectors[np.argsort(-quality)[:3]], np.ones(min(3, len(vectors)))
    )[0],
    "trimmed mean": trimmed,
    "medoid": medoid,
    "best single face": lambda vectors, quality: vectors[quality.argmax()],
}

if __name__ == "__main__":
    main()
