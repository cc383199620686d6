"""Which rule decides best who is whom: several, on people of the press and of single rooms.

    python benchmarks/linking_rules.py LFW -o linking/

Nothing is tracked here: sequences are means of vectors. Of the press: 30 people of LFW, of whom
each has 3 to 5 sequences of one or two photos, no photo twice, at a video's size, blurred and
compressed; the same and 200 people of one photo each; the same, of one photo a sequence. Rooms:
five people, who look alike in more than half of the rooms, in four clips of six frames each, in
one light, noise, blur, colour and compression; a clip's frames are one photo of the person, turned
and moved a little. Rooms are linked at once, and clip by clip. Faces are embedded once and kept in
linking/.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from reidentify import b_cubed

from openfaceplus.classify import adapting, cohort
from openfaceplus.classify.cohesion import silhouettes
from openfaceplus.classify.grouping import Groups
from openfaceplus.classify.linking import NEW, Sequences, link
from openfaceplus.classify.sequence_rule import SequenceRule
from openfaceplus.images import read_photo
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe

ROOMS, PRESS, ONCE = 24, 12, 600
CLIPS, FRAMES = 4, 6


Floor = Callable[[Groups], float]
How = Callable[[Groups], None]


class Case(NamedTuple):
    """Sequences (n, dimensions), whose they are (n,), pairs on screen at once (p, 2)."""

    vectors: np.ndarray
    who: np.ndarray
    apart: np.ndarray


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("photos_folder", type=Path, metavar="LFW")
    parse.add_argument("-o", "--output", type=Path, required=True)
    parse.add_argument("--detector", default="auto")
    args = parse.parse_args()
    cv2.setNumThreads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(recipe(detector=args.detector))
    people = kept(args.output / "press.npz", lambda: press_faces(args.photos_folder, pipeline))
    rooms = kept(args.output / "rooms.npz", lambda: room_faces(args.photos_folder, pipeline))
    rule = SequenceRule.of(cohort.find(str(pipeline.space)), people["vectors"].shape[1])
    cases = {
        "press": [press(people, seed, 2) for seed in range(PRESS)],
        "press, a photo each": [press(people, seed, 1) for seed in range(PRESS)],
        "rooms": [room(rooms, number) for number in range(ROOMS)],
    }
    strange = [press(people, seed, 2, 200) for seed in range(6)]
    names = [*cases, "rooms, clip by clip"]
    print("| rule | " + " | ".join(names) + " | of 200 strangers joined |")
    print("| --- |" + " --- |" * (len(names) + 1))
    for name, (how, one) in rules(rule).items():
        cells = [cell(each, at_once, how, one) for each in cases.values()]
        cells.append(cell(cases["rooms"], one_by_one, how, one))
        cells.append(f"{np.mean([joined(case, at_once(case, how, one)) for case in strange]):.1f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def cell(cases: list[Case], way: Callable[..., np.ndarray], how: How, rule: SequenceRule) -> str:
    """B-cubed F, P and R, how many people there are for each true one, and how often right."""
    rows = []
    for case in cases:
        found = way(case, how, rule)
        p, r, f = b_cubed(case.who, found)
        rows.append((f, p, r, len({*found}) / len({*case.who})))
    f, p, r, ratio = np.mean(rows, axis=0)
    return f"{100 * f:.1f} ({100 * p:.1f}, {100 * r:.1f}), {ratio:.2f}"


def joined(case: Case, found: np.ndarray) -> int:
    """How many of the strangers, numbered from 30 up, are with one of the people."""
    return int(np.isin(found[case.who >= 30], found[case.who < 30]).sum())


def rules(rule: SequenceRule) -> dict[str, tuple[How, SequenceRule]]:
    """Each rule tried, by what it is called, and how it scores."""
    none = np.zeros((0, rule.typical.shape[1]), np.float32)
    plain = replace(
        rule, typical=none, of_strangers=np.zeros_like(rule.of_strangers), zero=0.0, one=1.0
    )

    def strangers(groups: Groups) -> float:
        return groups.rule.threshold(groups.mean[groups.living()])

    def usual(groups: Groups) -> float:
        return max(strangers(groups), float(np.median(others(groups))) + 0.3)

    def deviations(groups: Groups) -> float:
        scores = others(groups)
        middle = float(np.median(scores))
        return max(strangers(groups), middle + 2.5 * (middle - float(np.percentile(scores, 16))))

    def neighbours(groups: Groups) -> float:
        table = scores_of(groups)
        np.fill_diagonal(table, -np.inf)
        third = -np.sort(-table, axis=1)[:, min(2, len(table) - 1)]
        return max(strangers(groups), float(np.median(third)) + 0.18)

    return {
        "cosine above 0.91 (1% of pairs)": (fixed(0.91), plain),
        "cosine above 0.965": (fixed(0.965), plain),
        "score above 1": (fixed(1.0), rule),
        "score above strangers' at 1%": (grown(strangers), rule),
        "and above the median of pairs by 0.3": (grown(usual), rule),
        "and above it by 2.5 deviations": (grown(deviations), rule),
        "and above the third neighbour's by 0.18": (grown(neighbours), rule),
        "nearest, and nearer than the next by a fifth": (ratio(strangers), rule),
        "level of the best silhouette": (best_level(strangers), rule),
        "as it is": (adapting.join, rule),
    }


def scores_of(groups: Groups) -> np.ndarray:
    living = groups.living()
    mean, of = groups.mean[living], groups.typicality[living]
    return groups.rule.scores(mean, of, mean, of)


def others(groups: Groups) -> np.ndarray:
    """The scores of all pairs of groups."""
    table = scores_of(groups)
    return table[np.triu_indices(len(table), 1)]


def fixed(value: float) -> How:
    return lambda groups: groups.grow(value) and None


def grown(floor: Floor) -> How:
    """Merge what is surely alike, then down to a floor, which is looked at anew."""

    def how(groups: Groups) -> None:
        groups.grow(1.0)
        while len(groups.living()) > 1 and groups.grow(min(floor(groups), 1.0)):
            pass

    return how


def ratio(floor: Floor) -> How:
    """Of groups above the floor, merge two if either's next neighbour is farther by a fifth."""

    def how(groups: Groups) -> None:
        groups.grow(1.0)
        again = True
        while again and len(groups.living()) > 2:
            again = False
            far = 1 - groups.mean @ groups.mean.T
            for _, i, j in groups.pairs(min(floor(groups), 1.0)):
                if groups.may(i, j):
                    rest = [k for k in groups.living() if k not in (i, j) and k < len(far)]
                    if far[i, j] < 0.8 * far[np.ix_([i, j], rest)].min(initial=2.0):
                        groups.merge(i, j)
                        again = True

    return how


