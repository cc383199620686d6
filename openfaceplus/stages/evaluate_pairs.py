"""One-to-one evaluation on a folder of photos: LFW's pairs, and all against all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.evaluate import metrics, plots, protocols
from openfaceplus.stages.embedded import EmbeddedFolder
from openfaceplus.thresholds import ThresholdTable

FARS = (0.01, 0.001)
ALL_FARS = (0.001, 0.0001, 0.00001)
TABLE_FARS = (0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5)


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """Cosines (n,) of pairs, -inf where a photo failed; ``same`` (n,) and ``folds`` (n,)."""

    scores: np.ndarray
    same: np.ndarray
    folds: np.ndarray
    first: np.ndarray
    second: np.ndarray


def score_pairs(folder: EmbeddedFolder, pairs: Sequence[protocols.Pair]) -> PairScores:
    """Compare the photos of each pair. Raises UsageError if one is not in the folder."""
    index: dict[tuple[str, int], int] = {}
    for i, (person, photo) in enumerate(zip(folder.people, folder.photos, strict=True)):
        number = Path(photo).stem.removeprefix(f"{person}_")
        if number.isdecimal():
            index[person, int(number)] = i
    try:
        first = np.array([index[pair.first] for pair in pairs])
        second = np.array([index[pair.second] for pair in pairs])
    except KeyError as error:
        person, number = error.args[0]
        raise UsageError(
            f"the pairs name {person}_{number:04d}, which is not in the folder"
        ) from error
    scores = np.einsum("nd,nd->n", folder.vectors[first], folder.vectors[second])
    return PairScores(
        np.where(np.isfinite(scores), scores, -np.inf),
        np.array([pair.same for pair in pairs]),
        np.array([pair.fold for pair in pairs]),
        first,
        second,
    )


def evaluate_pairs(
    folder: EmbeddedFolder,
    pairs: Sequence[protocols.Pair],
    *,
    groups: Mapping[str, str] | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """LFW's protocol: accuracy over folds with its standard error, EER, AUC and TAR at two FARs.

    A photo without a face counts as refused: an error in a genuine pair. ``groups`` gives each
    photo's group by its path or person. Plots go to ``output``.
    """
    scored = score_pairs(folder, pairs)
    if len(np.unique(scored.folds)) < 2:
        raise UsageError(
            "the pairs are of one fold",
            remedy=(
                "accuracy needs at least two, since each fold's threshold comes from the others"
            ),
        )
    accuracies = metrics.fold_accuracies(scored.scores, scored.same, scored.folds)
    genuine, impostors = scored.scores[scored.same], scored.scores[~scored.same]
    used = np.unique(np.concatenate([scored.first, scored.second]))
    result = {
        "space": folder.space,
        "pairs": len(pairs),
        "people": len({folder.people[i] for i in used}),
        "photos": len(used),
        "failures": int(np.sum(~folder.usable[used])),
        "accuracy": float(accuracies.mean()),
        "accuracy_stderr": float(accuracies.std(ddof=1) / np.sqrt(len(accuracies))),
        "eer": metrics.eer(genuine, impostors),
        "auc": metrics.auc(genuine, impostors),
        "tar_at_far": {f"{far:g}": metrics.tar_at_far(genuine, impostors, far) for far in FARS},
    }
    threshold = metrics.best_threshold(scored.scores, scored.same)
    if groups is not None:
        result["groups"] = _pairs_by_group(folder, scored, groups, threshold)
    if output is not None:
        far, tar = metrics.roc(genuine, impostors)
        plots.roc(output / "pairs-roc.png", far, tar, len(genuine))
        plots.det(output / "pairs-det.png", far, tar, len(genuine))
        plots.histogram(output / "pairs-scores.png", genuine, impostors, threshold)
    return result


def evaluate_all(folder: EmbeddedFolder, *, draws: int = 200, seed: int = 0) -> dict[str, Any]:
    """Every photo against every other: TAR at low FARs, with 95% intervals over people."""
    compared, numbers = _compare_all(folder)
    people = len(compared.counts)
    return {
        "people": people,
        "photos": len(numbers),
        "failures": int(np.sum(~folder.usable)),
        "genuine_pairs": len(compared.genuine),
        "impostor_pairs": int(compared.impostor_pairs()),
        "tar_at_far": {f"{far:g}": compared.tar_at_far(far) for far in ALL_FARS},
        "tar_at_far_interval": {
            f"{far:g}": metrics.bootstrap(
                partial(compared.tar_at_far, far), people, draws, seed=seed
            )
            for far in ALL_FARS
        },
    }


def threshold_table(folder: EmbeddedFolder, name: str) -> ThresholdTable:
    """The table that verification takes its thresholds from, measured all against all."""
    compared, numbers = _compare_all(folder, keep=TABLE_FARS[0] * 1.05)
    pairs = compared.impostor_pairs()
    fars = [far for far in TABLE_FARS if far * pairs >= 30]
    if len(fars) < 2:
        raise UsageError(f"{name}: {len(numbers)} photos are too few to measure a table on")
    ranks = [int(far * pairs) for far in fars]
    cosines = [float(compared.impostors[rank]) for rank in ranks]
    tars = [compared.tar_at_far(far) for far in fars]
    return ThresholdTable(
        folder.space,
        f"{name}: {len(numbers)} photos of {len(compared.counts)} people, all against all",
        datetime.now(UTC).date().isoformat(),
        tuple(fars),
        tuple(round(cosine, 5) for cosine in cosines),
        tuple(round(tar, 4) for tar in tars),
    )


def _compare_all(
    folder: EmbeddedFolder, keep: float = 3e-3
) -> tuple[protocols.AllPairs, np.ndarray]:
    usable = folder.usable
    _, numbers = np.unique(np.array(folder.people)[usable], return_inverse=True)
    return protocols.all_pairs(folder.vectors[usable], numbers, keep), numbers


def _pairs_by_group(
    folder: EmbeddedFolder, scored: PairScores, groups: Mapping[str, str], threshold: float
) -> dict[str, Any]:
    """Errors at the threshold that is best over all, for pairs within each group."""
    labels = group_labels(folder, groups)
    first, second = labels[scored.first], labels[scored.second]
    accepted = scored.scores >= threshold
    table = {}
    for group in sorted(set(labels.tolist()) - {""}):
        inside = (first == group) & (second == group)
        row: dict[str, Any] = {"threshold": threshold}
        for key, mask in (("far", inside & ~scored.same), ("frr", inside & scored.same)):
            errors = accepted[mask] if key == "far" else ~accepted[mask]
            low, high = metrics.clopper_pearson(int(errors.sum()), len(errors))
            row[key] = float(errors.mean()) if len(errors) else None
            row[f"{key}_interval"] = (low, high)
            row[f"{key}_pairs"] = len(errors)
        table[group] = row
    return table


def group_labels(folder: EmbeddedFolder, groups: Mapping[str, str]) -> np.ndarray:
    """(n,) the group of each photo, by its path, its file name or its person; "" for none."""
    return np.array(
        [
            groups.get(photo) or groups.get(Path(photo).name) or groups.get(person) or ""
            for person, photo in zip(folder.people, folder.photos, strict=True)
        ]
    )
