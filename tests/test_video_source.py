"""Files, cameras and streams as frames with times, whatever they hold."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from running import save
from video_maker import write_video

from openfaceplus.errors import UsageError, VideoError
from openfaceplus.video.opening import walk_videos
from openfaceplus.video.parts import Parts
from openfaceplus.video.shots import Shots
from openfaceplus.video.source import open_video

RED, GREEN, BLUE = (220, 30, 30), (30, 200, 30), (30, 30, 220)


def corners(width: int = 64, height: int = 48) -> np.ndarray:
    """A picture with another colour in each corner: red, green, blue and black."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = BLUE
    return picture


def colours(picture: np.ndarray) -> str:
    """The initials of its corners' colours: top left, top right, bottom left, bottom right."""
    height, width = picture.shape[:2]
    found = ""
    for y, x in itertools.product((height // 4, 3 * height // 4), (width // 4, 3 * width // 4)):
        pixel = picture[y, x].astype(int)
        found += "k" if pixel.max() < 90 else "rgb"[pixel.argmax()]
    return found


def times(path, **options) -> list[float]:
    with open_video(path) as video:
        return [round(frame.time, 3) for frame in video.frames(**options)]


def test_frames_come_with_times_and_in_two_sizes(tmp_path):
    path = write_video(tmp_path / "a.mp4", [corners(1280, 720)] * 10, sound=True)
    with open_video(path) as video:
        info = video.info
        assert (info.width, info.height, info.rotation, info.audio) == (1280, 720, 0, True)
        assert info.rate == 25 and info.frames == 10 and not info.live
        assert info.path == str(path)
        frames = list(video.frames())
        assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(10)])
        assert frames[3].pixels.shape == (360, 640, 3) and frames[3].scale == 2
        assert frames[3].full().shape == (720, 1280, 3)
        assert colours(frames[3].pixels) == colours(frames[3].full()) == "rgbk"
        assert not video.remarks


def test_every_nth_frame_and_the_first_seconds(tmp_path):
    path = write_video(tmp_path / "a.mp4", [corners()] * 20)
    assert times(path, every=8) == [0, 0.32, 0.64]
    assert times(path, seconds=0.2) == [0, 0.04, 0.08, 0.12, 0.16]
    with open_video(path) as video:
        for wrong in ({"every": 0}, {"seconds": 0}, {"seconds": float("nan")}):
            with pytest.raises(UsageError):
                video.frames(**wrong)


@pytest.mark.parametrize(
    ("rotation", "shape", "seen"),
    [(90, (64, 48), "gkrb"), (-90, (64, 48), "brkg"), (180, (48, 64), "kbgr")],
)
def test_turned_videos_are_upright(tmp_path, rotation, shape, seen):
    path = write_video(tmp_path / "a.mp4", [corners()] * 2, rotation=rotation)
    with open_video(path) as video:
        assert (video.info.height, video.info.width) == shape
        assert video.info.rotation == rotation % 360
        for frame in video.frames():
            assert frame.full().shape[:2] == shape and colours(frame.full()) == seen
            assert colours(frame.pixels) == seen


def test_pixels_are_made_square(tmp_path):
    path = write_video(tmp_path / "a.mp4", [corners()], aspect=Fraction(4, 3))
    with open_video(path) as video:
        (frame,) = video.frames()
        assert frame.full().shape[:2] == (48, 85) == (video.info.height, video.info.width)


def test_a_rate_that_varies(tmp_path):
    said = [0, 0.04, 0.5, 0.51, 2.0, 7.25]
    path = write_video(tmp_path / "a.mkv", [corners()] * 6, times=said)
    assert times(path) == said


def test_a_start_that_is_not_zero(tmp_path):
    """Players count from where the file begins, and so do we."""
    path = write_video(tmp_path / "a.ts", [corners()] * 5)  # begins at 1.4 s on its own clock
    assert times(path) == pytest.approx([n / 25 for n in range(5)], abs=0.002)


def test_no_times_at_all(tmp_path):
    path = write_video(tmp_path / "a.h264", [corners()] * 5)
    found = times(path)
    assert len(found) == 5 and found[0] == 0 and (np.diff(found) > 0).all()


