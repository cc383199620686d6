"""Sharpness of chips, and which faces are too small or too blurred to be judged."""

import cv2
import numpy as np
import pytest

from openfaceplus.faces import Box, Chip, ChipSpec, Face
from openfaceplus.quality import MIN_FACE_PIXELS, MIN_SHARPNESS, flaw, sharpness

SPEC = ChipSpec(150, "dlib", 0.25)


@pytest.fixture
def chip():
    """Round and straight edges in all directions, about as fine as a face's."""
    pixels = np.full((150, 150, 3), (190, 150, 130), np.uint8)
    for x in (55, 95):
        cv2.ellipse(pixels, (x, 62), (11, 6), 0, 0, 360, (250, 245, 240), -1)
        cv2.circle(pixels, (x, 62), 5, (40, 30, 30), -1)
        cv2.line(pixels, (x - 12, 50), (x + 12, 47), (70, 50, 40), 3)
    cv2.line(pixels, (75, 60), (70, 88), (140, 100, 85), 3)
    cv2.ellipse(pixels, (75, 105), (18, 6), 0, 0, 360, (150, 60, 70), -1)
    return pixels


def test_blur_of_any_kind_lowers_sharpness(chip):
    blurred = [sharpness(cv2.GaussianBlur(chip, (0, 0), sigma)) for sigma in (0.1, 2, 4, 8, 12)]
    assert blurred == sorted(blurred, reverse=True)
    assert blurred[0] > MIN_SHARPNESS["dlib"] > blurred[-1]
    for kernel in (np.eye(35), np.ones((1, 35)), np.ones((35, 1))):
        moved = cv2.filter2D(chip, -1, kernel / kernel.sum())
        assert sharpness(moved) < sharpness(chip) / 5


def test_light_contrast_size_and_noise_do_not_matter_much(chip):
    sharp = sharpness(chip)
    assert sharpness((chip * 0.4 + 20).astype(np.uint8)) == pytest.approx(sharp, rel=0.05)
    assert sharpness(cv2.resize(chip, (300, 300))) == pytest.approx(sharp, rel=0.2)
    assert sharpness(cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)) == pytest.approx(sharp)
    noise = np.random.default_rng(0).normal(0, 6, chip.shape)
    assert sharpness((chip + noise).clip(0, 255).astype(np.uint8)) == pytest.approx(sharp, rel=0.2)


def test_nothing_at_all_is_not_sharp():
    assert sharpness(np.zeros((96, 96, 3), np.uint8)) == 0


def test_flaws(chip):
    large = Face(Box(0, 0, MIN_FACE_PIXELS, MIN_FACE_PIXELS), 1.0)
    small = Face(Box(0, 0, MIN_FACE_PIXELS, MIN_FACE_PIXELS - 1), 1.0)
    blurred = cv2.GaussianBlur(chip, (0, 0), 12)
    assert flaw(Chip(chip, SPEC, None, large)) is None
    assert flaw(Chip(chip, SPEC)) is None
    assert flaw(Chip(chip, SPEC, None, small)) == "too_small"
    assert flaw(Chip(blurred, SPEC, None, large)) == "too_blurred"
    assert flaw(Chip(blurred, ChipSpec(112, "unknown template"), None, large)) is None
