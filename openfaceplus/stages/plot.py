"""Enrolled people as a map of their photos, and against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import enrolment, openset
from openfaceplus.errors import PhotoError, UsageError
from openfaceplus.extras import there
from openfaceplus.faces import unit_length
from openfaceplus.files import shown
from openfaceplus.images import read_photo
from openfaceplus.model_folder import read_people
from openfaceplus.pictures import maps
from openfaceplus.stages import page, represent
from openfaceplus.stages.train import limits
from openfaceplus.store.layout import EMBEDDINGS, PEOPLE, REPS
from openfaceplus.store.vectors import person_of, read_vectors
from openfaceplus.words import counted

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
"""What brings embeddings to two dimensions."""
MOST_ALIKE = 20
"""Pairs that are listed."""
_MOST_CHIPS = 3000  # of a page
_SIDE, _EDGE = 1000, 30  # of a page's map, in its own units


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """The photos of a folder of embeddings: (n, dimensions) vectors of unit length, whose they are
    (n,) as numbers of ``people``, their chips (n,), and the space they lie in."""

    vectors: np.ndarray
    labels: np.ndarray
    people: Sequence[str]
    chips: Sequence[str]
    space: str


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """The map that was drawn: (n, 2) places, and what is odd about photos, by their number."""

    enrolled: Enrolled
    places: np.ndarray
    odd: Mapping[int, str]
    files: dict[str, Path]


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """People against people: (people, people) distances, and the most alike pairs by numbers."""

    enrolled: Enrolled
    distances: np.ndarray
    pairs: Sequence[tuple[int, int]]
    files: dict[str, Path]


def read(folder: Path) -> Enrolled:
    """The embeddings in a folder that ``represent`` wrote, or in that of a model.

    Raises StorageError if there are none that can be read, UsageError if they are of nobody.
    """
    if not (folder / REPS).is_file():
        folder = folder / EMBEDDINGS
    vectors, chips = read_vectors(folder)
    if not chips:
        raise UsageError(f"{shown(folder)}: holds no embeddings", remedy="represent photos first")
    vectors = unit_length(vectors)
    stored = read_people(folder / PEOPLE)
    folders, labels = np.unique([person_of(chip) for chip in chips], return_inverse=True)
    people = [stored[one].name if one in stored else one for one in folders.tolist()]
    space = represent.read_manifest(folder).settings["space"]
    return Enrolled(vectors, labels, people, chips, space)


def draw_map(folder: Path, output: Path, method: str = "tsne") -> Map:
    """Draw the photos as points, alike ones near each other: ``embeddings.png`` and ``.html``.

    ``method`` is one of ``METHODS``. Raises UsageError for another, or one that is not installed,
    and as ``read`` does.
    """
    enrolled = read(folder)
    places = flattened(enrolled.vectors, method)
    odd = _odd(enrolled)
    method = METHODS[method]
    what = f"{counted(len(places), 'photo')} of {counted(len(enrolled.people), 'person', 'people')}"
    files = {"png": output / "embeddings.png", "html": output / "embeddings.html"}
    maps.scatter(files["png"], places, enrolled.labels, enrolled.people, odd, f"{what}, {method}")
    low, span = (places * (1, -1)).min(axis=0), float(np.ptp(places, axis=0).max()) or 1.0
    at = (places * (1, -1) - low) / span * (_SIDE - 2 * _EDGE) + _EDGE  # y runs down there
    points = [
        {"x": f"{x:.1f}", "y": f"{y:.1f}", "colour": maps.colour(label),
         "name": shown(enrolled.people[label]), "photo": shown(Path(chip).name),
         "odd": odd.get(i), "right": x > _SIDE / 2,
         "chip": _inline(chip) if i < _MOST_CHIPS else None}
        for i, ((x, y), label, chip) in enumerate(
            zip(at.tolist(), enrolled.labels.tolist(), enrolled.chips, strict=True)
        )
    ]  # fmt: skip
    values = {
        "points": points, "what": what, "method": method, "width": _SIDE,
        "height": f"{at[:, 1].max() + _EDGE:.0f}", "space": enrolled.space,
    }  # fmt: skip
    page.write(files["html"], "embeddings.html", values, extra="plots", what="a page")
    return Map(enrolled, places, odd, files)


def flattened(vectors: np.ndarray, method: str) -> np.ndarray:
    """(n, 2) places of (n, dimensions) vectors, the same on every run."""
    if method not in METHODS:
        raise UsageError(
            f"there is no method {method!r}", remedy=f"known are: {', '.join(METHODS)}",
            field="by",
        )  # fmt: skip
    if method == "umap" and not there("umap"):
        raise UsageError(
            "UMAP needs umap-learn, which is not installed",
            remedy="run: pip install umap-learn, or choose tsne",
            field="by",
        )
    n = len(vectors)
    centred = vectors - vectors.mean(axis=0)
    if method == "pca" or n < 5:  # of so few the others make nothing
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        flat = centred @ directions[:2].T
        return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    made: Any
    if method == "tsne":
        from sklearn.manifold import TSNE

        made = TSNE(perplexity=min(30.0, (n - 1) / 3), init="pca", random_state=0)
    else:
        from umap import UMAP

        made = UMAP(n_neighbors=min(15, n - 1), metric="cosine", random_state=0)
    places: np.ndarray = made.fit_transform(vectors.astype(np.float32))
    return places


def draw_distances(folder: Path, output: Path) -> Distances:
    """Draw how far people are from each other, ``distances.png``, and list the most alike pairs in
    ``distances.html``. Raises UsageError for fewer than two people and as ``read`` does."""
    enrolled = read(folder)
    if len(enrolled.people) < 2:
        raise UsageError(f"{shown(folder)}: holds one person", remedy="enrol another")
    templates = openset.templates(enrolled.vectors, enrolled.labels)
    distances = np.sqrt(np.maximum(0, 2 - 2 * (templates @ templates.T)))
    above = np.triu_indices(len(templates), 1)
    nearest = np.argsort(distances[above], kind="stable")[:MOST_ALIKE]
    pairs = [(int(above[0][k]), int(above[1][k])) for k in nearest]
    order = _beside_each_other(distances)
    files = {"png": output / "distances.png", "html": output / "distances.html"}
    ordered = [enrolled.people[i] for i in order]
    title = f"{len(ordered):,} people against each other"
    maps.heat(files["png"], distances[np.ix_(order, order)], ordered, title)
    rows = [
        {"one": shown(enrolled.people[i]), "other": shown(enrolled.people[j]),
         "distance": f"{distances[i, j]:.3f}", "chips": _nearest_chips(enrolled, i, j)}
        for i, j in pairs
    ]  # fmt: skip
    values = {
        "people": counted(len(templates), "person", "people"), "pairs": rows,
        "picture": page.inline(read_photo(files["png"]).pixels), "space": enrolled.space,
    }  # fmt: skip
    page.write(files["html"], "distances.html", values, extra="plots", what="a page")
    return Distances(enrolled, distances, pairs, files)


def _odd(enrolled: Enrolled) -> dict[int, str]:
    """Photos that may be of somebody else, in words."""
    found = {}
    for stray in enrolment.strays(enrolled.vectors, enrolled.labels, *limits(enrolled.space)):
        name = shown(enrolled.people[enrolled.labels[stray.photo]])
        other = None if stray.other is None else shown(enrolled.people[stray.other])
        found[stray.photo] = f"{name}, like {other}" if other else f"{name}, unlike the others"
    return found


def _beside_each_other(distances: np.ndarray) -> list[int]:
    """People in an order in which those who look alike stand together."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    clean = (distances + distances.T) / 2
    np.fill_diagonal(clean, 0)
    order: list[int] = leaves_list(linkage(squareform(clean, checks=False), "average")).tolist()
    return order


def _nearest_chips(enrolled: Enrolled, one: int, other: int) -> list[str]:
    """The two photos in which two people are most alike."""
    mine, theirs = (np.flatnonzero(enrolled.labels == number) for number in (one, other))
    cosines = enrolled.vectors[mine] @ enrolled.vectors[theirs].T
    i, j = np.unravel_index(int(cosines.argmax()), cosines.shape)
    found = (_inline(enrolled.chips[int(mine[i])]), _inline(enrolled.chips[int(theirs[j])]))
    return [chip for chip in found if chip is not None]


def _inline(chip: str) -> str | None:
    with suppress(PhotoError):
        return page.inline(read_photo(chip).pixels, 96)
    return None