def test_clocks_that_jump_back(tmp_path):
    """Two recordings in one file, as when transport streams are joined with cat."""
    one = write_video(tmp_path / "one.ts", [corners()] * 50)
    path = tmp_path / "two.ts"
    path.write_bytes(one.read_bytes() * 2)
    found = times(path)
    assert len(found) > 90 and (np.diff(found) > 0).all() and found[-1] < 5


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size"),
    [
        ("ten.mkv", "libx264", "yuv420p10le", (64, 48)),
        ("odd.mkv", "ffv1", "yuv444p", (63, 47)),
        ("tall.webm", "libvpx", "yuv420p", (32, 128)),
        ("old.avi", "mpeg4", "yuv420p", (64, 48)),
        ("grey.mkv", "ffv1", "gray", (64, 48)),
        ("see-through.mkv", "ffv1", "bgra", (64, 48)),
        ("wide.mp4", "libx264", "yuv420p", (512, 16)),
    ],
)
def test_pictures_of_every_kind(tmp_path, name, codec, pixels, size):
    path = write_video(tmp_path / name, [corners(*size)] * 3, codec=codec, pixels=pixels)
    with open_video(path) as video:
        frames = list(video.frames())
        assert len(frames) == 3
        assert all(frame.full().shape == (size[1], size[0], 3) for frame in frames)
        if pixels != "gray":
            assert colours(frames[0].full()) == "rgbk"


def test_a_file_that_is_cut_short(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(100)]
    front = {"movflags": "faststart"}
    whole = write_video(tmp_path / "whole.mp4", noise, container=front).read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with open_video(path) as video:
        count = sum(1 for _ in video.frames())
        assert 30 < count < 70
        assert any("end after" in remark for remark in video.remarks)
    path.write_bytes(write_video(tmp_path / "tail.mp4", noise).read_bytes()[:-3000])
    with pytest.raises(VideoError, match=r"half\.mp4: not a video that can be read"):
        open_video(path)


def test_pieces_that_cannot_be_decoded(tmp_path):
    """What is damaged is left out or concealed; it stops nothing."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(100)]
    path = write_video(tmp_path / "a.mkv", noise)
    data = bytearray(path.read_bytes())
    for start in range(len(data) // 3, len(data) // 2, 5000):
        data[start : start + 600] = rng.bytes(600)
    path.write_bytes(data)
    with open_video(path) as video:
        assert 20 < sum(1 for _ in video.frames()) <= 100


def moving(count: int = 100) -> list[np.ndarray]:
    """Pictures of noise that slides, so that each frame rests on others."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    return [np.roll(noise, 2 * number, axis=1) for number in range(count)]


def in_parts(path: Path, every: int, length: float = 1.0) -> tuple[list, Parts]:
    """The frames of all its parts, each read by itself, as time and pixels."""
    with open_video(path) as video:
        parts = video.parts(length)
    found = []
    for part in parts.parts:
        with open_video(path) as video:
            found += [(one.time, one.pixels) for one in video.frames(every, part=part)]
    return found, parts


def alike(some: Iterable[tuple[float, np.ndarray]], others: list) -> bool:
    return [(time, pixels.tobytes()) for time, pixels in some] == [
        (time, pixels.tobytes()) for time, pixels in others
    ]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("b-frames.mp4", "libx264", {"preset": "fast", "bf": "3"}),
        ("open.mkv", "libx264", {"preset": "fast", "bf": "3", "x264-params": "open-gop=1"}),
        ("stream.ts", "libx264", {"preset": "fast", "bf": "3", "x264-params": "open-gop=1"}),
        ("old.ts", "mpeg2video", {"bf": "2"}),
        ("old.avi", "mpeg4", {}),
        ("web.webm", "libvpx", {"deadline": "realtime"}),
    ],
)
def test_parts_give_the_frames_of_the_whole(tmp_path, name, codec, options):
    path = write_video(tmp_path / name, moving(), codec=codec, options=options, keyframes=12)
    for every in (1, 7):
        with open_video(path) as video:
            whole = [(frame.time, frame.pixels) for frame in video.frames(every)]
        found, parts = in_parts(path, every)
        assert len(parts.parts) >= 3 and alike(found, whole)
    some = whole[1::3]
    with open_video(path) as video:
        again = video.frames_at([time for time, _ in some], parts.keyframes)
        assert alike(((frame.time, frame.pixels) for frame in again), some)


