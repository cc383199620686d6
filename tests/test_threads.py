"""Several threads share a pipeline: what it holds is shared, a thread's own, or locked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx_files
import pytest
from running import face
from test_contracts import DETECTED, NETWORKS, SQUARE
from weight_files import own_cache

from openfaceplus import detect, embedding
from openfaceplus.errors import ModelMissing
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.threads import once

THREADS, PHOTOS = 8, 24

cache = pytest.fixture(own_cache, scope="module", autouse=True)


@pytest.mark.parametrize("name", sorted(detect.DETECTORS))
def test_detectors_serve_threads(name, tmp_path):
    if name in DETECTED:
        name = DETECTED[name](tmp_path)
        photos = [
            onnx_files.red_square(150, 200, (0.3 + 0.01 * k, 0.6), SQUARE[2]) for k in range(PHOTOS)
        ]
    else:
        photos = [face(number) for number in range(PHOTOS)]
        if name == "mmod":  # a second each
            photos = [photo[:170, 20:190] for photo in photos[:THREADS]]
    check(Pipeline(recipe(detector=name, views=1)), photos, "none")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.heavy) if name == "facenet" else name
        for name in sorted(embedding.EMBEDDERS)
    ],
)
def test_embedders_serve_threads(name, tmp_path):
    path = f":{NETWORKS[name](tmp_path)}" if name in NETWORKS else ""
    photos = [face(number) for number in range(PHOTOS)]
    # The faces are known, so that only landmarks and the network are asked.
    (found,) = Pipeline(recipe()).look([photos[0]], vectors="none")
    box = found.faces[0].box
    faces = [[type(found.faces[0])(box, 1.0)] for _ in photos]
    check(Pipeline(recipe(embedder=f"{name}{path}", views=1)), photos, "network", faces)


def check(pipeline, photos, vectors, known=None):
    """Threads that start together, models still unloaded, find what one thread finds."""
    start = threading.Barrier(THREADS)

    def look(number):
        faces = None if known is None else [known[number]]
        (found,) = pipeline.look([photos[number]], vectors=vectors, known=faces)
        return found

    def several(numbers):
        start.wait()
        return [(number, look(number)) for number in numbers]

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            parts = pool.map(several, [range(k, len(photos), THREADS) for k in range(THREADS)])
            together = dict(pair for part in parts for pair in part)
    except ModelMissing:
        pytest.skip("its weights are not here")
    for number in range(len(photos)):
        expected, found = look(number), together[number]
        assert [f.box for f in found.faces] == [f.box for f in expected.faces]
        for one, other in zip(found.faces, expected.faces, strict=True):
            np.testing.assert_array_equal(one.landmarks, other.landmarks)
        np.testing.assert_allclose(found.vectors, expected.vectors, rtol=0, atol=2e-5)
    assert sum(len(found.faces) for found in together.values()) >= len(photos) // 2


def test_what_is_made_once_is_made_once():
    class Slow:
        made = 0

        @once
        def thing(self) -> list[int]:
            threading.Event().wait(0.05)
            Slow.made += 1
            return [Slow.made]

    slow = Slow()
    with ThreadPoolExecutor(THREADS) as pool:
        things = list(pool.map(lambda _: slow.thing, range(THREADS)))
    assert Slow.made == 1 and all(thing is things[0] for thing in things)
    assert Slow().thing == [2]
