"""The shipped strangers are nobody: they come no closer to real people than strangers do."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from running import ROOT

from openfaceplus.classify.cohort import find
from openfaceplus.weights import locate

PHOTOS = ROOT.parent / "shared/data/lfw-dev/lfw"
SPEC = importlib.util.spec_from_file_location("made_cohort", ROOT / "benchmarks/made_cohort.py")
made_cohort = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_cohort)

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def likeness(tmp_path_factory):
    """Cosines with every photo that the cohort was made from: of its vectors, and of one photo of
    each person, their own people's left out (NaN)."""
    if not PHOTOS.is_dir() or locate("yunet") is None:
        pytest.skip("lfw-dev is not here, or YuNet's weights")
    vectors, labels = made_cohort.embed(PHOTOS, tmp_path_factory.mktemp("made"))
    (cohort,) = find("dlib-resnet-v1/2v@55533b28a958")
    order = np.random.default_rng(5).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    real = vectors[order[first]] @ vectors.T
    real[np.arange(len(real))[:, None] == labels] = np.nan
    return cohort.vectors @ vectors.T, real


def test_the_nearest_person_is_as_far_as_a_strangers(likeness):
    made, real = likeness
    assert np.median(made.max(axis=1)) <= np.median(np.nanmax(real, axis=1))


def test_none_is_a_copy_of_a_face(likeness):
    made, real = likeness
    assert np.quantile(made.max(axis=1), 0.99) <= np.nanquantile(np.nanmax(real, axis=1), 0.99)


def test_they_are_taken_for_a_person_no_oftener_than_strangers(likeness):
    made, real = likeness
    accepted = np.nanquantile(real, 0.999)  # FAR 0.1%
    assert np.mean(made > accepted) <= 0.001
    assert np.mean(made.max(axis=1) > accepted) <= np.mean(np.nanmax(real, axis=1) > accepted)
