"""The demos in front of a camera: who comes is greeted once a visit, strangers are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import ROOT, refused, run

from openfaceplus.faces import Box, Decision
from openfaceplus.stages.camera import Sighting, Visits
from openfaceplus.stages.video_demo import moving, write_clip
from openfaceplus.track.agreement import STRANGER, Followed

GREETER, WEBCAM = ROOT / "demos/greeter.py", ROOT / "demos/classifier_webcam.py"


pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def clip(portraits, samples, tmp_path_factory) -> Path:
    """Kit, then somebody unknown, then Kit again."""
    photos = [portraits / "test/kit1.jpg", samples / "actor.png", portraits / "test/kit1.jpg"]
    frames = [
        frame
        for photo in photos
        for frame in moving(np.asarray(Image.open(photo).convert("RGB")))[::6]
    ]
    path = tmp_path_factory.mktemp("clip") / "door.mp4"
    write_clip(path, frames, 5)
    return path


def test_who_comes_is_greeted_once_and_a_stranger_never(model, clip):
    said = run(GREETER, "--model", model, "--source", clip, "--silent", "--agree", 2).stdout
    assert said == "Welcome, kit\n"
    words = ("--words", "Hola, {name}", "--json", "--silent")
    line = run(GREETER, "--model", model, "--source", clip, *words).stdout
    assert json.loads(line)["words"] == "Hola, kit"


def test_names_are_written_when_they_change(model, clip):
    said = run(WEBCAM, model, "--source", clip, "--no-window").stdout.splitlines()
    names = [line.partition("s: ")[2] for line in said]
    assert [name for name in names if name != "nobody"] == ["kit", "unknown", "kit"]


def test_there_is_no_screen_here(model, clip):
    said = refused(WEBCAM, model, "--source", clip, env={"DISPLAY": ""})
    assert "--no-window" in said
    assert "no {name}" in refused(GREETER, "--words", "Hello", cwd=ROOT)


def seen(time: float, agreed: str | None, name: str | None = "Ada") -> Sighting:
    decision = Decision(None, name, "Ada", 0.9, 1.0, 0.5, Box(0, 0, 1, 1))
    return Sighting(time, None, [Followed(1, decision, agreed, False)])


def test_who_was_away_is_greeted_again():
    visits = Visits(away=30)
    assert visits.greet(seen(0, None)) == []
    assert visits.greet(seen(1, "a")) == ["Ada"]
    assert visits.greet(seen(2, "a")) == [] and visits.greet(seen(31, "a")) == []
    assert visits.greet(seen(62, "a")) == ["Ada"]
    assert visits.greet(seen(63, STRANGER, None)) == []
