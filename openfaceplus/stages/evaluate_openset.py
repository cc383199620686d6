"""One-to-many evaluation with strangers: who is named right, and who slips through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    """

    enrol: int = 3
    gallery: int | None = None
    repeats: int = 1
    classifier: str = "LinearSvm"
    fars: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1)
    confidence_level: float | None = None


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
    groups: Mapping[str, str] | None = None,
    output: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Enrol, search enrolled people's other photos and strangers', and report rates.

    Strangers are people with one photo; those with two or three ("known unknowns") are reported
    beside them. A probe without a face counts as missed. Of several draws means are given.
    """
    options = options or OpenSetOptions()
    runs = []
    with progress("evaluate", options.repeats) as advance:
        for seed in range(options.repeats):
            runs.append(_run(folder, options, seed))
            advance()
    first = runs[0]
    result: dict[str, Any] = {
        "space": folder.space,
        "classifier": options.classifier,
        "people": len(set(first.probes.people.tolist())),
        "photos": len(folder.photos),
        "enrolled_photos": len(first.split.enrolled),
        "probes": len(first.split.probes),
        "strangers": len(first.split.unknown_unknowns),
        "known_unknowns": len(first.split.known_unknowns),
        "failures": int(np.sum(~folder.usable)),
        "repeats": options.repeats,
        "rank1": _mean(run.probes.rank1 for run in runs),
    }
    for key, sign in (("dir_at_fpir", False), ("fnir_at_fpir", True)):
        rates = {f"{f:g}": _mean(run.probes.dir_at_fpir(f) for run in runs) for f in FPIRS}
        result[key] = {f: 1 - rate if sign else rate for f, rate in rates.items()}
    if options.repeats == 1:
        result["dir_at_fpir_interval"] = {f"{f:g}": first.probes.dir_interval(f) for f in FPIRS}
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


def _run(folder: EmbeddedFolder, options: OpenSetOptions, seed: int) -> _Run:
    split = protocols.openset_split(folder.people, options.enrol, options.gallery, seed)
    people = np.array(folder.people)
    enrolled = split.enrolled[folder.usable[split.enrolled]]
    if not len(split.unknown_unknowns):
        raise UsageError("nobody has a single photo, so there are no strangers to search for")
    vectors, names = folder.vectors[enrolled], people[enrolled].tolist()
    if options.classifier == "openface-svc":
        model: Any = OpenFaceSvc.train(vectors, names)
    else:
        chips = [folder.photos[i] for i in enrolled]
        model = Classifier.train(vectors, names, chips, recipe={}, space=folder.space)
    known, scores, confidence = _search(folder, model, split.probes)
    _, stranger_scores, stranger_confidence = _search(folder, model, split.unknown_unknowns)
    _, near_scores, _ = _search(folder, model, split.known_unknowns)
    thresholds = {}
    if isinstance(model, Classifier):
        level = options.confidence_level
        thresholds = {far: model.calibrate(far, level).value for far in options.fars}
    right = np.array(
        [name == person for name, person in zip(known, people[split.probes], strict=True)]
    )
    probes = metrics.Probes(
        scores, right, people[split.probes], stranger_scores, people[split.unknown_unknowns]
    )
    return _Run(
        split, probes, near_scores, thresholds, confidence, stranger_confidence,
        _ranks(folder, enrolled, split.probes),
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
    means = np.zeros((len(names), folder.vectors.shape[1]), np.float32)
    np.add.at(means, labels, folder.vectors[enrolled])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
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
    strangers = len(runs[0].probes.stranger_scores)
    row: dict[str, Any] = {"requested": far, "achieved": float(np.mean(achieved))}
    if len(runs) == 1:
        row["interval"] = metrics.clopper_pearson(round(achieved[0] * strangers), strangers)
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
    plots.dir_curve(output / "openset-dir.png", fpirs, rates)
    plots.cmc(output / "openset-cmc.png", run.ranks)
    threshold = metrics.threshold_at(run.probes.stranger_scores, 0.01)
    genuine = run.probes.scores[run.probes.right]
    plots.histogram(output / "openset-scores.png", genuine, run.probes.stranger_scores, threshold)
    if reliability is not None:
        plots.reliability(output / "openset-reliability.png", reliability)


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
