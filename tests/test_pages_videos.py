"""The page of videos in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("psycopg")

import browsers
import made_videos
import numpy as np
import sample_photos
from browsers import Watched
from servers import Process

from openfaceplus.database.rows import Join, Suggest
from openfaceplus.server.pages import language
from openfaceplus.stages.video_demo import moving, write_clip

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EN = language.texts("en")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    browsers.executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, browsers.chromium(playwright) as running:
        yield running


@pytest.fixture
def url(browser: Browser, model: Path, db_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a server with an empty database of videos."""
    words = ["--audit", tmp_path / "audit.jsonl", "--uploads", tmp_path / "videos"]
    with Process("-m", model, "--db", db_url, *words) as process:
        yield process.url


def test_who_is_who_in_videos_is_put_right(browser, url, db):
    some, labels = made_videos.sequences(3, 2)
    numbers = made_videos.index(db, "/somewhere/a.mp4", some)
    people = db.commands.record(
        [Join(number, -1 - label) for number, label in zip(numbers, labels, strict=True)],
        [Suggest(numbers[0], -2, 0.4)],
    ).people
    watched = Watched(browser, url, locale="en-GB")
    page = watched.page
    page.goto("/videos")
    tiles = page.locator("#people .person")
    tiles.nth(2).wait_for()
    page.locator("#suggestions").get_by_role("button", name=EN["videos.refuse"]).click()
    page.locator("#asking").wait_for(state="hidden")

    tiles.first.click()
    page.fill("#video-name", "Ada <b>")
    page.keyboard.press("Enter")
    page.locator("#person-name", has_text="Ada <b>").wait_for()
    other = EN["videos.person"].replace("{n}", str(people[-3]))
    page.select_option("#other", other)
    page.click("#merge")
    page.locator("#person .sighting").nth(3).wait_for()
    assert tiles.count() == 2
    page.locator("#person input[type=checkbox]").first.check()
    page.click("#split")
    page.locator("#person .sighting").nth(1).wait_for(state="detached")
    page.keyboard.press("Escape")
    tiles.nth(2).wait_for()
    for command, left in (("split", 2), ("merge", 3)):
        page.click("#undo")
        page.locator("#state .good", has_text=EN[f"command.{command}"]).wait_for()
        assert tiles.count() == left
    assert page.locator("#people strong").all_inner_texts().count("Ada <b>") == 1
    assert not watched.wrong
    # The file is not where it was: that is said, and the console says it too.
    watched.expected = ["404"]
    page.locator("#videos button").click()
    page.locator("#unplayable").wait_for()
    assert page.locator("#lines .part").count() == 6
    assert not watched.wrong
    page.context.close()


@pytest.mark.heavy
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault(browser, url, db, theme):
    some, labels = made_videos.sequences(3, 2)
    numbers = made_videos.index(db, "/somewhere/a.mp4", some)
    db.commands.record(
        [Join(number, -1 - label) for number, label in zip(numbers, labels, strict=True)],
        [Suggest(numbers[0], -2, 0.4)],
    )
    phone = {"width": 390, "height": 844}
    size = phone if theme == "dark" else None
    page = Watched(browser, url, bypass_csp=True, color_scheme=theme, viewport=size).page
    page.goto("/videos")
    page.locator("#people .person").nth(2).wait_for()
    assert browsers.faults(page) == []
    page.locator("#people .person").first.click()
    page.locator("#person .sighting").first.wait_for()
    assert browsers.faults(page) == []
    page.keyboard.press("Escape")
    page.click("#add")
    page.get_by_role("button", name=EN["videos.index"]).click()
    page.locator("#adding-state .bad").wait_for()
    assert browsers.faults(page) == []
    page.keyboard.press("Escape")
    page.locator("#videos button").click()
    page.locator("#lines .part").first.wait_for()
    assert browsers.faults(page) == []
    page.context.close()


@pytest.mark.heavy
def test_a_video_is_sent_and_its_moments_are_played(browser, url, tmp_path):
    from PIL import Image

    faces = [Image.fromarray(sample_photos.pictures()[who]) for who in ("kit", "dora")]
    shots = [moving(np.asarray(one.resize((480, 480))))[::3] for one in faces]
    write_clip(tmp_path / "two <b>.mp4", [frame for shot in shots for frame in shot], 8)
    with browsers.watched(browser, url, locale="en-GB") as page:
        page.goto("/videos")
        page.locator("#state .empty", has_text=EN["videos.none"]).wait_for()
        page.click("#add")
        page.set_input_files("#file", tmp_path / "two <b>.mp4")
        rate = (tmp_path / "two <b>.mp4").stat().st_size / 3  # bytes a second
        network = page.context.new_cdp_session(page)
        network.send("Network.emulateNetworkConditions", {
            "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate,
        })  # fmt: skip
        page.get_by_role("button", name=EN["videos.index"]).click()
        page.locator("#adding-state .number", has_text=re.compile(r"^[1-9]\d?%$")).wait_for()
        page.locator("#jobs h3", has_text="two <b>.mp4").wait_for()
        page.locator("#people strong", has_text="kit").wait_for(timeout=120_000)
        page.locator("#videos button").click()
        page.locator("#lines .part").nth(1).click()
        screen = page.locator("#screen")
        page.wait_for_timeout(1000)
        assert screen.evaluate("video => video.currentTime") > 2.5
        assert page.locator("#unplayable").is_hidden()
