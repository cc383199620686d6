"""Photos of many people -> a cohort of strangers for all models of an embedding."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus import thresholds, weights
from openfaceplus.classify import cohort
from openfaceplus.classify.calibrate import needed, supported
from openfaceplus.classify.cohort import Cohort
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.files import shown
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location
from openfaceplus.stages.embedded import embed_strangers
from openfaceplus.stages.evaluate_pairs import threshold_table
from openfaceplus.stages.summary import Progress, no_progress
from openfaceplus.words import counted, percent

_LFW_BYTES = 243_346_528  # of the archive that scikit-learn fetches


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A cohort, the embedding ``space`` it is for and its file; ``photos`` gave no usable face in
    ``failed`` cases. ``table`` holds thresholds for pairs, where none ship for the space."""

    cohort: Cohort
    space: str
    path: Path
    photos: int
    failed: int
    table: Path | None

    @property
    def remarks(self) -> list[str]:
        """What such a cohort is not enough for, in sentences."""
        people = len(self.cohort.vectors)
        if people >= needed(0.01):
            return []
        return [
            f"{counted(people, 'person', 'people')} support a rate of {percent(supported(people))} "
            f"at best; 1% takes {needed(0.01)}, and 600 or more make it sure"
        ]


def build(
    folder: Location,
    recipe: Recipe,
    name: str = "",
    *,
    commercial: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> Built:
    """From photos in ``folder``, one of each person or a folder each; called ``name``, else as it.

    Takes the place of an earlier cohort of the same embedding. Raises UsageError for a folder with
    fewer than two people whose face is found.
    """
    space = str(Pipeline(recipe, commercial=commercial).space)
    found = embed_strangers(
        folder,
        recipe,
        space,
        keep_flawed=False,
        commercial=commercial,
        jobs=jobs,
        progress=progress,
    )
    usable = found.usable
    name = name or folder.resolve().name
    people, labels = np.unique(np.array(found.people)[usable], return_inverse=True)
    if len(people) < 2:
        raise UsageError(
            f"{shown(folder)}: one person is no cohort",
            remedy="give photos of many people, one each or a folder each",
            field="folder",
        )
    data = f"{name} ({counted(int(usable.sum()), 'photo')})"
    made = Cohort.of(found.vectors[usable], labels, data)
    path = cohort.save(made, space)
    table = None
    if not thresholds.ships(space):
        with suppress(UsageError):  # too few pairs for any rate
            table = thresholds.save(threshold_table(found, name))
    return Built(made, space, path, len(usable), int(np.sum(~usable)), table)


def fetch_lfw(progress: weights.Progress | None = None) -> Path:
    """Labeled Faces in the Wild, by scikit-learn's fetcher: the folder of one folder a person.

    Raises StorageError without the internet.
    """
    from sklearn.datasets import fetch_lfw_people, get_data_home

    home = Path(get_data_home()) / "lfw_home"
    folder = home / "lfw_funneled"
    watched = nullcontext() if progress is None or folder.is_dir() else _watched(home, progress)
    try:
        with watched:
            # Hardly anybody has so many photos: nothing is read but what has to be fetched.
            fetch_lfw_people(min_faces_per_person=500, resize=0.1)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"Labeled Faces in the Wild cannot be fetched ({error})",
            remedy="this needs the internet; without it build from a folder of photos of many "
            "people, one each or a folder each",
        ) from error
    return folder


@contextmanager
def _watched(home: Path, progress: weights.Progress) -> Iterator[None]:
    """Say how much of the archive is in ``home`` while the block fetches it."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            sizes = [path.stat().st_size for path in home.glob("lfw-funneled*")]
            progress(min(max(sizes, default=0), _LFW_BYTES - 1), _LFW_BYTES)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    progress(_LFW_BYTES, _LFW_BYTES)
