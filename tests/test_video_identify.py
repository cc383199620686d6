"""A video with everybody named."""

from __future__ import annotations

import json
import resource
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import call, leftovers, refused, table
from video_maker import put, scene, write_video

from openfaceplus.video.source import open_video

RATE = 10
STARTED = [n / RATE for n in range(20)]


@pytest.fixture(scope="module")
def clip(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Obama goes right, whom the model knows; Vera, whom it does not, stays; then nobody."""
    known, stranger = (sample_photos.pictures()[name] for name in ("obama", "vera"))

    def draw(picture: np.ndarray, time: float) -> None:
        if time < 1.5:
            put(picture, known, (100 + 30 * time, 135), 120)
            if not 0.6 < time < 0.9:  # and nothing is seen of her for three frames
                put(picture, stranger, (360, 135), 120)

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_video(path, scene(2, draw, rate=RATE), rate=RATE, sound=True)


@pytest.fixture(scope="module")
def named(clip: Path, model: Path) -> Path:
    """The folder with ``out.mp4`` and ``out.csv``. Not to be changed."""
    folder = clip.parent / "named"
    call("video", "identify", "-m", model, clip, "-o", folder / "out.mp4", "--csv",
         folder / "out.csv")  # fmt: skip
    return folder


def decoded(path: Path) -> tuple[list[float], list[np.ndarray]]:
    with open_video(path) as video:
        frames = [(frame.time, frame.full()) for frame in video.frames()]
    return [time for time, _ in frames], [pixels for _, pixels in frames]


def test_each_face_of_each_frame_is_a_row_and_names_are_steady(named):
    rows = table(named / "out.csv")
    by_sequence = {row["sequence"]: set() for row in rows}
    for row in rows:
        by_sequence[row["sequence"]].add((row["name"], row["closest"]))
    assert all(len(said) == 1 for said in by_sequence.values())
    obama = [row for row in rows if row["name"] == "obama"]
    assert [float(row["time"]) for row in obama] == pytest.approx(STARTED[:15])
    lefts = [int(row["left"]) for row in obama]
    assert lefts == sorted(lefts) and lefts[-1] > lefts[0] + 30
    assert all(float(row["confidence"]) > 0.5 for row in obama)
    strangers = [row for row in rows if not row["name"]]
    assert len(strangers) == 15 and all(row["closest"] for row in strangers)
    seen = [row for row in rows if row["quality"]]
    assert all(abs(float(row["roll"])) < 20 for row in seen)
    unseen = [float(row["time"]) for row in rows if not row["quality"]]
    assert unseen == pytest.approx([0.7, 0.8])  # her box goes on where she is not seen


def test_nobody_bears_the_name_of_one_behind(samples, model, tmp_path):
    known, stranger = (sample_photos.pictures()[name] for name in ("obama", "vera"))

    def draw(picture: np.ndarray, time: float) -> None:
        put(picture, known, (100 + 140 * time, 135), 110)
        put(picture, stranger, (240, 135), 150)

    path = write_video(tmp_path / "a.mp4", scene(2, draw, rate=RATE), rate=RATE)
    call("video", "identify", "-m", model, path, "-o", tmp_path / "out.mp4")
    rows = table(tmp_path / "out.csv")
    passing = [row for row in rows if row["name"] == "obama"]
    assert float(passing[0]["time"]) < 0.3 and float(passing[-1]["time"]) > 1.6
    middles = [(int(row["left"]) + int(row["right"])) / 2 for row in passing]
    assert not any(abs(middle - 240) < 15 for middle in middles)
    strangers = [row for row in rows if not row["name"]]
    assert len(strangers) == 20 and len({row["sequence"] for row in strangers}) == 1


def test_times_and_sound_stay_and_boxes_are_drawn(clip, named):
    import av

    before, plain = decoded(clip)
    after, drawn = decoded(named / "out.mp4")
    assert after == pytest.approx(before, abs=0.0005)
    with av.open(str(clip)) as one, av.open(str(named / "out.mp4")) as other:
        sound, copied = ([bytes(p) for p in file.demux(audio=0)] for file in (one, other))
    assert len(sound) > 20 and sound == copied
    rows = [row for row in table(named / "out.csv") if float(row["time"]) == 0.3]
    assert len(rows) == 2
    for row in rows:
        edge = drawn[3][(int(row["top"]) + int(row["bottom"])) // 2, int(row["left"])].astype(int)
        red = edge[0] > edge[1] + 40
        assert red == (row["name"] == "") and abs(edge - plain[3][0, 0]).max() > 40
    unchanged = np.abs(drawn[18].astype(int) - plain[18]).mean()  # nobody is there any more
    assert unchanged < 4


def test_json_says_who_was_seen_when(clip, model, tmp_path):
    said = call(
        "video", "identify", "-m", model, clip, "-o", tmp_path / "a.mkv", "--json", "--every", "3"
    ).stdout
    found = json.loads(said)
    assert found["frames"] == 7 and found["output"].endswith("a.mkv")
    names = {one["name"] for one in found["sequences"]}
    assert names == {"obama", None}
    assert len(decoded(tmp_path / "a.mkv")[0]) == 20  # all frames are there
    assert all(one["end"] > one["start"] for one in found["sequences"])


def test_a_rate_that_varies_and_a_turned_picture(samples, model, tmp_path):
    photo = sample_photos.pictures()["obama"]

    def draw(picture: np.ndarray, time: float) -> None:
        put(picture, photo, (200, 135), 120)

    lying = [np.rot90(picture).copy() for picture in scene(1, draw, rate=RATE)]
    times = [0, 0.1, 0.15, 0.3, 0.5, 0.55, 0.9, 1.2, 1.25, 2]
    path = write_video(tmp_path / "a.mkv", scene(1, draw, rate=RATE), times=times)
    turned = write_video(tmp_path / "b.mp4", lying, rate=RATE, rotation=-90)
    call("video", "identify", "-m", model, turned, "-o", tmp_path / "out.mp4", "--csv",
         tmp_path / "out.csv")  # fmt: skip
    _, drawn = decoded(tmp_path / "out.mp4")
    assert drawn[0].shape == (270, 480, 3)
    assert {row["name"] for row in table(tmp_path / "out.csv")} == {"obama"}
    call("video", "identify", "-m", model, path, "-o", tmp_path / "c.mov")
    assert decoded(tmp_path / "c.mov")[0] == pytest.approx(times, abs=0.002)


def test_odd_sizes_and_sound_that_is_encoded_anew(samples, model, tmp_path):
    import av

    photo = sample_photos.pictures()["obama"]

    def draw(picture: np.ndarray, time: float) -> None:
        put(picture, photo, (200, 135), 120)

    frames = scene(1, draw, rate=RATE, size=(401, 271))
    path = tmp_path / "a.wmv"
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=RATE)
        video.width, video.height, video.pix_fmt = 401, 271, "yuv420p"
        audio = file.add_stream("wmav2", rate=44_100, layout="mono")  # which no mp4 holds
        audio.bit_rate = 64_000
        for picture in frames:
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(video.encode())
        for start in range(0, 44_100, 2048):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), "fltp", "mono")
            sound.sample_rate, sound.pts, sound.time_base = 44_100, start, Fraction(1, 44_100)
            file.mux(audio.encode(sound))
        file.mux(audio.encode())
    call("video", "identify", "-m", model, path, "-o", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.audio[0].codec_context.name == "aac"
        assert sum(1 for _ in file.decode(audio=0)) > 10
    assert decoded(tmp_path / "out.mp4")[1][0].shape == (270, 400, 3)


def test_what_others_made_is_not_replaced(clip, named, model, tmp_path):
    words = ("video", "identify", "-m", model, clip, "--seconds", "0.3", "-o")
    (tmp_path / "mine.mp4").write_bytes(b"my wedding")
    assert "--overwrite" in refused(*words, tmp_path / "mine.mp4")
    assert (tmp_path / "mine.mp4").read_bytes() == b"my wedding"
    assert "--overwrite" in refused(*words, clip)
    (tmp_path / "mine.csv").write_text("mine\n")
    assert "--overwrite" in refused(*words, tmp_path / "a.mp4", "--csv", tmp_path / "mine.csv")
    assert not (tmp_path / "a.mp4").exists()
    for _ in range(2):  # what an earlier run made is
        call(*words, tmp_path / "a.mp4", "--csv", tmp_path / "a.csv")
    call(*words, tmp_path / "mine.mp4", "--overwrite")
    assert len(decoded(tmp_path / "mine.mp4")[0]) == 3


def test_what_cannot_be_done_is_said_in_one_line(clip, model, tmp_path):
    words = ("video", "identify", "-m", model)
    assert "as .mp4" in refused(*words, clip, "-o", tmp_path / "a.avi")
    assert "read twice" in refused(*words, "camera:0", "-o", tmp_path / "a.mp4")
    (tmp_path / "text.mp4").write_text("Once upon a time\n" * 50)
    assert "not a video" in refused(*words, tmp_path / "text.mp4", "-o", tmp_path / "a.mp4")
    assert "--every" in refused(*words, clip, "-o", tmp_path / "a.mp4", "--every", "0")
    assert not leftovers(tmp_path) and not (tmp_path / "a.mp4").exists()


def test_no_face_is_a_failure_that_leaves_a_video(model, tmp_path):
    path = write_video(tmp_path / "a.mp4", scene(0.5, lambda picture, time: None))
    done = call("video", "identify", "-m", model, path, "-o", tmp_path / "out.mp4", expect=1)
    assert "no face was found" in done.stderr
    assert len(decoded(tmp_path / "out.mp4")[0]) == 12


def test_a_disk_that_is_full_is_said(clip, model, tmp_path):
    """And neither half a video nor a table is left."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    said = refused(
        "video", "identify", "-m", model, clip, "-o", tmp_path / "out.mp4", before=limit,
        env={"OPENFACEPLUS_CACHE": str(clip.parent / "cache")},
    )  # fmt: skip
    assert "cannot be written" in said and "disk" in said
    assert not leftovers(tmp_path) and not list(tmp_path.iterdir())
