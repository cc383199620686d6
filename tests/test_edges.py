"""What the commands take, print and refuse: rates, standard input, odd names, words, tables."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import CLASSIFIER, ROOT, call, command_line, environment, refused, run, save

import openfaceplus
from openfaceplus import words
from openfaceplus.cli import COMMANDS, common, module_of, options, problems
from openfaceplus.errors import NoFace, UsageError
from openfaceplus.faces import Box, Decision
from openfaceplus.model import Identified
from openfaceplus.pictures import drawing

ESC = "\x1b[31mred\x1b[0m"


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory) -> Path:
    """A model of one person whose name holds an escape sequence and a CSI of one byte, and a photo
    of theirs with such a name."""
    root = tmp_path_factory.mktemp("escapes")
    photo = save(root / "photos" / f"{ESC}\x9b" / f"{ESC}.png")
    call("train", root / "photos", "-o", root / "model", "--jobs", 1)
    shutil.copytree(root / "photos", root / "again")
    return photo.parents[2]


# --- what is printed -------------------------------------------------------------------------


def commands_of(root: Path) -> dict[str, list[object]]:
    """Each command with names that hold an escape sequence."""
    name, rates = f"{ESC}\x9b", ["--distance", 1.0]
    photo, model = root / "photos" / name / f"{ESC}.png", root / "model"
    made = {
        "align": [root / "photos", "-o", root / ESC / "chips", "--jobs", 1],
        "represent": [model / "aligned-images", "-o", root / ESC / "e", "--jobs", 1],
        "doctor": [root / "photos", "-o", root / ESC / "d", "--jobs", 1],
        "train": [root / "photos", "-o", root / ESC / "model", "--jobs", 1],
        "infer": ["-m", model, photo, "--multi", "--annotate", root / ESC / "a"],
        "people": ["list", model],
        "verify": [photo, "--as", ESC, "--db", photo.parent, *rates],
        "whois": [photo, "--db", photo.parent, *rates],
        "find": ["--knowns", root / "photos", "--unknowns", root / "again", "--results",
                 root / ESC / "r", "--jobs", 1, *rates],
        "explain": [photo, "-m", model, "-o", root / ESC / "x"],
        "plot": ["embeddings", model, "-o", root / ESC / "plots"],
        "evaluate": ["openset", root / ESC / "none", "-o", root / ESC / "v"],
        "video": ["index", root / ESC / "none.mp4", "--db", root / "database"],
        "serve": ["-m", root / ESC / "none" / "model", "--audit", root / "audit"],
        "keys": ["remove", ESC, "--keys", root / "keys.json"],
        "audit": ["verify", "--audit", root / ESC / "none"],
        "cohort": ["build", root / ESC / "none"],
        "train-embedder": [root / ESC / "none", "-o", root / ESC / "run"],
        "models": ["path", ESC],
        "demo": ["-o", photo],
        "version": [ESC],
    }  # fmt: skip
    assert made.keys() == COMMANDS.keys()
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_in_a_name_acts_on_the_terminal(enrolled, command, monkeypatch):
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    for more in ([], ["--json"]):
        done = call(command, *commands_of(enrolled)[command], *more, expect=None)
        said = done.stdout + done.stderr
        assert said and "\x1b" not in said and "\x9b" not in said
        # Where the name is part of what is said, it is there, escaped.
        if command not in ("version", "represent") and not (command == "verify" and more):
            assert "x1b" in said or "u001b" in said


def test_what_scripts_are_given_does_not_act_on_it_either(enrolled):
    photo = enrolled / "photos" / f"{ESC}\x9b" / f"{ESC}.png"
    scripts = (
        (CLASSIFIER, "infer", enrolled / ESC / "none.pkl", photo),
        (CLASSIFIER, "list", ESC),
        (ROOT / "demos/compare.py", photo, photo),
    )
    for words_ in scripts:
        done = run(*words_, expect=None)
        assert "x1b[31m" in done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr


def test_a_name_with_a_line_break_stays_one_line(capsys):
    common.say("a\nb", Path("c\nd"))
    assert capsys.readouterr().out == "a\\nb\nc\\nd\n"


# --- errors ----------------------------------------------------------------------------------


def test_an_error_names_the_flag_of_its_field(capsys):
    parse = common.parser("openfaceplus test", "", "")
    parse.add_argument("--far", type=options.rate)
    modes = parse.add_subparsers()
    modes.add_parser("mode").add_argument("--landmarks", dest="points")

    def stops(error: Exception, *argv: str) -> list[str]:
        def command(args: argparse.Namespace) -> int:
            raise error

        assert common.run(parse, list(argv), command) == 2
        said = capsys.readouterr()
        return [said.err, said.out]

    far = UsageError("a rate lies between 0 and 1, not 3", field="far", remedy="give 0.01")
    line = "openfaceplus test: --far: a rate lies between 0 and 1, not 3; give 0.01\n"
    assert stops(far) == [line, ""]
    said, out = stops(far, "--json")
    assert said == line and json.loads(out) == {"file": None, "error": far.to_dict()}
    assert "--landmarks: not 7" in stops(UsageError("not 7", field="landmarks"))[0]
    assert stops(NoFace("a.jpg: no face found"))[0] == "openfaceplus test: a.jpg: no face found\n"
    said, out = stops(RuntimeError("odd"), "--json")
    assert "should not happen" in said and json.loads(out)["error"]["code"] == "internal"
    for command in COMMANDS:
        import_module(module_of(command))
    assert not set(problems._DESTS) & set(problems._DESTS.values())


# --- rates and photos ------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "share"), [("0.01", 0.01), ("1%", 0.01), (" 0.1 % ", 0.001)])
def test_rates(text, share):
    assert options.rate(text) == pytest.approx(share)


def test_what_is_no_rate_is_refused(capsys):
    with pytest.raises(argparse.ArgumentTypeError, match="1%"):
        options.rate("one")
    for command in ("train x", "infer -m x x", "verify x x", "whois x --db x", "find"):
        name, *rest = command.split()
        with pytest.raises(SystemExit):
            import_module(f"openfaceplus.cli.{name}").main([*rest, "--far", "one"])
        assert "is no rate: give a share such as 0.01, or" in capsys.readouterr().err


def test_a_percentage_is_the_rate(enrolled):
    photo = enrolled / "photos" / f"{ESC}\x9b" / f"{ESC}.png"
    words_ = ("verify", photo, photo, "--json", "--far")
    assert json.loads(call(*words_, "0.1%").stdout) == json.loads(call(*words_, "0.001").stdout)


def test_a_photo_from_standard_input(enrolled, tmp_path):
    photo = enrolled / "photos" / f"{ESC}\x9b" / f"{ESC}.png"

    def piped(*given: object, data: bytes | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_line(*given), input=photo.read_bytes() if data is None else data,
            env=environment(), capture_output=True,
        )  # fmt: skip

    done = piped("infer", "-m", enrolled / "model", "-", photo, "--json",
                 "--annotate", tmp_path)  # fmt: skip
    one, other = map(json.loads, done.stdout.splitlines())
    assert one["file"] == "-" and one["faces"] == other["faces"] and len(one["faces"]) == 1
    assert (tmp_path / "-.png").is_file()
    assert piped("verify", "-", photo, "--distance", "0.1").returncode == 0
    assert piped("whois", "-", "--db", photo.parent, "--distance", "0.1").returncode == 0
    assert "standard input" in refused("verify", "-", "-")
    assert "standard input" in refused("infer", "-m", enrolled / "model", "-", "-")
    assert piped("infer", "-m", enrolled / "model", "-", data=b"").returncode == 1


def test_options_between_arguments(enrolled):
    photo, pkl = enrolled / "photos", enrolled / "model/generated-embeddings/classifier.pkl"
    for given in ((CLASSIFIER, "infer", pkl, "--multi", photo, "--json", photo),
                  ("infer", photo, "-m", pkl, photo, "--multi", "--json")):  # fmt: skip
        lines = call(*given).stdout.splitlines()
        assert len(lines) == 2 and all(json.loads(line)["faces"] for line in lines)


def test_the_lua_name_of_the_tutorials_runs_ours():
    script = ROOT / "batch-represent/main.lua"
    done = subprocess.run([script, "--help"], env=environment(), capture_output=True, text=True)
    if done.returncode == 127 or "No module named" in done.stderr:
        done = subprocess.run([sys.executable, script, "--help"], env=environment(),
                              capture_output=True, text=True)  # fmt: skip
    assert "-outDir" in done.stdout


# --- who -------------------------------------------------------------------------------------


@pytest.fixture
def staff(tmp_path) -> Path:
    for name in ("Ada", "Adam", "Grace"):
        save(tmp_path / "staff" / f"{name}.png")
    return tmp_path / "staff"


def test_nobody_of_that_name(staff, tmp_path):
    photo = save(tmp_path / "visitor.png")
    said = refused("verify", photo, "--as", "ada", "--db", staff, "--distance", 0.5)
    assert "nobody in it is called 'ada'; did you mean Ada or Adam?" in said
    said = refused("verify", photo, "--as", "Xu", "--db", staff, "--distance", 0.5)
    assert "it holds 3 people: Ada, Adam, Grace" in said


def test_distances_of_two_kinds_are_told_apart(staff, tmp_path):
    photo = save(tmp_path / "visitor.png")
    by_limit = ("verify", photo, "--as", "Ada", "--db", staff, "--distance", 0.5)
    assert "between network outputs (limit 0.500, as given)" in call(*by_limit).stdout
    made = json.loads(call(*by_limit, "--json").stdout)
    (visitor, nothing) = made["boxes"]
    assert len(visitor) == 4 and nothing is None and made["measure"] == "network outputs"
    by_rate = ("whois", photo, "--db", staff)
    assert "between embeddings (limit" in call(*by_rate).stdout
    assert json.loads(call(*by_rate, "--json").stdout)["measure"] == "embeddings"


# --- words -----------------------------------------------------------------------------------


def test_one_and_many():
    assert words.counted(1, "person", "people") == "1 person"
    assert words.counted(2, "person", "people") == "2 people"
    assert words.counted(1200, "photo") == "1,200 photos"
    shares = [words.percent(x) for x in (0.001, 0.012, 0.17, 0.5, 0.999, 1)]
    assert shares == ["0.1%", "1.2%", "17%", "50%", "99.9%", "100%"]


def test_a_lone_person_is_one(tmp_path):
    save(tmp_path / "photos/ada/1.png")
    save(tmp_path / "photos/loose.png")
    done = call("train", tmp_path / "photos", "-o", tmp_path / "m", "--jobs", 1, expect=1)
    assert "Training for 1 class.\n" in done.stdout
    assert "scored against the 1 person enrolled" in done.stdout
    assert "1 of 2 photos aligned (1 in no person's folder, 1 ok)" in done.stdout
    assert "loose.png: lies in no person's folder; move it into one" in done.stderr
    for odd in ("1 classes", "1 people", "no_person'", "sure None", "factory"):
        assert odd not in done.stdout


def test_a_rejection_has_no_number_of_its_own(enrolled):
    photo = enrolled / "photos"
    done = call("infer", "-m", enrolled / "model", photo, "--threshold", 99)
    assert "Predict unknown (closest: " in done.stdout and "confidence" not in done.stdout


# --- fonts -----------------------------------------------------------------------------------


def drawn(text: str) -> np.ndarray:
    pixels = np.zeros((200, 400, 3), np.uint8)
    return drawing.draw(pixels, [drawing.Mark(Box(10, 10, 190, 120), text, True)])


def test_latin_greek_and_cyrillic_are_written_with_what_pip_brings(monkeypatch):
    monkeypatch.setattr(drawing, "_system_font", lambda _: None)
    drawing._font_file.cache_clear()
    names = ["Nováková", "Łukasz Őry", "Nguyễn", "Ελένη", "кириллица"]
    assert drawing.legend(names) == {}
    pictures = {drawn(name).tobytes() for name in ("á", "ě", "Ж", "Ω", "ễ", "ő")}
    assert len(pictures) == 6  # and not six empty boxes
    drawing._font_file.cache_clear()


def test_a_name_that_no_font_has_is_a_number_and_said_in_words(enrolled, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "_system_font", lambda _: None)
    drawing._font_file.cache_clear()
    assert drawing.legend(["Ada", "李明", "عربى", "李明"]) == {"李明": "[1]", "عربى": "[2]"}
    photo = save(tmp_path / "photos/李明/1.png")
    call("train", tmp_path / "photos", "-o", tmp_path / "m", "--far", "50%", "--jobs", 1)
    done = call("infer", "-m", tmp_path / "m", photo, "--threshold", -9,
                "--annotate", tmp_path / "a")  # fmt: skip
    assert "[1] there: 李明" in done.stderr
    shutil.copytree(photo.parent, tmp_path / "pile")
    done = call("find", "--knowns", tmp_path / "photos", "--unknowns", tmp_path / "pile",
                "--results", tmp_path / "r", "--distance", 0.5, "--jobs", 1)  # fmt: skip
    assert "in the pictures [1] is 李明" in done.stderr
    assert "in the pictures [1] is 李明" in (tmp_path / "r/index.html").read_text("utf-8")
    drawing._font_file.cache_clear()


def test_a_system_font_serves_where_it_has_the_name(monkeypatch):
    from ttf_opensans import OPENSANS_BOLD

    drawing._font_file.cache_clear()
    asked: list[str] = []

    def system(characters: str) -> tuple[str, int]:
        asked.append(characters)
        return str(OPENSANS_BOLD.path), 0

    monkeypatch.setattr(drawing, "_system_font", system)
    monkeypatch.setattr(drawing, "_bundled", lambda: (str(ROOT / "README.md"), 0))
    assert drawing._font_file("Жэ") == (str(OPENSANS_BOLD.path), 0) and "Ж" in asked[0]
    assert drawing._font_file("李") is None
    drawing._font_file.cache_clear()


# --- tables ----------------------------------------------------------------------------------


def test_decisions_as_a_table():
    known = Decision("0a", "ada", "ada", 0.9, 0.8, 0.5, Box(1, 2, 3, 4))
    stranger = Decision(None, None, "ada", 0.1, 0.2, 0.5, Box(5, 6, 7, 8), "too_small")
    frame = openfaceplus.to_frame([known, stranger])
    assert "photo" not in frame and len(frame) == 2
    assert frame.name.tolist()[0] == "ada" and frame.name.isna().tolist() == [False, True]
    sides = frame[["left", "top", "right", "bottom"]].to_numpy().tolist()
    assert sides == [[1, 2, 3, 4], [5, 6, 7, 8]]
    many = openfaceplus.to_frame({"a.jpg": [known, stranger], "b.jpg": [], "c.jpg": [known]})
    assert many.photo.tolist() == ["a.jpg", "a.jpg", "c.jpg"]
    assert openfaceplus.to_frame([[known], [], [stranger]]).photo.tolist() == [0, 2]
    pile = [Identified("a.jpg", [known]), Identified("b.jpg")]
    assert openfaceplus.to_frame(pile).photo.tolist() == ["a.jpg"]
    assert "name" in openfaceplus.to_frame([])
    with pytest.raises(UsageError, match="int is not a result"):
        openfaceplus.to_frame(3)


def test_an_evaluation_as_a_table():
    result = {
        "space": "s", "people": 3, "accuracy": 0.9,
        "dir_at_fpir": {"0.01": 0.8, "0.1": 0.9},
        "dir_at_fpir_interval": {"0.01": (0.7, 0.9), "0.1": (0.8, 1.0)},
        "calibration": [{"requested": 0.05, "achieved": 0.04, "interval": (0.01, 0.1)}],
        "groups": {"g": {"far": 0.1, "far_interval": (0.0, 0.2), "far_pairs": 9}},
        "all": {"tar_at_far": {"1e-05": 0.5}, "tar_at_far_interval": {"1e-05": (0.4, 0.6)}},
    }  # fmt: skip
    frame = openfaceplus.to_frame(result)
    assert frame.attrs == {"space": "s"}
    rows = frame.set_index(["measure", "at"])
    assert rows.loc[("dir_at_fpir", 0.01), ["value", "low", "high"]].tolist() == [0.8, 0.7, 0.9]
    assert rows.loc[("calibration", 0.05), "value"] == 0.04
    assert rows.loc[("all tar_at_far", 1e-5), "low"] == 0.4
    assert frame[frame.group == "g"].measure.tolist() == ["far", "far_pairs"]
    assert math.isnan(frame[frame.measure == "people"].low.iloc[0])


def test_a_search_as_a_table(enrolled, tmp_path):
    from openfaceplus.stages.find import FindOptions, find

    shutil.copytree(enrolled / "photos", tmp_path / "pile")
    save(tmp_path / "pile/blank.png", np.zeros((90, 90, 3), np.uint8))
    search = find(
        enrolled / "photos", tmp_path / "pile", tmp_path / "r", FindOptions(distance=0.5), jobs=1
    )
    frame = openfaceplus.to_frame(search)
    assert frame.decision.tolist() == ["no_face", "match"] and frame.distance[1] < 0.01
    assert Image.open(tmp_path / "r" / frame.picture[1]).size[0] > frame.right[1]


def test_tables_need_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"pandas, .* pip install 'openfaceplus\[frames\]'"):
        openfaceplus.to_frame([])


# --- face_recognition's two commands ---------------------------------------------------------


@pytest.mark.parametrize("command", ["face_recognition", "face_detection"])
def test_the_drop_ins_commands_do_not_act_on_the_terminal(enrolled, command):
    pytest.importorskip("click", reason="click is not installed")
    folder = enrolled / "photos" / f"{ESC}\x9b"
    given = [folder, folder] if command == "face_recognition" else [folder]
    done = subprocess.run(
        [sys.executable, "-m", f"openfaceplus.compat.face_recognition.{command}_cli", *given],
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert "x1b[31m" in done.stdout and "\x1b" not in done.stdout and done.returncode == 0
