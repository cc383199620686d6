"""What photos take of memory: as stated by format, and by all processes together below a limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import toy_workers
from PIL import Image
from running import call, command_line, environment, face, people, refused, save, table

from openfaceplus import memory
from openfaceplus.errors import PhotoTooLarge, UsageError
from openfaceplus.stages.workers import Lost, Workers

SIDE = 5200, 5000  # 26 megapixels, more than the 24 that are worked with
FORMATS = {
    "grey.jpg": ("L", {}),
    "colour.jpg": ("RGB", {}),
    "progressive.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "cmyk.jpg": ("CMYK", {}),
    "colour.png": ("RGB", {"compress_level": 1}),
    "transparent.png": ("RGBA", {"compress_level": 1}),
    "palette.png": ("P", {"compress_level": 1}),
    "grey.webp": ("RGB", {"method": 0}),
    "transparent.webp": ("RGBA", {"method": 0}),
    "strip.tif": ("RGB", {"compression": "tiff_adobe_deflate", "strip_size": 1 << 30}),
    "float.tif": ("F", {}),
    "colour.bmp": ("RGB", {}),
    "colour.ppm": ("RGB", {}),
    "palette.gif": ("P", {}),
    "colour.avif": ("RGB", {"speed": 10, "subsampling": "4:4:4"}),
    "colour.jp2": ("RGB", {}),
}
QUICK = {"progressive.jpg", "transparent.png"}
MEASURE = r"""
import importlib, re, sys
from openfaceplus import decoding, developing, images
def peak():  # ru_maxrss begins with that of the parent
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
for codec in decoding._CODECS: importlib.import_module(f"PIL.{codec}ImagePlugin")
images.read_photo(sys.argv[2])
said, needed = [], developing.needed
developing.needed = lambda *given: said.append(needed(*given)) or said[0]
before = peak()
images.read_photo(sys.argv[1])
print(peak() - before, said[0])
"""


def large(path: Path, mode: str = "RGBA", size: tuple[int, int] = SIDE, **options) -> Path:
    """A face on a large empty picture."""
    image = Image.new("RGBA", size, "white")
    image.paste(Image.fromarray(face()).resize((size[0] // 3, size[0] // 3)), (900, 900))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert(mode).save(path, **options)
    return path


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.heavy) for name in FORMATS],
)
def test_decoding_takes_what_is_stated(tmp_path, name):
    mode, options = FORMATS[name]
    photo, small = large(tmp_path / name, mode, **options), save(tmp_path / "small.png")
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, photo, small], env=environment(), check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    peak, said = map(int, measured.split())
    assert 0.45 * said < peak < said, (name, peak / 26e6, said / 26e6)
    if name == "transparent.png":  # it was 15
        assert said < 9 * 26e6


def test_a_photo_that_does_not_fit_is_a_row(tmp_path):
    people(tmp_path / "photos", ada=2, bob=1)
    photo = large(tmp_path / "photos/bob/large.png", compress_level=1)
    words = ("--jobs", 1, "--max-memory", "200M")
    said = call("train", tmp_path / "photos", "-o", tmp_path / "model", *words, expect=1)
    assert "--max-pixels" in said.stderr and "--max-memory" in said.stderr
    (row,) = (r for r in table(tmp_path / "model/aligned-images/alignment.csv") if not r["chip"])
    assert row["status"] == "too_large" and "large.png: takes about" in row["reason"]
    model = tmp_path / "model"
    said = call("infer", "-m", model, photo, photo.with_name("0.png"), "--json", *words, expect=1)
    first, second = map(json.loads, said.stdout.splitlines())
    assert first["error"]["code"] == "photo_too_large"
    assert first["error"]["field"] == "max_memory" and second["faces"]
    assert "--max-memory: " in refused("verify", photo, photo, "--max-memory", "200M")
    call("infer", "-m", model, photo, "--max-memory", "4G")


@pytest.mark.parametrize("text", ["2", "0", "-1G", "x", "10X", "", "nan%", "1e30G"])
def test_amounts_of_memory(text):
    assert memory.bytes_of("2G") == 2 << 30 and memory.bytes_of(" 1.5m") == 3 << 19
    assert memory.bytes_of("100%") <= 2 * memory.free() and memory.bytes_of("5000000") == 5_000_000
    if text == "2":
        assert memory.bytes_of(text) == 2
    else:
        with pytest.raises(UsageError, match="no amount of memory"):
            memory.bytes_of(text)


def test_large_photos_wait_for_each_other(monkeypatch):
    """Four threads that each need a little more than half: never two at a time."""
    monkeypatch.setattr(memory, "resident", lambda _: 0)
    ledger, inside, most = memory.Ledger(1 << 30), [], []

    def decode() -> None:
        with ledger.reserved(600 << 20, "photo"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4
    with pytest.raises(PhotoTooLarge, match=r"a\.png: takes about 1,[0-9]{3} MB"):
        ledger.reserved(1100 << 20, "a.png").__enter__()


def test_processes_wait_and_dead_ones_do_not_count(tmp_path):
    log = tmp_path / "log"
    ceiling = memory.resident(os.getpid()) + (3 << 30)  # what tests before this one left counts too
    with memory.limited(ceiling), Workers(toy_workers.Reserving, (str(log), 2 << 30), 3) as pool:
        results = list(pool.map(["a", "b", "die", "c"]))
    assert results[:2] == ["a", "b"] and isinstance(results[2], Lost) and results[3] == "c"
    inside = 0
    for word in log.read_text().split():
        inside += {"in": 1, "out": -1, "dead": -1}[word]
        assert inside in (0, 1)


@pytest.mark.heavy
def test_four_processes_stay_below_the_ceiling(tmp_path):
    for number in range(8):
        large(tmp_path / f"photos/p{number}/a.png", size=(10_000, 8_000), compress_level=1)
    ceiling = 2200 << 20
    words = ("align", tmp_path / "photos", "-o", tmp_path / "chips", "--jobs", 4)
    process = subprocess.Popen(
        command_line(*words, "--max-memory", str(ceiling)), env=environment(),
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(memory.resident, family(process.pid))))
        time.sleep(0.01)
    assert process.returncode == 0 and len(list((tmp_path / "chips").rglob("*.png"))) == 8
    assert 0.5 * ceiling < most < ceiling


def family(process: int) -> list[int]:
    """A process and its children."""
    found = [process]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == process:
                found.append(int(entry.name))
    return found


def test_a_child_after_a_fork_has_its_own_ledger():
    with memory.limited(1 << 30):
        before = memory.ledger()
        if not (child := os.fork()):
            mine = memory.ledger()
            os._exit(0 if mine is not before and mine.ceiling == 1 << 30 else 1)
        assert os.waitpid(child, 0)[1] == 0 and memory.ledger() is before


def test_strips_are_seamless(tmp_path):
    """A smooth picture stays smooth where strips meet, and all orientations are kept."""
    from openfaceplus.images import read_photo

    slope = np.linspace(0, 255, 3000)[:, None, None] + np.zeros((1, 3000, 3))
    for number in (1, 3, 6, 8):  # by an axis, both or swapped
        exif = Image.Exif()
        exif[0x0112] = number
        path = save(tmp_path / f"{number}.png", slope.astype(np.uint8), exif=exif)
        pixels = read_photo(path, working_pixels=4_000_000).pixels.astype(int)
        down = pixels[:, 7, 0] if number < 5 else pixels[7, :, 0]
        steps = np.diff(down if down[0] < down[-1] else down[::-1])
        assert steps.min() >= 0 and steps.max() <= 1 and len(steps) == 1999
        turned = {3, 4, 7, 8} if number < 5 else {6, 7}
        assert (down[0] > down[-1]) == (number in turned)
