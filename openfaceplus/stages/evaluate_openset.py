"""One-to-many evaluation with strangers: who is named right, and who slips through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import openset
from openfaceplus.classify.baseline import OpenFaceSvc
from openfaceplus.classify.classifier import Classifier
from openfaceplus.errors import UsageError
from openfaceplus.evaluate import metrics, plots, protocols
from openfaceplus.stages.embedded import EmbeddedFolder
from openfaceplus.stages.evaluate_pairs import group_labels
from openfaceplus.stages.summary import Progress, no_progress

FPIRS = (0.001, 0.003, 0.01, 0.1)


@dataclass(frozen=True, slots=True)
class OpenSetOptions:
    """``enrol`` photos of each of ``gallery`` people (None: all that have more), ``repeats`` draws.

    ``fars`` are the rates that thresholds are calibrated for without seeing the strangers, on
    average or with ``confidence_level``. ``classifier`` may be ``openface-svc``, a baseline.
    ``hold_out`` people who could be enrolled are strangers instead; None: a quarter of them where
    there are no strangers otherwise.
    """

    enrol: int = 3
    gallery: int | None = None
    repeats: int = 1
    classifier: str = "LinearSvm"
    fars: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1)
    confidence_level: float | None = None
    hold_out: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One draw: what the search gave, and thresholds calibrated without the strangers."""

    split: protocols.OpenSetSplit
    probes: metrics.Probes
    known_unknowns: np.ndarray
    thresholds: dict[float, float]
    confidence: np.ndarray | None
    stranger_confidence: np.ndarray | None
    ranks: np.ndarray


