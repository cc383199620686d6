"""Draw docs/pages.png, the README's picture of the pages: .venv/bin/python docs/make_pages.py

Chromium shows the portrait of the astronaut Eileen Collins that scikit-image carries (NASA, public
domain), who is enrolled from the same photo, mirrored and grey.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright
from skimage import data

import openfaceplus
from openfaceplus.images import save_png

PORT = 8244
WORDS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> int:
    pixels = data.astronaut()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grey = np.repeat(pixels[:, ::-1].mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        save_png(folder / "photos/Eileen Collins/enrolled.png", grey)
        save_png(folder / "portrait.png", pixels)
        openfaceplus.train(folder / "photos", folder / "model", jobs=1)
        command = [
            sys.executable, "-m", "openfaceplus", "serve", "-m", folder / "model",
            "--port", str(PORT), "--audit", folder / "audit.jsonl",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            server.stdout.readline()  # it serves
            try:
                draw(folder / "portrait.png")
            finally:
                server.terminate()
    return 0


def draw(photo: Path) -> None:
    """Take the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=WORDS)
        page = browser.new_page(viewport={"width": 1100, "height": 760})
        page.goto(f"http://127.0.0.1:{PORT}/")
        page.set_input_files("input[type=file]", photo)
        page.get_by_text("Eileen Collins").first.wait_for()
        page.wait_for_timeout(1000)  # until all is drawn
        page.screenshot(path=Path(__file__).with_name("pages.png"))


if __name__ == "__main__":
    sys.exit(main())