def best_level(floor: Floor) -> How:
    """Down to the level at which the mean silhouette is largest."""

    def how(groups: Groups) -> None:
        groups.grow(1.0)
        if len(groups.living()) < 3:
            return
        first = len(groups.members)
        merged = groups.grow(min(floor(groups), 1.0))
        values = []
        for number in range(len(merged), -1, -1):
            single = silhouettes(groups.vectors, groups.numbers())
            values.append(float(np.nan_to_num(single).mean()))
            if number:
                groups.part(first + number - 1)
        for number in range(len(merged) - int(np.argmax(values))):
            groups.rejoin(first + number)

    return how


def at_once(
    case: Case, how: How, rule: SequenceRule, known: np.ndarray | None = None
) -> np.ndarray:
    """(n,) the people that a rule finds, of whom some are known."""
    n = len(case.vectors)
    person = np.full(n, NEW) if known is None else known
    if how is adapting.join:
        none, no = np.zeros((0, 2), int), np.zeros(n, bool)
        return link(Sequences(case.vectors, np.ones(n), person, no, case.apart, none), rule).person
    new = np.flatnonzero(person == NEW)
    old = [np.flatnonzero(person == number) for number in np.unique(person[person != NEW])]
    groups = Groups(case.vectors, np.ones(n), [*old, *new[:, None]], rule)
    numbers = groups.numbers()
    for a, b in case.apart:
        groups.keep_apart(int(numbers[a]), int(numbers[b]))
    how(groups)
    return groups.numbers()


def one_by_one(case: Case, how: How, rule: SequenceRule) -> np.ndarray:
    """The same, in which one sequence comes after the other."""
    person = np.zeros(0, int)
    for n in range(1, len(case.vectors) + 1):
        part = Case(case.vectors[:n], case.who[:n], case.apart)
        person = at_once(part, how, rule, np.append(person, NEW))
    return person


def kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    if not path.exists():
        np.savez(path, **make())
    return dict(np.load(path))


