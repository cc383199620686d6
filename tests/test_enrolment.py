"""What training points out about the photos that people are enrolled with."""

from __future__ import annotations

import numpy as np

from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.enrolment import check, look_alikes


def faces(*people: int, spread: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of people with so many photos each, and whose they are."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(len(people), 128))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    labels = np.repeat(np.arange(len(people)), people)
    vectors = centres[labels] + spread * generator.normal(size=(len(labels), 128))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def remarks(vectors: np.ndarray, labels: np.ndarray, **limits: float) -> list[str]:
    names = [f"person{i}" for i in range(int(labels.max()) + 1)]
    return check(vectors, labels, names, [f"{i}.jpg" for i in range(len(labels))], **limits)


def test_good_photos_need_no_remark():
    assert remarks(*faces(3, 4, 1), unlike=0.5) == []


def test_a_photo_many_times_over_is_one_remark_each():
    vectors, labels = faces(200)
    vectors[1:] = vectors[0]
    found = remarks(vectors, labels)
    assert len(found) == 199
    assert found[0] == "person0: 0.jpg and 1.jpg are the same photo"


def test_one_photo_under_two_names():
    vectors, labels = faces(2, 2)
    vectors[3] = vectors[0]
    assert any("one of the two names is wrong" in remark for remark in remarks(vectors, labels))


def test_a_photo_in_the_wrong_folder():
    vectors, labels = faces(4, 4)
    labels[0] = 1
    assert remarks(vectors, labels) == ["0.jpg is more like person0 than person1's other photos"]


def test_a_photo_of_nobody_enrolled():
    vectors, labels = faces(4, 4)
    vectors[0] = -vectors[0]
    found = remarks(vectors, labels, unlike=0.5)
    assert len(found) == 1 and found[0].startswith("0.jpg is ")


def test_people_who_look_alike():
    vectors, labels = faces(3, 3, spread=0.01)
    close = vectors[:3].mean(axis=0) + 0.03 * vectors[3:].mean(axis=0)
    vectors[3:] += 20 * close
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = ["ann", "bea"]
    strangers = faces(*[1] * 200)[0]
    made = Classifier.train(
        vectors, [names[label] for label in labels], ["c"] * len(labels), recipe={}, space="",
        strangers=strangers,
    )  # fmt: skip
    (remark,) = look_alikes(made)
    assert remark.startswith("ann and bea look alike: 3 of ann's 3 photos would be taken for bea")
    apart, labels = faces(3, 3)
    people = [names[label] for label in labels]
    made = Classifier.train(apart, people, people, recipe={}, space="", strangers=strangers)
    assert not list(look_alikes(made))
