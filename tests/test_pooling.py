"""A sequence's descriptor: the weighted mean of its vectors, and how far these lie from it."""

from __future__ import annotations

import numpy as np
import pytest

from openfaceplus.track.pooling import pool


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_good_faces_count_for_more():
    a, b = np.eye(2, 128, dtype=np.float32)
    descriptor, spread = pool(np.array([a, b]), np.array([0.9, 0.1]))
    np.testing.assert_allclose(descriptor, unit(0.9 * a + 0.1 * b), atol=1e-6)
    assert descriptor.dtype == np.float32
    assert spread == pytest.approx(1 - 0.9 * descriptor[0] - 0.1 * descriptor[1], abs=1e-6)


def test_a_single_face_has_no_spread():
    one = unit(np.arange(1, 129, dtype=np.float32))
    descriptor, spread = pool(one[None], np.array([0.3]))
    np.testing.assert_allclose(descriptor, one, atol=1e-6)
    assert spread == pytest.approx(0, abs=1e-6)


def test_faces_without_any_quality_count_the_same():
    vectors = unit(np.random.default_rng(0).standard_normal((6, 128)))
    bad, alike = pool(vectors, np.zeros(6)), pool(vectors, np.ones(6))
    np.testing.assert_allclose(bad[0], alike[0])
    assert bad[1] == pytest.approx(alike[1])


def test_nothing_is_nothing_to_pool():
    with pytest.raises(ValueError, match="no vectors"):
        pool(np.empty((0, 128), np.float32), np.empty(0))