def evaluate_openset(
    folder: EmbeddedFolder,
    options: OpenSetOptions | None = None,
    *,
    strangers: EmbeddedFolder | None = None,
    groups: Mapping[str, str] | None = None,
    output: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Enrol, search enrolled people's other photos and strangers', and report rates.

    Strangers are ``strangers`` if given, else people with one photo and those held out; people with
    two or three photos ("known unknowns") are counted beside them. A probe without a face counts as
    missed. Of several draws means are given. Raises UsageError if there are not enough people, or
    no strangers; ``split`` tells that before anything is embedded.
    """
    options = options or OpenSetOptions()
    own = len(folder.photos)
    if strangers is not None:
        folder = EmbeddedFolder(
            [*folder.people, *(f"strangers/{name}" for name in strangers.people)],
            [*folder.photos, *strangers.photos],
            np.concatenate([folder.vectors, strangers.vectors]),
            folder.space,
        )
    runs = []
    with progress("evaluate", options.repeats) as advance:
        for seed in range(options.repeats):
            runs.append(_run(folder, options, seed, own))
            advance()
    first = runs[0]
    result: dict[str, Any] = {
        "space": folder.space,
        "classifier": options.classifier,
        "people": len(set(first.probes.people.tolist())),
        "photos": own,
        "enrolled_photos": len(first.split.enrolled),
        "probes": len(first.split.probes),
        "strangers": len(set(first.probes.strangers.tolist())),
        "strangers_photos": len(first.split.unknown_unknowns),
        "strangers_are": _strangers_are(folder, first, own),
        "known_unknowns": len(first.split.known_unknowns),
        "failures": int(np.sum(~folder.usable)),
        "repeats": options.repeats,
        "rank1": _mean(run.probes.rank1 for run in runs),
    }
    for key, sign in (("dir_at_fpir", False), ("fnir_at_fpir", True)):
        rates = {f"{f:g}": _mean(run.probes.dir_at_fpir(f) for run in runs) for f in FPIRS}
        result[key] = {f: 1 - rate if sign else rate for f, rate in rates.items()}
    if options.repeats == 1:
        intervals = zip(FPIRS, first.probes.dir_intervals(FPIRS), strict=True)
        result["dir_at_fpir_interval"] = {f"{f:g}": interval for f, interval in intervals}
    else:
        result["dir_at_fpir_spread"] = {
            f"{f:g}": float(np.std([run.probes.dir_at_fpir(f) for run in runs])) for f in FPIRS
        }
    level = options.confidence_level
    result["calibration"] = [_calibration(runs, far, level) for far in first.thresholds]
    reliability = _reliability(runs)
    if reliability is not None:
        result["reliability_gap"] = reliability.gap
    if groups is not None:
        result["groups"] = _by_group(folder, first, groups, options)
    if output is not None:
        _plot(first, reliability, output)
    return result


def split(
    people: Sequence[str], options: OpenSetOptions, strangers: bool = False, seed: int = 0
) -> protocols.OpenSetSplit:
    """Who of (n,) photos' people is enrolled and who is a stranger, unless ``strangers`` are given.

    Raises UsageError if there are not enough people, or no strangers.
    """
    counts = Counter(people).values()
    hold_out = options.hold_out
    if hold_out is None:
        able = sum(count > options.enrol for count in counts)
        hold_out = 0 if strangers or 1 in counts else max(1, able // 4)
    made = protocols.openset_split(people, options.enrol, options.gallery, seed, hold_out=hold_out)
    if not strangers and not len(made.unknown_unknowns):
        raise UsageError(
            "nobody has a single photo, so there are no strangers to search for",
            remedy="give photos of strangers, or hold people out",
            field="strangers",
        )
    return made


def _strangers_are(folder: EmbeddedFolder, run: _Run, own: int) -> str:
    """What kind of people the strangers are, in words."""
    if own < len(folder.photos):
        return "the folder of strangers given"
    counts = Counter(folder.people)
    single = any(counts[name] == 1 for name in run.probes.strangers.tolist())
    held = any(counts[name] > 1 for name in run.probes.strangers.tolist())
    return " and ".join(["people with one photo"] * single + ["people held out"] * held)


def _run(folder: EmbeddedFolder, options: OpenSetOptions, seed: int, own: int) -> _Run:
    """One draw; the photos from number ``own`` on are of strangers given."""
    given = np.arange(own, len(folder.photos))
    drawn = split(folder.people[:own], options, len(given) > 0, seed)
    if len(given):
        drawn = replace(drawn, unknown_unknowns=given)
    people = np.array(folder.people)
    enrolled = drawn.enrolled[folder.usable[drawn.enrolled]]
    vectors, names = folder.vectors[enrolled], people[enrolled].tolist()
    if options.classifier == "openface-svc":
        model: Any = OpenFaceSvc.train(vectors, names)
    else:
        chips = [folder.photos[i] for i in enrolled]
        model = Classifier.train(vectors, names, chips, recipe={}, space=folder.space)
    known, scores, confidence = _search(folder, model, drawn.probes)
    _, stranger_scores, stranger_confidence = _search(folder, model, drawn.unknown_unknowns)
    _, near_scores, _ = _search(folder, model, drawn.known_unknowns)
    thresholds = {}
    if isinstance(model, Classifier):
        level = options.confidence_level
        thresholds = {far: model.calibrate(far, level).value for far in options.fars}
    right = np.array(
        [name == person for name, person in zip(known, people[drawn.probes], strict=True)]
    )
    probes = metrics.Probes(
        scores, right, people[drawn.probes], stranger_scores, people[drawn.unknown_unknowns]
    )
    return _Run(
        drawn, probes, near_scores, thresholds, confidence, stranger_confidence,
        _ranks(folder, enrolled, drawn.probes),
    )  # fmt: skip


def _search(
    folder: EmbeddedFolder, model: Any, photos: np.ndarray
) -> tuple[list[str | None], np.ndarray, np.ndarray | None]:
    """Names, scores and confidences of photos; None, -inf and 0 for those without a face."""
    usable = folder.usable[photos]
    names: list[str | None] = [None] * len(photos)
    scores = np.full(len(photos), -np.inf)
    confidence = np.zeros(len(photos))
    if usable.any():
        named, found = model.score(folder.vectors[photos[usable]])
        scores[usable] = found
        for i, who in zip(np.flatnonzero(usable), named, strict=True):
            names[i] = model.people[who]
        if isinstance(model, Classifier):
            confidence[usable] = model.confidence(found, named)
    return names, scores, confidence if isinstance(model, Classifier) else None


def _ranks(
    folder: EmbeddedFolder, enrolled: np.ndarray, probes: np.ndarray, most: int = 20
) -> np.ndarray:
    """Share of probes whose person is among the first 1, 2, ... by cosine to each person's mean."""
    names, labels = np.unique(np.array(folder.people)[enrolled], return_inverse=True)
    means = openset.templates(folder.vectors[enrolled], labels)
    usable = probes[folder.usable[probes]]
    people = np.array(folder.people)
    # Whoever has no usable photo to be enrolled with is nobody's rank.
    usable = usable[np.isin(people[usable], names)]
    own = np.searchsorted(names, people[usable])
    cosines = folder.vectors[usable] @ means.T
    rank = (cosines > cosines[np.arange(len(own)), own][:, None]).sum(axis=1)
    return np.array([(rank < k).sum() / len(probes) for k in range(1, min(most, len(names)) + 1)])


def _calibration(runs: list[_Run], far: float, level: float | None) -> dict[str, Any]:
    """Requested against achieved rate on strangers that the calibration never saw."""
    achieved = [run.probes.fpir_at(run.thresholds[far]) for run in runs]
    # Photos of one stranger depend on each other: each person counts once.
    strangers = len(set(runs[0].probes.strangers.tolist()))
    row: dict[str, Any] = {"requested": far, "achieved": float(np.mean(achieved))}
    if len(runs) == 1:
        row["interval"] = metrics.clopper_pearson(achieved[0] * strangers, strangers)
    else:
        row["interval"] = tuple(np.quantile(achieved, [0.025, 0.975]).tolist())
        row["exceeded"] = float(np.mean(np.array(achieved) > far))
    row["sure"] = level
    row["threshold"] = _mean(run.thresholds[far] for run in runs)
    row["dir"] = _mean(run.probes.dir_at(run.thresholds[far]) for run in runs)
    return row


def _reliability(runs: list[_Run]) -> metrics.Reliability | None:
    """Confidence against truth, enrolled people and strangers weighing the same."""
    if runs[0].confidence is None or runs[0].stranger_confidence is None:
        return None
    confidence, right, weights = [], [], []
    for run in runs:
        assert run.confidence is not None and run.stranger_confidence is not None
        confidence += [run.confidence, run.stranger_confidence]
        right += [run.probes.right, np.zeros(len(run.stranger_confidence), bool)]
        weights += [np.full(len(c), 1 / len(c)) for c in confidence[-2:]]
    return metrics.reliability(
        np.concatenate(confidence), np.concatenate(right), np.concatenate(weights)
    )


def _by_group(
    folder: EmbeddedFolder, run: _Run, groups: Mapping[str, str], options: OpenSetOptions
) -> dict[str, Any]:
    """DIR and FPIR of each group at the threshold that accepts 1% of all strangers."""
    labels = group_labels(folder, groups)
    threshold = metrics.threshold_at(run.probes.stranger_scores, 0.01)
    mine, theirs = labels[run.split.probes], labels[run.split.unknown_unknowns]
    table = {}
    for group in sorted(set(labels.tolist()) - {""}):
        part = run.probes.subset(mine == group, theirs == group)
        hits = int(np.sum(part.right & (part.scores >= threshold)))
        false = int(np.sum(part.stranger_scores >= threshold))
        probes, strangers = len(part.scores), len(part.stranger_scores)
        table[group] = {
            "threshold": threshold,
            "dir": hits / probes if probes else None,
            "dir_interval": metrics.clopper_pearson(hits, probes),
            "probes": probes,
            "fpir": false / strangers if strangers else None,
            "fpir_interval": metrics.clopper_pearson(false, strangers),
            "strangers": strangers,
        }
    return table


def _plot(run: _Run, reliability: metrics.Reliability | None, output: Path) -> None:
    fpirs = np.geomspace(5e-4, 0.3, 60)
    rates = np.array([run.probes.dir_at_fpir(fpir) for fpir in fpirs])
    band = np.array(run.probes.dir_intervals(fpirs.tolist(), draws=100))
    plots.dir_curve(output / "openset-dir.png", fpirs, rates, band)
    plots.cmc(output / "openset-cmc.png", run.ranks, len(run.split.probes))
    threshold = metrics.threshold_at(run.probes.stranger_scores, 0.01)
    genuine = run.probes.scores[run.probes.right]
    plots.histogram(output / "openset-scores.png", genuine, run.probes.stranger_scores, threshold)
    if reliability is not None:
        plots.reliability(output / "openset-reliability.png", reliability)


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
