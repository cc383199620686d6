"""The pages in a real browser, whose webcam sees somebody who is enrolled."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

import browsers
import moved_faces
import numpy as np
import sample_photos
import vectors
from browsers import watched
from PIL import Image
from running import save
from servers import Process

from openfaceplus.classify.classifier import Classifier
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.server.keys import KeyFile
from openfaceplus.server.pages import language

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

EN, ES = language.texts("en"), language.texts("es")


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that a user started."""
    browsers.executable()
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(model, folder / "model")
    words = ["-m", folder / "model", "--audit", folder / "audit.jsonl"]
    with Process(*words, "--keep-unsure", folder / "unsure") as process:
        yield process.url


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    browsers.executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(
    playwright: Playwright, portraits: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """A browser whose webcam sees kit."""
    pytest.importorskip("av")
    film = browsers.film(
        tmp_path_factory.mktemp("webcam") / "kit.mjpeg", [(portraits / "test/kit1.jpg", 2)]
    )
    with browsers.chromium(playwright, film) as running:
        yield running


@pytest.fixture
def page(server: str, browser: Browser) -> Iterator[Page]:
    """A page in English."""
    with watched(browser, server, locale="en-GB") as made:
        yield made


def test_identify_names_the_enrolled_and_not_the_stranger(page, portraits):
    page.goto("/")
    page.set_input_files("#photos-files", portraits / "test/obama_and_biden.jpg")
    page.locator(".answer").nth(2).wait_for()
    named = page.locator(".answer strong").all_inner_texts()
    assert named == ["biden", "obama", EN["face.stranger"]]
    assert page.locator(".mark span").all_inner_texts() == named
    assert "stranger" in page.locator(".mark").nth(2).get_attribute("class")
    page.locator("#rate").focus()
    page.keyboard.press("End")  # a rate at which nobody can be named
    page.locator('.answer[data-kind="stranger"]').nth(2).wait_for()
    assert page.inner_text("#rate-words") == EN["rate.nobody"]
    page.keyboard.press("Home")
    page.locator('.answer[data-kind="known"]').nth(1).wait_for()
    assert page.inner_text("#rate-figure") == "1 in 10"


def test_identify_by_webcam_with_the_keyboard_alone(page):
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == EN["base.skip"]
    page.keyboard.press("Enter")
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == EN["photos.camera"]
    page.keyboard.press("Enter")
    page.locator("[data-take]:focus").wait_for()
    page.keyboard.press("Enter")
    page.locator(".answer").wait_for()
    assert page.locator(".answer strong").all_inner_texts() == ["kit"]


def test_a_file_that_is_no_photo_is_said(page, tmp_path):
    (tmp_path / "<b>x.jpg").write_bytes(b"<script>document.title = 'broken'</script>")
    page.goto("/")
    page.set_input_files("#photos-files", tmp_path / "<b>x.jpg")
    page.locator("article .notice").wait_for()
    assert EN["photo.unreadable"] in page.inner_text("article")
    assert page.inner_text("article h2") == "<b>x.jpg"


def test_a_person_comes_is_renamed_and_goes(page, portraits, tmp_path):
    dora = save(tmp_path / "dora.png", sample_photos.pictures()["dora"])
    script = "<img src=x onerror=alert(1)>"
    page.goto("/people")
    page.locator(".person").nth(4).wait_for()
    page.click("#add")
    page.set_input_files("#enrol-files", portraits / "test/kit1.jpg")
    page.locator('[data-verdict="looks_like_another"]').wait_for()
    assert page.is_disabled("#save")
    page.click('[aria-label*="kit1.jpg"]')
    page.set_input_files("#enrol-files", dora)
    page.locator('[data-verdict="ok"]').wait_for()
    page.fill("#name", script)
    page.fill("#consent", "Said so today")
    page.fill("#purpose", "This test")
    page.click("#save")
    page.get_by_text(script, exact=True).first.wait_for()
    assert page.locator(".person").count() == 6

    page.fill("#search", "onerr")
    page.locator(".person").nth(1).wait_for(state="detached")
    page.click(".person")
    page.get_by_text("Said so today").wait_for()
    page.get_by_role("button", name=EN["people.rename"]).click()
    page.fill("#new-name", "Dora")
    page.keyboard.press("Enter")
    page.locator("#person-name", has_text="Dora").wait_for()
    page.keyboard.press("Escape")
    page.fill("#search", "dora")
    page.locator(".person strong", has_text="Dora").click()
    page.get_by_role("button", name=EN["people.remove"]).click()
    page.get_by_role("button", name=EN["people.remove_yes"]).click()
    page.locator("#receipt").wait_for()
    assert page.locator("#receipt dd").first.inner_text() == "1"
    page.keyboard.press("Escape")
    page.fill("#search", "")
    page.locator(".person").nth(4).wait_for()
    assert page.locator(".person").count() == 5


def test_what_a_user_does_is_done_once_however_often_it_is_sent(server, browser):
    made = browsers.Watched(browser, server, locale="en-GB")
    made.expected = ["ERR_FAILED"]  # which the console says of what is lost here
    page, sent = made.page, []

    def lose(route: Any) -> None:
        """Carry a request out, or not, and lose the answer to the first."""
        sent.append(route.request.headers.get("idempotency-key"))
        if len(sent) == 1:
            route.fetch()
            route.abort("failed")
        else:
            route.continue_()

    def rename(name: str) -> None:
        page.fill("#new-name", name)
        page.keyboard.press("Enter")

    page.route("**/v1/people/*", lambda route: (
        lose(route) if route.request.method == "PATCH" else route.continue_()
    ))  # fmt: skip
    page.goto("/people")
    page.locator(".person", has_text="kit").click()
    page.get_by_role("button", name=EN["people.rename"]).click()
    rename("Kit")
    page.locator("#person .bad", has_text=EN["problem.unreachable"]).wait_for()
    rename("Kit")
    page.locator("#person-name", has_text="Kit").wait_for()
    page.get_by_role("button", name=EN["people.rename"]).click()
    rename("kit")
    page.locator("#person-name", has_text="kit").wait_for()
    first, again, other = sent
    assert first == again and len({first, other}) == 2 and all(len(key) == 32 for key in sent)
    assert not made.wrong
    page.context.close()


def test_two_photos_or_a_claimed_person_are_verified(page, portraits):
    page.goto("/verify")
    page.set_input_files("#first-files", portraits / "test/kit1.jpg")
    page.set_input_files("#second-files", portraits / "test/alex1.jpg")
    page.locator(".verdict.bad", has_text=EN["verify.different"]).wait_for()
    page.set_input_files("#second-files", portraits / "train/kit/kit1.jpeg")
    page.locator(".verdict.good", has_text=EN["verify.same"]).wait_for()
    assert page.locator(".mark").count() == 2
    page.check("[value=person]")
    for name, kind in (("rose", "bad"), ("kit", "good")):
        page.fill("#claimed", name)
        page.locator(f".verdict.{kind}", has_text=name).wait_for()


def test_what_the_model_was_measured_on(page):
    page.goto("/accuracy")
    page.locator("#rows tr").nth(9).wait_for()
    assert page.locator("#figures dd").all_inner_texts()[:3] == ["5", "9", "1 in 100"]
    hundredth = page.locator("#rows tr", has_text="1 in 100").first.inner_text()
    assert "of 5,000" in hundredth and "of 8" in hundredth
    assert EN["accuracy.nobody"] in page.inner_text("#rows tr:last-child")
    assert page.locator("#plot path.area").count() == 2


def test_unsure_decisions_are_looked_at(page, tmp_path):
    page.goto("/")
    for pair in ("obama_rose", "rose_hugo", "biden_alex"):
        mixed = save(tmp_path / f"{pair}.png", sample_photos.crowd()[pair])
        page.set_input_files("#photos-files", mixed)
        page.locator("article", has_text=f"{pair}.png").wait_for()
    page.goto("/review")
    cards = page.locator(".review")
    cards.nth(2).wait_for()
    assert page.locator(".review h2").first.inner_text() == "Either obama or rose"
    kinds = page.locator(".review h2").all_inner_texts()
    assert EN["review.unknown"].replace("{name}", "rose") in kinds
    for name in ("It is obama", EN["review.ignore"]):
        before = cards.count()
        cards.first.get_by_role("button", name=name, exact=True).click()
        cards.nth(before - 1).wait_for(state="detached")
    last = cards.first
    last.locator("input[list]").fill("kit")
    last.get_by_role("button", name=EN["review.correct"]).click()
    page.locator(".empty", has_text=EN["review.none"]).wait_for()


def test_language_and_colours_are_chosen_and_kept(page):
    page.goto("/people")
    page.select_option("#language", "es")
    page.locator("h1", has_text=ES["people.title"]).wait_for()
    page.select_option("#theme", "dark")
    page.goto("/")
    page.locator("#rate-words", has_text="desconocidos").wait_for()
    assert page.inner_text("h1") == ES["identify.title"]
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.select_option("#theme", "")
    assert page.locator("html").get_attribute("data-theme") is None


SPOKEN = """
window.spoken = [];
if (window.speechSynthesis) {
  speechSynthesis.speak = (words) => window.spoken.push(words.text);
}
"""


def test_the_door_greets_once_and_opens_for_its_own(page):
    page.add_init_script(SPOKEN)
    page.goto("/door")
    page.click("#start")
    welcome = EN["door.welcome"].replace("{name}", "kit")
    page.locator('[data-state="known"] #say', has_text=welcome).wait_for()
    marks = page.locator(".view .mark")
    for _ in range(10):  # kit is seen again and again, and not greeted again
        page.wait_for_timeout(200)
    assert marks.all_inner_texts() == ["kit"]
    assert page.evaluate("() => window.spoken") == [welcome]
    for name, state, key in (("rose", "shut", "claim.shut"), ("kit", "open", "claim.opened")):
        page.fill("#claimed", name)
        page.locator(f'#claimed-names option[value="{name}"]').wait_for(state="attached")
        page.click("#claim button")
        said = EN[key].replace("{name}", name)
        page.locator(f'[data-state="{state}"] #say', has_text=said).wait_for()
    assert len(page.evaluate("() => window.spoken")) == 3
    page.click("#stop")
    assert page.inner_text("#say") == EN["door.off"]
    assert page.evaluate("() => document.getElementById('video').srcObject") is None


def test_the_door_tells_a_stranger_so(playwright, server, tmp_path):
    dora = save(tmp_path / "dora.png", sample_photos.pictures()["dora"])
    film = browsers.film(tmp_path / "dora.mjpeg", [(dora, 2)])
    with (
        browsers.chromium(playwright, film) as browser,
        watched(browser, server, locale="es-ES") as page,
    ):
        page.add_init_script(SPOKEN)
        page.goto("/door")
        page.click("#start")
        page.locator('[data-state="stranger"] #say', has_text=ES["door.stranger"]).wait_for()
        assert page.locator(".view .mark.stranger").all_inner_texts() == [ES["face.stranger"]]
        page.wait_for_timeout(1000)
        assert page.evaluate("() => window.spoken") == [ES["door.stranger"]]


@pytest.mark.heavy
def test_the_door_asks_for_a_movement(playwright, server, portraits, tmp_path):
    pipeline = Pipeline(recipe())

    def looked(pixels: np.ndarray) -> Any:
        return pipeline.look([pixels], vectors="none", largest=True)[0].faces[0]

    ahead, aside = (
        np.asarray(Image.open(portraits / "train/obama" / name))
        for name in ("obama.jpg", "obama2.jpg")
    )
    ahead = moved_faces.level(ahead, looked(ahead).box)
    aside = moved_faces.level(aside, looked(aside).box)
    aside = moved_faces.turned(aside, looked(aside).box, -45)
    scenes = [
        (save(tmp_path / f"{number}.png", pixels), 2.0)
        for number, pixels in enumerate((ahead, aside, ahead, aside[:, ::-1]))
    ]
    film = browsers.film(tmp_path / "moves.mjpeg", scenes)
    with browsers.chromium(playwright, film) as browser, watched(browser, server) as page:
        page.add_init_script(SPOKEN)
        page.goto("/door")
        page.click("#start")
        page.locator('[data-state="known"]').wait_for()
        page.click("#prove")
        # Which way the film turns first is as may be; that is what is said of it.
        page.locator("#log li").nth(1).wait_for()
        _, asked, said = page.evaluate("() => window.spoken")
        assert asked in (EN["liveness.turn_left"], EN["liveness.turn_right"])
        assert said in (EN["liveness.live"], EN["liveness.not_live"])
        assert page.locator("#log .tag").first.inner_text() == said
        assert page.inner_text("#say") == said
        assert page.inner_text("#more") == EN["liveness.limits"]


@pytest.fixture
def judged(server: str, browser: Browser) -> Iterator[Any]:
    """Opens pages in which axe then looks for faults."""
    opened = []

    def open_page(**context: Any) -> tuple[Page, Callable[[], list[str]]]:
        made = browsers.Watched(browser, server, bypass_csp=True, **context)
        opened.append(made.page.context)
        return made.page, lambda: browsers.faults(made.page)

    yield open_page
    for context in opened:
        context.close()


@pytest.mark.heavy
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault(judged, portraits, theme):
    phone = {"width": 390, "height": 844}
    page, faults = judged(color_scheme=theme, viewport=phone if theme == "dark" else None)
    page.goto("/")
    page.set_input_files("#photos-files", portraits / "test/obama_and_biden.jpg")
    page.locator(".answer").nth(2).wait_for()
    assert faults() == []
    page.goto("/people")
    page.locator(".person").first.click()
    page.get_by_role("button", name=EN["people.rename"]).wait_for()
    assert faults() == []
    page.goto("/accuracy")
    page.locator("#rows tr").first.wait_for()
    assert faults() == []


@pytest.mark.heavy
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_on_any_page(judged, portraits, theme):
    page, faults = judged(color_scheme=theme)
    page.goto("/people")
    page.click("#add")
    page.set_input_files("#enrol-files", portraits / "test/kit1.jpg")
    page.locator("[data-verdict]").wait_for()
    assert faults() == []
    page.goto("/verify")
    page.set_input_files("#first-files", portraits / "test/kit1.jpg")
    page.set_input_files("#second-files", portraits / "test/alex1.jpg")
    page.locator(".verdict").wait_for()
    assert faults() == []
    page.goto("/door")
    assert faults() == []
    page.click("#start")
    for state in ("known", "shut"):
        page.locator(f'[data-state="{state}"]').wait_for()
        assert faults() == []
        if state == "known":
            page.fill("#claimed", "rose")
            page.locator('#claimed-names option[value="rose"]').wait_for(state="attached")
            page.click("#claim button")
    for path in ("/review", "/login", "/nothing"):
        page.goto(path)
        assert faults() == []


@pytest.mark.heavy
def test_no_wait_at_a_thousand_people(model, browser, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model/generated-embeddings/classifier.pkl"
    few = Classifier.load(path)
    some, labels = vectors.faces(1000, 2)
    chips = [str(tmp_path / "model/aligned-images/kit/kit1.png")] * len(some)
    names = vectors.names_of(labels)
    Classifier.train(some, names, chips, recipe=few.recipe, space=few.space).save(path)
    path.with_name("people.json").unlink()

    def within(seconds: float, work: Callable[[], object]) -> None:
        before = time.monotonic()
        work()
        assert time.monotonic() - before < seconds

    words = ["-m", path, "--audit", tmp_path / "audit.jsonl"]
    with Process(*words) as process, watched(browser, process.url, locale="en-GB") as page:
        names_shown = page.locator(".person strong")

        def shows(name: str) -> None:
            page.locator(".person strong", has_text=name).first.wait_for()
            page.wait_for_load_state("networkidle")  # half a second in which nothing is loaded

        within(2.5, lambda: (page.goto("/people"), shows("p0000")))
        assert page.inner_text("#total") == "1,000 people" and names_shown.count() == 60
        within(2.5, lambda: (page.click("#next"), shows("p0060")))
        within(2.5, lambda: (page.fill("#search", "P077"), shows("p0770")))
        assert names_shown.count() == 10
        within(2, lambda: (names_shown.first.click(), page.locator("#person dl").wait_for()))


@pytest.mark.heavy
def test_a_key_opens_what_its_role_may(model, browser, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    keys = KeyFile(tmp_path / "keys.json")
    opened = {role: keys.add(role, role) for role in ("viewer", "enroller")}
    words = ["-m", tmp_path / "model", "--audit", tmp_path / "audit.jsonl"]
    with Process(*words, "--keys", keys.path) as process:
        seen = browsers.Watched(browser, process.url, locale="en-GB")
        seen.expected = ["401"]  # which the console says of a wrong key
        page = seen.page
        page.goto("/people")
        page.fill("#key", "ofp_00000000_" + "A" * 43)
        page.keyboard.press("Enter")
        page.locator("#state .bad", has_text=EN["problem.wrong_key"]).wait_for()
        page.fill("#key", opened["viewer"])
        page.keyboard.press("Enter")
        page.locator(".person").nth(4).wait_for()
        assert page.locator("#add").is_hidden()
        page.click("#log-out")
        page.fill("#key", opened["enroller"])
        page.keyboard.press("Enter")
        page.wait_for_url(process.url + "/")
        page.get_by_role("link", name=EN["people.title"]).click()
        page.locator(".person", has_text="kit").click()
        page.get_by_role("button", name=EN["people.rename"]).click()
        page.fill("#new-name", "Kit")
        page.keyboard.press("Enter")  # with the session's token, or it would be refused
        page.locator("#person-name", has_text="Kit").wait_for()
        assert page.get_by_role("button", name=EN["people.remove"]).count() == 0
        assert not seen.wrong
        page.context.close()


@pytest.mark.heavy
def test_the_first_person_is_enrolled_here(browser, portraits, tmp_path):
    words = ["-m", tmp_path / "new", "--audit", tmp_path / "audit.jsonl"]
    with Process(*words) as process, watched(browser, process.url, locale="es-ES") as page:
        for path in ("/", "/verify", "/door", "/accuracy"):
            page.goto(path)
            assert ES["base.nobody"] in page.inner_text("main")
        page.get_by_role("link", name=ES["base.to_people"]).click()
        page.click("#add")
        page.fill("#name", "Ñandú")
        page.set_input_files("#enrol-files", portraits / "train/kit/kit1.jpeg")
        page.locator('[data-verdict="ok"]').wait_for()
        page.fill("#consent", "Lo dijo hoy")
        page.fill("#purpose", "Esta prueba")
        page.click("#save")
        page.locator(".person strong", has_text="Ñandú").wait_for()
        page.goto("/")
        page.set_input_files("#photos-files", portraits / "test/kit1.jpg")
        page.locator(".answer").wait_for()
