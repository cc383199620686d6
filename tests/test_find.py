"""One person in a pile of photos: what is found, what is written, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image
from running import ROOT, call, face, refused, run, save, table

from openfaceplus.errors import UsageError
from openfaceplus.pictures.drawing import GREEN, RED
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.find import FindOptions, Search, find
from openfaceplus.stages.results_folder import picture_names
from openfaceplus.stages.subjects import References, Rule

FIND_PERSON = ROOT / "demos/find_person.py"


@pytest.fixture(scope="module")
def rates(tmp_path_factory) -> Path:
    """A table of thresholds for the default recipe, with round numbers."""
    path = tmp_path_factory.mktemp("table") / "rates.json"
    row = {
        "space": str(Pipeline(recipe()).space), "data": "made up", "measured": "2025-01-01",
        "fars": (0.05, 0.01, 0.001, 0.0001), "cosines": (0.90, 0.907, 0.925, 0.94),
        "tars": (1.0, 0.99, 0.95, 0.9),
    }  # fmt: skip
    path.write_text(json.dumps(row))
    return path


@pytest.fixture
def pile(tmp_path) -> Path:
    """A folder with ``knowns/`` and ``unknowns/``: two photos of the face, one of none."""
    save(tmp_path / "knowns/a.png")
    save(tmp_path / "unknowns/again.png", face(1))
    save(tmp_path / "unknowns/trip/again.png", face(2))
    save(tmp_path / "unknowns/grey.png", np.full((60, 80, 3), 127, np.uint8))
    return tmp_path


def search(pile: Path, *more: object, find=call, **options):
    return find(
        "find", "--knowns", pile / "knowns", "--unknowns", pile / "unknowns",
        "--results", pile / "results", "--distance", "0.6", "--jobs", "1", *more, **options,
    )  # fmt: skip


def options(**changes) -> FindOptions:
    return FindOptions(distance=0.6, **changes)


def places(pile: Path) -> tuple[Path, Path, Path]:
    return pile / "knowns", pile / "unknowns", pile / "results"


def look(pile: Path, chosen: FindOptions, **more) -> Search:
    return find(*places(pile), chosen, jobs=1, **more)


class Page(HTMLParser):
    """The links and pictures of a page, in order, and whether all that was opened is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.folder, self.links, self.pictures, self.alts, self.open = path.parent, [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "a":
            self.links.append(self._file(values["href"]))
        if tag == "img":
            self.pictures.append(self._file(values["src"]))
            self.alts.append(values["alt"])
            assert values["loading"] == "lazy"
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def _file(self, link: str) -> Path:
        path = self.folder / os.fsdecode(unquote_to_bytes(link))
        assert path.is_file(), link
        return path


def colour_at(path: Path, row: dict[str, str]) -> tuple[int, ...]:
    """Of the box's upper line, in its middle."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    across = (int(row["left"]) + int(row["right"])) // 2
    return tuple(int(x) for x in pixels[max(0, int(row["top"])), across])


def like(colour, other) -> bool:
    return max(abs(a - b) for a, b in zip(colour, other, strict=True)) < 60


# --- what is found ----------------------------------------------------------------------------


def test_kit_is_green_and_rose_red(portraits, rates, tmp_path):
    shutil.copytree(portraits / "train/kit", tmp_path / "knowns/kit")
    (tmp_path / "unknowns").mkdir()
    for name in ("kit_with_rose.jpg", "obama_and_biden.jpg"):
        shutil.copy(portraits / "test" / name, tmp_path / "unknowns")
    said = call("find", "--knowns", tmp_path / "knowns", "--unknowns", tmp_path / "unknowns",
                "--results", tmp_path / "results", "--table", rates).stdout  # fmt: skip
    assert "kit_with_rose.jpg: 2 faces" in said and said.count("match!") == 1
    assert "1 of 2 photos match" in said
    results = tmp_path / "results"
    rows = table(results / "matches.csv")
    rose, kit = [row for row in rows if row["photo"] == "kit_with_rose.jpg"]
    assert kit["decision"] == "match" and kit["subject"] == "kit"
    assert float(kit["distance"]) < float(rose["distance"]) and rose["decision"] == "other"
    assert like(colour_at(results / "kit_with_rose.jpg", kit), GREEN)
    assert like(colour_at(results / "kit_with_rose.jpg", rose), RED)
    assert {r["decision"] for r in rows if r["photo"].startswith("obama")} == {"other"}
    page = Page(results / "index.html")
    assert not page.open
    assert [path.name for path in page.links[1:]] == ["kit_with_rose.jpg", "obama_and_biden.jpg"]
    assert page.alts[0] == "kit_with_rose.jpg: kit found, 2 faces"


def test_several_people_and_a_reference_of_somebody_else(portraits, rates, tmp_path):
    for person in ("obama", "biden"):
        shutil.copytree(portraits / "train" / person, tmp_path / "knowns" / person)
    shutil.copy(portraits / "train/kit/kit1.jpeg", tmp_path / "knowns/obama/z.jpg")
    shutil.copy(portraits / "test/kit_with_rose.jpg", tmp_path / "knowns/obama/two.jpg")
    (tmp_path / "unknowns").mkdir()
    shutil.copy(portraits / "test/obama_and_biden.jpg", tmp_path / "unknowns")
    done = call("find", "--knowns", tmp_path / "knowns", "--unknowns", tmp_path / "unknowns",
                "--results", tmp_path / "results", "--table", rates)  # fmt: skip
    assert "reference obama/z.jpg disagrees with the others of obama" in done.stderr
    assert "reference left out" in done.stderr and "2 faces found" in done.stderr
    faces = table(tmp_path / "results/matches.csv")
    assert [row["subject"] for row in faces] == ["biden", "obama", ""]
    assert "reference obama/z.jpg disagrees" in (tmp_path / "results/index.html").read_text()


def test_a_line_a_photo_and_json(pile):
    save(pile / "unknowns/broken.jpg").write_bytes(b"\xff\xd8\xff")
    done = search(pile, expect=1)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{pile}/unknowns/again.png: 1 face, nearest 0.")
    assert lines[1].startswith("  match! subject: 0.") and lines[1].endswith("from a.png")
    assert f"{pile}/unknowns/broken.jpg: not used" in lines
    assert f"{pile}/unknowns/grey.png: no face found" in lines
    assert lines[-1].startswith("2 of 4 photos match, 1 could not be used (limit 0.600, as given")
    rows = {row["photo"]: row for row in table(pile / "results/matches.csv")}
    assert rows["broken.jpg"]["decision"] == "unreadable" and rows["broken.jpg"]["reason"]
    assert rows["grey.png"]["decision"] == "no_face"
    said = [json.loads(line) for line in search(pile, "--json", expect=1).stdout.splitlines()]
    assert [line["match"] for line in said[:-1]] == [True, False, False, True]
    assert said[0]["faces"][0]["reference"] == "a.png" and "broken" in said[1]["error"]["problem"]
    assert said[-1]["matches"] == 2 and said[-1]["kept"] == 3


def test_the_script_with_its_defaults(pile):
    said = run(FIND_PERSON, "--distance", "0.6", cwd=pile).stdout
    assert said.count("match!") == 2 and "see results/index.html" in said
    assert Image.open(pile / "results/trip/again.png").size == (230, 220)


def test_faces_that_cannot_be_judged_are_no_matches_by_rate(pile, rates, monkeypatch):
    def flaw(chip):
        return "too_small" if "unknowns" in chip.photo else None

    monkeypatch.setattr("openfaceplus.pipeline.flaw", flaw)
    by_rate = look(pile, FindOptions(table=rates))
    assert by_rate.matches == 0 and by_rate.results[0]["faces"][0]["decision"] == "too_small"
    assert "1 face, nearest 0." in by_rate.index.read_text()
    assert ", too small<" in by_rate.index.read_text()
    assert look(pile, options()).matches == 2  # a limit as given holds for all


# --- the rule ---------------------------------------------------------------------------------


def judged(rule: str, limit: float = 1.0) -> str | None:
    vectors = np.array([[0.0], [3.0], [10.0]], np.float32)
    references = References.of(
        vectors, "abc", ["x", "x", "y"], {"x": limit, "y": 1.0}, Rule.parse(rule)
    )
    match, accepted = references.judge(np.array([0.5], np.float32))
    return match.person if accepted else None


def test_rules():
    assert judged("any") == "x" and judged("votes:1") == "x"
    assert judged("votes:2") is None and judged("votes:2", 2.5) == "x"
    assert judged("mean") is None and judged("mean", 1.5) == "x"
    # Of n references each gets an nth of the rate; of K votes, K must err.
    assert Rule.parse("any").comparisons(4) == 4
    assert Rule.parse("votes:2").comparisons(4) == 2
    assert Rule.parse("mean").comparisons(4) == 1
    for text in ("most", "votes", "votes:0", "votes:-1", "any:2", ""):
        with pytest.raises(UsageError, match="a rule is any, mean"):
            Rule.parse(text)


def test_the_rate_is_shared_by_the_references(pile, rates):
    by_rate = FindOptions(table=rates)
    one = look(pile, by_rate).references.limits["subject"]
    save(pile / "knowns/b.png", face(4))
    two = look(pile, by_rate).references.limits["subject"]
    assert two < one == pytest.approx((2 - 2 * 0.925) ** 0.5)
    votes = look(pile, FindOptions(table=rates, rule=Rule.parse("votes:2")))
    assert votes.references.limits["subject"] == one
    low = look(pile, FindOptions(table=rates, far=0.00015))
    assert low.references.limits["subject"] == pytest.approx((2 - 2 * 0.94) ** 0.5, abs=1e-4)
    assert "a rate of 0.0002 is sure, not 0.00015" in low.remarks[0]
    assert "3 can" not in search(pile, "--rule", "votes:2").stderr
    assert "--rule: votes:3 needs as many references" in search(
        pile, "--rule", "votes:3", find=refused
    )


# --- what is written --------------------------------------------------------------------------


def test_odd_names_and_same_names(pile):
    names = ['we<i>rd #1?%20"x&amp;.png', "new\nline.png", "c:d.png", "x" * 240 + ".bmp"]
    for name in names:
        save(pile / "unknowns" / name, face(3))
    odd = pile / "unknowns" / os.fsdecode(b"caf\xe9.png")
    shutil.copy(pile / "unknowns/again.png", odd)
    save(pile / "unknowns/thumbnails/index.html.png", face(3))
    shutil.copy(pile / "unknowns/again.png", pile / "unknowns/index.html")
    found = look(pile, options())
    assert found.matches == 9 and not found.failed
    page = Page(pile / "results/index.html")
    assert not page.open and len(page.links) == 11 and len(set(page.pictures)) == 10
    rows = table(pile / "results/matches.csv")
    assert len({row["picture"] for row in rows}) == 10
    assert {row["photo"] for row in rows} >= {*names[:1], *names[2:], odd.name}
    assert (pile / "results" / odd.name).is_file()
    assert "<i>rd" not in (pile / "results/index.html").read_text()


def test_no_two_pictures_of_one_name():
    photos = ["a.bmp", "a.bmp.jpg", "A.BMP.jpg", "s/a.jpg", "matches.csv", "thumbnails/a.jpg"]
    names = picture_names(photos)
    assert len({name.lower() for name in names.values()}) == len(photos)
    assert names["s/a.jpg"] == "s/a.jpg" and names["thumbnails/a.jpg"] == "thumbnails-photos/a.jpg"


def times(pile: Path) -> dict[str, int]:
    files = [path for path in (pile / "results").rglob("*") if path.is_file()]
    return {str(path): path.stat().st_mtime_ns for path in files if path.suffix in (".png", ".jpg")}


def test_done_again_nothing_is_new(pile):
    first = look(pile, options())
    before, page = times(pile), (pile / "results/index.html").read_bytes()
    again = look(pile, options())
    assert (first.fresh, again.fresh) == (3, 0) and again.results == first.results
    assert times(pile) == before and (pile / "results/index.html").read_bytes() == page
    # A photo that changed, one that is new, and one that has gone.
    save(pile / "unknowns/again.png", face(5))
    save(pile / "unknowns/new.png", face(6))
    (pile / "unknowns/trip/again.png").unlink()
    third = look(pile, options())
    assert third.fresh == 2 and [r["photo"] for r in third.results] == [
        "again.png", "grey.png", "new.png",
    ]  # fmt: skip
    assert not (pile / "results/trip/again.png").exists() and len(times(pile)) == 6
    # Other references, and another limit: all anew.
    save(pile / "knowns/b.png", face(4))
    assert look(pile, options()).fresh == 3
    assert look(pile, FindOptions(distance=0.5)).fresh == 3
    (pile / "results/new.png").unlink()
    assert look(pile, FindOptions(distance=0.5)).fresh == 1


def test_goes_on_where_it_was_stopped(pile):
    def stop(result):
        if result["photo"] == "grey.png":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(pile, options(), tell=stop)
    assert not (pile / "results/index.html").exists()
    found = look(pile, options())
    assert found.fresh == 1 and found.matches == 2


# --- what is refused --------------------------------------------------------------------------


def test_others_files_are_not_overwritten(pile):
    mine = save(pile / "results/again.png")
    before = mine.read_bytes()
    assert "holds files that no search put there (again.png)" in search(pile, find=refused)
    (pile / "results/find.json").write_text("{}")
    assert "--overwrite" in search(pile, find=refused)
    assert mine.read_bytes() == before and len(list((pile / "results").iterdir())) == 2
    search(pile, "--overwrite")
    assert mine.read_bytes() != before
    # Its own folder now; but a photo that somebody put there is not its own.
    other = save(pile / "results/fresh.png")
    save(pile / "unknowns/fresh.png")
    before = other.read_bytes()
    assert "(fresh.png)" in search(pile, find=refused)
    assert other.read_bytes() == before


def test_folders_that_cannot_be(pile):
    knowns, unknowns, results = places(pile)
    for output in (unknowns, unknowns / "r", pile, knowns / "r"):
        said = refused("find", "--knowns", knowns, "--unknowns", unknowns, "--results", output)
        assert "may not lie in" in said
    (pile / "empty").mkdir()
    nowhere = ("find", "--distance", "0.6", "--results", results)
    for known, unknown, why in (
        ("empty", "unknowns", "no usable photo of the person"),
        ("unknowns/trip/..", "empty", "holds no photos"),
        ("nothing", "unknowns", "find: --knowns: "),
        ("knowns", "knowns/a.png", "find: --unknowns: "),
    ):
        said = refused(*nowhere, "--knowns", pile / known, "--unknowns", pile / unknown)
        assert why in said
    (pile / "knowns/a.png").write_bytes(b"no photo")
    assert "not an image of a known format" in search(pile, find=refused)
    assert not results.exists()
    assert "--jobs" in search(pile, "--jobs", "0", find=refused)
    results.write_text("mine")
    assert "not a folder" in search(pile, find=refused)


def test_photos_whose_pictures_cannot_be_written_are_rows(pile):
    save(pile / "unknowns/long.tif", np.full((100, 70_000, 3), 127, np.uint8))
    wide = np.full((230, 17_000, 3), 127, np.uint8)
    wide[:220, :230] = face(1)
    save(pile / "unknowns/wide.png", wide)
    # A WebP may hold no more than 16,383 pixels a side, a file of any content may be called so.
    (pile / "unknowns/wide.png").rename(pile / "unknowns/wide.webp")
    search(pile, expect=1)
    rows = {row["photo"]: row for row in table(pile / "results/matches.csv")}
    assert rows["long.tif"]["decision"] == "unwritable" and "70000" in rows["long.tif"]["reason"]
    assert rows["wide.webp"]["subject"] and "17000 x 230" in rows["wide.webp"]["reason"]
    assert not rows["long.tif"]["picture"] and rows["again.png"]["picture"]
    Page(pile / "results/index.html")  # all its links lead to files