def press_faces(folder: Path, pipeline: Pipeline) -> dict[str, np.ndarray]:
    """Photos at the size of a video's faces, blurred and compressed: vector and person."""
    generator = np.random.default_rng(5)
    photos = [sorted(each.glob("*.jpg")) for each in sorted(folder.iterdir())]
    once = [own for own in photos if len(own) == 1][:ONCE]
    chosen = [path for own in photos if len(own) > 3 for path in own[:20]]
    chosen += [path for own in once for path in own]
    vectors, people = [], []
    for start in range(0, len(chosen), 32):
        part = chosen[start : start + 32]
        small = []
        for path in part:
            scale, blur = generator.uniform(0.5, 0.9), generator.uniform(0.3, 0.9)
            pixels = cv2.resize(
                read_photo(path).pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
            quality = int(generator.integers(50, 80))
            small.append(compressed(cv2.GaussianBlur(pixels, (0, 0), blur), quality))
        for path, found in zip(part, pipeline.look(small, largest=True), strict=True):
            if len(found.faces):
                vectors.append(found.vectors[0])
                people.append(path.parent.name)
    numbers = np.unique(people, return_inverse=True)[1]
    return {"vectors": np.array(vectors), "who": numbers}


def room_faces(folder: Path, pipeline: Pipeline) -> dict[str, np.ndarray]:
    """Frames of rooms: vector, room, person, clip."""
    photos = [sorted(each.glob("*.jpg"))[0] for each in sorted(folder.iterdir())]
    seen = pipeline.look([read_photo(path).pixels for path in photos[:800]], largest=True)
    there = [i for i, one in enumerate(seen) if len(one.faces)]
    known = np.array([seen[i].vectors[0] for i in there])
    vectors, keys = [], []
    for number in range(ROOMS):
        generator = np.random.default_rng([1, number])
        someone = int(generator.integers(len(known)))
        members = generator.choice(len(known), 5, replace=False)
        if generator.random() < 0.6:
            near = np.argsort(-known @ known[someone])[1:25]
            members = np.array([someone, *generator.choice(near, 4, replace=False)])
        filmed = Room(generator)
        for person, member in enumerate(members):
            photo = read_photo(photos[there[member]]).pixels
            frames = [frame for _ in range(CLIPS) for frame in filmed.clip(photo)]
            for at, found in enumerate(pipeline.look(frames, largest=True)):
                if len(found.faces):
                    vectors.append(found.vectors[0])
                    keys.append((number, person, at // FRAMES))
    return {"vectors": np.array(vectors), "keys": np.array(keys)}


class Room:
    """What all faces that are filmed in one room share."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.scale, self.blur = generator.uniform(0.5, 0.68), generator.uniform(0.4, 1.6)
        self.cast, self.noise = generator.uniform(0.75, 1.25, 3), generator.uniform(2, 10)
        self.quality = int(generator.integers(25, 70))
        self.gamma, self.motion = generator.uniform(0.6, 1.5), generator.uniform(0.5, 1.5)

    def clip(self, photo: np.ndarray) -> list[np.ndarray]:
        """Six frames of a face."""
        light = self.generator.normal(1, 0.06)
        photo = self._turned(photo.astype(np.float32), self.motion)
        return [self._frame(self._turned(photo, 0.7 * self.motion), light) for _ in range(FRAMES)]

    def _turned(self, photo: np.ndarray, motion: float) -> np.ndarray:
        height, width = photo.shape[:2]
        corners = np.array([[75, 75], [175, 75], [175, 185], [75, 185]], np.float32)
        moved = corners + self.generator.normal(0, 3 * motion, (4, 2)).astype(np.float32)
        moved[:, 1] += self.generator.normal(0, 3 * motion) * np.array([-1, 1, -1, 1], np.float32)
        matrix = cv2.getPerspectiveTransform(corners, moved)
        return cv2.warpPerspective(photo, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)

    def _frame(self, photo: np.ndarray, light: float) -> np.ndarray:
        lit = 255 * np.clip(photo * self.cast * light / 255, 0, 1) ** self.gamma
        small = cv2.resize(
            lit, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA
        )  # fmt: skip
        small = cv2.GaussianBlur(small, (0, 0), self.blur)
        small += self.generator.normal(0, self.noise, small.shape)
        return compressed(np.clip(small, 0, 255).astype(np.uint8), self.quality)


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    packed = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


def press(people: dict[str, np.ndarray], seed: int, most: int, strangers: int = 0) -> Case:
    """30 people of four photos or more, with up to ``most`` photos a sequence."""
    generator = np.random.default_rng(seed)
    counts = np.bincount(people["who"])
    chosen = generator.choice(np.flatnonzero(counts > 3), 30, replace=False)
    vectors, who = [], []
    for number, person in enumerate(chosen):
        photos = generator.permutation(np.flatnonzero(people["who"] == person)).tolist()
        for _ in range(int(generator.integers(3, 6))):
            take = min(int(generator.integers(1, most + 1)), len(photos))
            if take:
                vectors.append(people["vectors"][[photos.pop() for _ in range(take)]].mean(axis=0))
                who.append(number)
    for number, person in enumerate(
        generator.choice(np.flatnonzero(counts == 1), strangers, replace=False)
    ):
        vectors.append(people["vectors"][np.flatnonzero(people["who"] == person)[0]])
        who.append(30 + number)
    order = generator.permutation(len(who))
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    numbers = np.array(who)
    apart = pairs[numbers[pairs[:, 0]] != numbers[pairs[:, 1]]]
    return Case(unit(np.array(vectors)), numbers, apart)


def room(rooms: dict[str, np.ndarray], number: int) -> Case:
    """The clips of a room, in any order."""
    keys = rooms["keys"]
    clips = np.unique(keys[keys[:, 0] == number], axis=0)
    clips = np.random.default_rng(number).permutation(clips)
    vectors = np.array(
        [rooms["vectors"][(keys == clip).all(axis=1)].mean(axis=0) for clip in clips]
    )
    return Case(unit(vectors), clips[:, 1], np.zeros((0, 2), int))


def unit(vectors: np.ndarray) -> np.ndarray:
    made = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made.astype(np.float32)


if __name__ == "__main__":
    main()
