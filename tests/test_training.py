"""Training embedders: losses, miners, networks, the loop, and the command on sample photos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import call, refused

torch = pytest.importorskip("torch")

from openfaceplus import embedding, errors, recipe, training  # noqa: E402
from openfaceplus.stages import align, embedder_folder, training_data  # noqa: E402
from openfaceplus.stages.summary import no_progress  # noqa: E402
from openfaceplus.stages.trainable import build, trainable  # noqa: E402
from openfaceplus.training import losses, mining, networks  # noqa: E402
from openfaceplus.training.changes import changed  # noqa: E402
from openfaceplus.training.loop import Batches, LoopSettings, Trainer  # noqa: E402


def three(seed=0, count=7):
    return np.random.default_rng(seed).normal(size=(3, count, 5))


def by_hand(anchor, positive, negative, margin):
    return [
        max(sum((a - p) ** 2) - sum((a - n) ** 2) + margin, 0.0)
        for a, p, n in zip(anchor, positive, negative, strict=True)
    ]


@pytest.mark.parametrize("margin", [0.2, 5.0])
def test_triplet_loss_is_the_formula(margin):
    expected = by_hand(*three(), margin)
    assert 0 < sum(value > 0 for value in expected) < 7 or margin == 5.0
    assert training.triplet_loss(*three(), margin) == pytest.approx(sum(expected))
    mean = training.triplet_loss(*three(), margin, reduction="mean")
    assert mean == pytest.approx(np.mean(expected))
    given = training.triplet_loss(*map(torch.tensor, three()), margin)
    assert given.item() == pytest.approx(sum(expected))
    one = training.triplet_loss([0.0, 0], [3.0, 0], [0.0, 2])
    assert isinstance(one, float) and one == pytest.approx(9 - 4 + 0.2)


def test_triplet_loss_has_the_right_gradient():
    tensors = [torch.tensor(one, requires_grad=True) for one in three(count=4)]
    assert torch.autograd.gradcheck(training.triplet_loss, tensors)


def test_triplet_loss_refuses_what_does_not_fit():
    with pytest.raises(errors.UsageError, match="shapes"):
        training.triplet_loss(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((1, 3)))
    with pytest.raises(errors.UsageError, match="reduction"):
        training.triplet_loss([0.0], [0.0], [0.0], reduction="max")


@pytest.mark.parametrize("name", mining.MINERS)
def test_miners_give_triplets_of_the_right_people(name):
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    vectors = torch.tensor(np.random.default_rng(1).normal(size=(7, 4)))
    anchors, positives, negatives = mining.MINERS[name](vectors, labels, 0.2)
    assert len(anchors) == (7 if name == "batch-hard" else 10)
    assert (labels[anchors] == labels[positives]).all() and (anchors != positives).all()
    assert (labels[anchors] != labels[negatives]).all()


def test_miners_choose_as_their_papers_say():
    # On a line: person 0 at 0 and 1, the others at 1.02 (squared 1.04), 1.5 and 9.
    vectors = torch.tensor([[0.0], [1.0], [1.02], [1.5], [9.0]])
    labels = torch.tensor([0, 0, 1, 2, 1])
    found = list(zip(*mining.MINERS["semi-hard"](vectors, labels, 0.2), strict=True))
    assert (0, 1, 2) in found  # farther than the positive, within the margin
    assert (1, 0, 4) in found  # nothing there: the farthest
    hard = list(zip(*mining.MINERS["batch-hard"](vectors, labels, 0.2), strict=True))
    assert (2, 4, 1) in hard and (1, 0, 2) in hard


def test_batches_hold_several_photos_of_several_people():
    labels = np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    batches = list(mining.people_batches(labels, 3, 4, np.random.default_rng(0)))
    assert len(batches) == 3
    for batch in batches:
        people, counts = np.unique(labels[batch], return_counts=True)
        assert len(set(batch)) == len(batch) and len(people) > 1
        assert counts.max() <= 4 and counts.min() >= 2
    with pytest.raises(errors.UsageError, match="two photos"):
        list(mining.people_batches(np.arange(4), 2, 2, np.random.default_rng(0)))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_every_loss_falls_when_its_gradient_is_followed(name):
    if name != "triplet":
        pytest.importorskip("pytorch_metric_learning")
    torch.manual_seed(0)
    labels = torch.arange(12) // 3
    vectors = torch.nn.Parameter(torch.randn(12, 8))
    loss = losses.named_loss(name, 4, 8, "batch-hard", 0.2)
    own = list(loss.parameters()) if isinstance(loss, torch.nn.Module) else []
    optimiser = torch.optim.Adam([vectors, *own], 0.05)
    values = []
    for _ in range(20):
        optimiser.zero_grad()
        value = loss(vectors, labels)
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.8 * values[0]


def test_distillation_is_least_for_the_teachers_vectors():
    targets = torch.nn.functional.normalize(torch.randn(6, 8))
    loss = losses.Distillation(0.1)
    assert loss(3 * targets, targets).item() == pytest.approx(0, abs=1e-5)
    assert loss(-targets, targets).item() == pytest.approx(2, abs=1e-5)


def test_nn4_small2_has_the_parameters_of_the_course():
    rows = networks.summary(build("nn4.small2", 128, 0), 96)
    assert sum(row.parameters for row in rows) == 3_743_280
    assert rows[0].name == "conv1" and rows[0].shape == (64, 48, 48)
    assert rows[-1].name == "ln" and rows[-1].shape == (128,)
    said = call("train-embedder", "--summary", "--network", "nn4.small2").stdout
    assert "3,743,280 parameters" in said and "64 x 48 x 48" in said


@pytest.mark.parametrize("name", ["small", "nn4.small2"])
def test_networks_are_exported_as_they_are(name):
    network = build(name, 128, 3).eval()
    graph = embedder_folder.export(network, trainable(name).spec.size)
    from openfaceplus.embedding.engine import OnnxEngine

    size = trainable(name).spec.size
    chips = np.random.default_rng(0).integers(0, 255, (5, size, size, 3)).astype(np.uint8)
    with torch.inference_mode():
        expected = network(torch.tensor(chips)).numpy()
    assert np.abs(OnnxEngine(graph).run(chips) - expected).max() < 1e-5 * np.abs(expected).max()


def test_a_network_begins_with_the_weights_it_is_given(tmp_path):
    other = build("nn4.small2", 128, 1)
    embedder_folder._write_weights(tmp_path / "weights.pt", other)
    found = build("nn4.small2", 128, 2, tmp_path / "weights.pt").state_dict()
    assert all(torch.equal(value, found[key]) for key, value in other.state_dict().items())
    with pytest.raises(errors.ModelCorrupt, match="another network"):
        build("small", 128, 2, tmp_path / "weights.pt")


@pytest.mark.parametrize("name", ["inception-resnet-v1", "dlib-resnet"])
def test_large_networks_learn(name):
    network = build(name, 16, 0).train()
    size = trainable(name).spec.size
    vectors = network(torch.rand(2, size, size, 3) * 255)
    assert vectors.shape == (2, 16)
    vectors[0, 0].backward()
    assert all(one.grad is not None for one in network.parameters())


def test_changes_leave_a_chip_what_it_is():
    chip = np.asarray(sample_photos_chip(), np.float32)
    chips = torch.tensor(np.repeat(chip[None], 40, 0))
    made = changed(chips, torch.Generator().manual_seed(0))
    assert made.shape == chips.shape and made.min() >= 0 and made.max() <= 255
    again = changed(chips, torch.Generator().manual_seed(0))
    assert torch.equal(made, again) and not torch.equal(made[0], made[1])
    # Some of them are mirrored, the others more like the chip than like its mirror image.
    other = torch.tensor(chip[:, ::-1].copy())
    likeness = [((one - chips[0]) ** 2).mean() < ((one - other) ** 2).mean() for one in made]
    assert 8 < sum(map(bool, likeness)) < 32


def sample_photos_chip():
    """A picture whose halves differ."""
    across = np.linspace(0, 255, 48)
    return np.stack([np.tile(across, (48, 1)), np.full((48, 48), 90), np.eye(48) * 200], -1)


def toy(settings, people=6, photos=4):
    """A trainer of a tiny network on made-up chips, a pattern a person, with its data."""
    chance = np.random.default_rng(5)
    faces = chance.normal(128, 8, (people, 1, 32, 32, 3))
    noise = chance.normal(0, 40, (people, photos, 32, 32, 3))
    chips = (faces + noise).clip(0, 255).reshape(-1, 32, 32, 3).astype(np.float32)
    labels = np.repeat(np.arange(people), photos)
    torch.manual_seed(0)
    network = networks.ResidualNet(((8, 1), (8, 1)), 8)
    trainer = Trainer(network, losses.Triplets("batch-hard", 0.2), settings)

    def draw(generator):
        return mining.people_batches(labels, 3, photos, generator)

    batches = Batches(draw, lambda items, *_: (chips[items], labels[items]), 2)

    def score(embed):
        vectors = embed(chips.astype(np.uint8))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        near = (vectors @ vectors.T - 2 * np.eye(len(vectors))).argmax(1)
        return float((labels[near] == labels).mean())

    return trainer, batches, score


TINY = LoopSettings(epochs=4, rate=5e-3, precision="float32", device="cpu")


def test_a_run_that_was_broken_off_ends_as_one_that_was_not(tmp_path):
    trainer, batches, score = toy(TINY)
    trainer.run(batches, score)
    broken, batches, score = toy(TINY)

    def stop(row):
        if row.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken.run(batches, score, tmp_path / "checkpoint.pt", stop)
    resumed, batches, score = toy(TINY)
    resumed.load(tmp_path / "checkpoint.pt")
    assert len(resumed.history) == 2
    resumed.run(batches, score)
    expected, found = trainer.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert [row.loss for row in trainer.history] == [row.loss for row in resumed.history]


def test_a_network_learns_and_the_best_epoch_is_kept():
    trainer, batches, score = toy(LoopSettings(12, 5e-3, device="cpu", patience=3, augment=False))
    before = score(trainer.embed)
    trainer.run(batches, score)
    best = max(row.score for row in trainer.history)
    assert best > before and score(trainer.embed) == best
    scores = [row.score for row in trainer.history]
    assert len(scores) == 12 or len(scores) - 1 - int(np.argmax(scores)) == 3


def test_frozen_layers_stay_and_a_bad_checkpoint_is_refused(tmp_path):
    trainer, batches, score = toy(LoopSettings(1, device="cpu", frozen=("stem",)))
    before = {key: value.clone() for key, value in trainer.network.state_dict().items()}
    trainer.run(batches, score)
    for key, value in trainer.network.state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(before[key], value) == key.startswith("stem"), key
    with pytest.raises(errors.UsageError, match="stem"):
        networks.freeze(trainer.network, ["head"])
    (tmp_path / "checkpoint.pt").write_bytes(b"nothing")
    with pytest.raises(errors.StorageError, match="no checkpoint"):
        trainer.load(tmp_path / "checkpoint.pt")
    for wrong in (LoopSettings(0), LoopSettings(schedule="no"), LoopSettings(device="none")):
        with pytest.raises(errors.UsageError):
            toy(wrong)


def test_pairs_of_people_held_out_are_of_nobody_trained_on():
    people = np.repeat(np.array([f"p{i}" for i in range(30)]), 3)
    photos = [f"{name}/{name}_{n % 3 + 1:04d}.jpg" for n, name in enumerate(people)]
    faces = training_data.Faces(people, photos, np.zeros((90, 2, 2, 3), np.uint8), Path())
    check = training_data.held_out_by_chance(faces, 0)
    first, second = people[check.first], people[check.second]
    assert (check.same == (first == second)).all() and check.same.sum() * 2 == len(check.same)
    assert len(set(first) | set(second)) == 3
    perfect = np.eye(30)[np.repeat(np.arange(30), 3)]
    assert check.accuracy(perfect) == 1


@pytest.fixture(scope="module")
def people(samples, tmp_path_factory):
    """Photos of seven people, three of most."""
    return sample_photos.many(tmp_path_factory.mktemp("people"), 3, 3, 3, 3, 3, 3, 1)


def test_a_student_of_photos_becomes_an_embedder(people, tmp_path):
    folder = tmp_path / "run"
    words = (
        "train-embedder", people, "-o", folder, "--teacher", "dlib", "--network",
        "small", "--batch", 4, "--epochs", 2, "--jobs", 1, "--json",
    )  # fmt: skip
    said = json.loads(call(*words).stdout)
    assert said["epochs"] == 2 and said["counts"]["people_held_out"] == 2
    made = {path.name for path in folder.iterdir()}
    assert {"weights.pt", "embedder.onnx", "embedder.json", "log.csv", "README.md"} <= made
    assert (folder / "log.csv").read_text().count("\n") == 3
    assert "dlib" in (folder / "README.md").read_text()
    # It is an embedder at once, whose space and chip its manifest states.
    settings = json.loads((folder / "embedder.json").read_text())["settings"]
    chosen = recipe.recipe(embedder=str(folder), detector="hog")
    assert str(chosen.chip) == settings["chip"]
    embedder = embedding.create(chosen.embedder, weights=chosen.network, spec=chosen.spec)
    assert str(embedder.space) == settings["space"]
    photos = sorted(people.glob("*/*_0001.jpg"))[:2]
    verified = call(
        "verify", *photos, "--embedder", folder, "--distance", 1.9, "--json", expect=None
    )
    assert json.loads(verified.stdout)
    # The same again trains nothing; other settings are refused.
    before = (folder / "weights.pt").read_bytes()
    assert json.loads(call(*words).stdout)["epochs"] == 2
    assert (folder / "weights.pt").read_bytes() == before
    assert "other settings" in refused(*words, "--seed", 1)


def test_a_blend_of_two_faces_has_vectors_like_both(people, tmp_path):
    own = replace(recipe.recipe(), chip=trainable("small").spec.chip)
    faces = training_data.load_faces(people, tmp_path, own, 1, no_progress)
    teacher = replace(recipe.recipe(embedder="dlib"), views=6)
    every = np.arange(len(faces.chips))
    lesson = training_data.Lesson(
        faces, every, tmp_path / "teacher", teacher, jobs=1, progress=no_progress
    )
    items = np.arange(len(lesson.training))
    chips, vectors = lesson.blended(items, 0, np.random.default_rng(0))
    assert (chips == lesson.chips).all() and (vectors == lesson.vectors).all()
    chips, vectors = lesson.blended(items, 1, np.random.default_rng(0))
    assert chips.shape == lesson.chips.shape and (chips != lesson.chips).any((1, 2, 3)).all()
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    likeness = vectors @ lesson.vectors.T
    strangers = faces.people[lesson.training][:, None] != faces.people[lesson.training]
    assert np.diag(likeness).mean() > 0.3 > likeness[strangers].mean() + 0.2


def test_people_are_kept_apart_by_name(people, tmp_path):
    chips = replace(recipe.recipe(detector="hog"), chip=trainable("small").spec.chip)
    align.align(people, tmp_path / "chips", chips, jobs=1)
    words = ("train-embedder", tmp_path / "chips", "-o", tmp_path / "run", "--network", "small",
             "--epochs", 1, "--loss", "triplet", "--mining", "batch-hard")  # fmt: skip
    said = call(*words).stdout
    assert "people held out" in said and (tmp_path / "run" / "embedder.onnx").is_file()
    assert "no network" in refused(*words[:-6], "--network", "large", "-o", tmp_path / "other")
    for flag in ("--blend", "--average"):
        assert f"{flag}: 2 is not a share" in refused(*words, flag, 2)
    for option in ("--loss", "--mining", "--teacher"):
        assert "'none'" in refused(*words[:-4], option, "none", "-o", tmp_path / "other")
    assert not (tmp_path / "other").exists()
    nothing = refused(
        "train-embedder", tmp_path / "none", "-o", tmp_path / "r", "--network", "small"
    )
    assert "none" in nothing
