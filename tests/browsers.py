"""A real browser for tests of pages: headless Chromium, its webcam fed from a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT = 20_000  # milliseconds: this machine may have much else to do
SIZE = 640, 480


def executable() -> str:
    """Where Chromium is; skips the test if it, or what drives it, is not here."""
    pytest.importorskip("playwright", reason="playwright is not here")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("Chromium is not here")
    return path


@contextmanager
def chromium(playwright: Playwright, webcam: Path | None = None) -> Iterator[Browser]:
    """A browser whose webcam, if it has one, shows a file over and over."""
    words = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    if webcam is not None:
        words += [
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={webcam}",
        ]  # fmt: skip
    browser = playwright.chromium.launch(executable_path=executable(), args=words)
    try:
        yield browser
    finally:
        browser.close()


class Watched:
    """A page, and what went wrong in it: errors of scripts, and addresses elsewhere."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.wrong: list[str] = []
        self.expected: list[str] = []
        self.page: Page = browser.new_context(base_url=url, **context).new_page()
        self.page.set_default_timeout(WAIT)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type == "error" and not any(part in message.text for part in self.expected):
            self.wrong.append(message.text)

    def _request(self, request: Any) -> None:
        to = urlsplit(request.url)
        if to.scheme not in ("blob", "data") and to.netloc != urlsplit(self.url).netloc:
            self.wrong.append(f"asked {request.url}")


@contextmanager
def watched(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page in which nothing may go wrong."""
    made = Watched(browser, url, **context)
    try:
        yield made.page
        assert not made.wrong, made.wrong
    finally:
        made.page.context.close()


def faults(page: Page) -> list[str]:
    """The serious faults that axe finds in a page (opened with ``bypass_csp``)."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not here")
    found = axe.Axe().run(page).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {node['html']}" for one in bad for node in one["nodes"]]


def film(path: Path, scenes: Sequence[tuple[Path | None, float]], rate: int = 10) -> Path:
    """A webcam's file: photos, or None for an empty room, and for how many seconds each."""
    import av

    with av.open(str(path), "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=rate)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p"
        stream.codec_context.qmin = stream.codec_context.qmax = 3
        for photo, seconds in scenes:
            frame = av.VideoFrame.from_ndarray(_scene(photo), format="rgb24")
            for _ in range(round(seconds * rate)):
                frame.pts = None
                out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def _scene(photo: Path | None) -> np.ndarray:
    room = Image.new("RGB", SIZE, (128, 128, 128))
    if photo is not None:
        image = Image.open(photo).convert("RGB")
        image.thumbnail((SIZE[0], SIZE[1] - 40))
        room.paste(image, ((SIZE[0] - image.width) // 2, (SIZE[1] - image.height) // 2))
    return np.asarray(room)