def test_what_says_no_times_is_one_part(tmp_path):
    one = write_video(tmp_path / "one.ts", moving(50), keyframes=12)
    (tmp_path / "two.ts").write_bytes(one.read_bytes() * 2)
    bare = write_video(tmp_path / "a.h264", moving(50), keyframes=12)
    still = write_video(tmp_path / "single.mp4", moving(50), keyframes=1000)
    for path in (tmp_path / "two.ts", bare, still):
        with open_video(path) as video:
            whole = [(frame.time, frame.pixels) for frame in video.frames()]
        found, parts = in_parts(path, 1)
        assert len(parts.parts) == 1 and alike(found, whole)


def test_parts_of_what_is_damaged_end_with_it(tmp_path):
    front = {"movflags": "faststart"}
    whole = write_video(tmp_path / "whole.mp4", moving(), container=front, keyframes=12)
    path = tmp_path / "half.mp4"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with open_video(path) as video:
        frames = [(frame.time, frame.pixels) for frame in video.frames()]
    found, parts = in_parts(path, 1, 0.5)
    assert len(parts.parts) == 2 and alike(found, frames)


def test_what_is_no_video(tmp_path):
    """Each is refused in one line that names the file."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("Once upon a time\n" * 99)
    os.rename(save(tmp_path / "photo.png"), tmp_path / "photo.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    for name in ("empty", "text", "photo", "pipe", "folder", "noise", "missing"):
        with pytest.raises(VideoError, match=rf"{name}\.mp4: ") as raised:
            open_video(tmp_path / f"{name}.mp4")
        assert raised.value.remedy and raised.value.code == "video"


def test_sound_without_pictures(tmp_path):
    import av

    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(VideoError, match="sound but no pictures"):
        open_video(path)


def test_a_file_leads_to_no_other(tmp_path):
    """Playlists, whatever their name, would let a video read any file or address."""
    secret = write_video(tmp_path / "secret.mp4", [corners()] * 3)
    lists = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile {secret.name}\n",
    }
    for ending, (name, text) in itertools.product((".m3u8", ".mp4", ".mkv"), lists.items()):
        path = tmp_path / f"{name}{ending}"
        path.write_text(text)
        with pytest.raises(VideoError):
            open_video(path)
    with pytest.raises(VideoError):
        open_video(f"concat:{secret}|{secret}")
    assert len(times(secret)) == 3


def test_frames_that_are_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("openfaceplus.video.source.MAX_PIXELS", 2000)
    path = write_video(tmp_path / "a.mp4", [corners()])
    with pytest.raises(VideoError, match="64 x 48 pixels"):
        open_video(path)


def test_cameras_and_streams_that_are_not_there():
    with pytest.raises(VideoError, match="no such camera"):
        open_video("camera:987")
    for address in ("rtsp://127.0.0.1:1/x", "http://127.0.0.1:1/x.mp4"):
        with pytest.raises(VideoError, match="cannot be opened"):
            open_video(address)


def test_a_server_that_never_answers(monkeypatch):
    monkeypatch.setattr("openfaceplus.video.opening._PATIENCE", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, start = server.getsockname()[1], time.monotonic()
        with pytest.raises(VideoError, match="no answer in time"):
            open_video(f"http://127.0.0.1:{port}/a.mp4")
    assert time.monotonic() - start < 10


def test_a_video_over_http(tmp_path):
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    write_video(tmp_path / "a.mkv", [corners()] * 5)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert len(times(f"http://127.0.0.1:{server.server_port}/a.mkv")) == 5
        server.shutdown()


def test_videos_of_a_folder(tmp_path):
    names = ("b/2.MKV", "a.mp4", "b/1.mov", ".hidden.mp4", ".cache/c.mp4", "notes.txt", "p.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in walk_videos(tmp_path)]
    assert found == ["a.mp4", "b/1.mov", "b/2.MKV"]
    (tmp_path / "none").mkdir()
    assert walk_videos(tmp_path / "none") == []
    with pytest.raises(VideoError, match="not a folder of videos"):
        walk_videos(tmp_path / "a.mp4")


def test_shots_begin_where_the_picture_changes():
    rng = np.random.default_rng(0)
    walls = [rng.integers(0, 255, (12, 20, 3), np.uint8) for _ in range(3)]
    shots, begun = Shots(), []
    for number in range(60):
        picture = np.kron(walls[number // 20], np.ones((30, 30, 1), np.uint8))
        if shots.begins(np.roll(picture, 3 * number, axis=1)):  # the camera pans meanwhile
            begun.append(number)
    assert begun == [20, 40]
