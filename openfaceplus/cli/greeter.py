"""``demos/greeter.py`` and ``demos/classifier_webcam.py``: who is in front of a camera."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openfaceplus.model import Model
    from openfaceplus.stages.camera import Sighting

_SPEAKERS = ("espeak-ng", "espeak")


def script(argv: list[str] | None = None) -> int:
    """``greeter.py [--model MODEL] [--source VIDEO]``."""
    parse = common.parser(
        "greeter.py",
        "Greet whom a camera sees by name, once a visit: by voice where pyttsx3 or espeak-ng is "
        "there, else in writing.\nThere is no liveness check: a photo is greeted just the same.",
        "  ./demos/greeter.py --model model/\n"
        "  ./demos/greeter.py --model model/ --source door.mp4 --words 'Hola, {name}'",
    )
    add_camera(parse)
    parse.add_argument(
        "--words", default="Welcome, {name}", metavar="TEXT",
        help="what is said; {name} is the person's (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument("--silent", action="store_true", help="greet in writing only")
    return common.run(parse, argv, _greet)


def add_camera(to: argparse.ArgumentParser) -> None:
    """Which model looks at which camera, and how sure it has to be."""
    to.add_argument(
        "-m", "--model", metavar="MODEL",
        help="a model folder or classifier.pkl (default: as in infer)",
    )  # fmt: skip
    to.add_argument(
        "--source", default="camera:0", metavar="VIDEO",
        help="a camera, file or address, as in camera:1, door.mp4 or rtsp://... (default: "
        "%(default)s)",
    )  # fmt: skip
    to.add_argument(
        "--far", type=options.rate, metavar="RATE",
        help="share of strangers' faces that may be accepted (default: as trained)",
    )  # fmt: skip
    to.add_argument(
        "--agree", type=int, default=3, metavar="N",
        help="frames in a row that have to say the same of a face (default: %(default)s)",
    )  # fmt: skip
    to.add_argument("--every", type=int, default=1, metavar="N", help="look at each Nth frame")


def sightings(args: argparse.Namespace) -> Iterator[tuple[Model, Sighting]]:
    """What the camera that a command names sees."""
    from openfaceplus.model import Model, Policy
    from openfaceplus.stages.camera import watch

    model = Model.load(args.model, commercial=args.commercial, progress=common.DownloadProgress())
    policy = Policy(args.far)
    for sighting in watch(model, args.source, policy=policy, agree=args.agree, every=args.every):
        yield model, sighting


def _greet(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError
    from openfaceplus.stages.camera import Visits

    if "{name}" not in args.words:
        raise UsageError("--words holds no {name}", remedy="write it where the name is to be")
    speak = None if args.silent else _voice()
    visits = Visits()
    for _, sighting in sightings(args):
        for name in visits.greet(sighting):
            words = args.words.replace("{name}", name)
            if args.json:
                print_json({"time": round(sighting.time, 3), "name": name, "words": words})
            else:
                say(words)
            if speak is not None:
                speak(words)
    return common.OK


def _voice() -> Callable[[str], Any] | None:
    """What speaks, None if nothing here does."""
    try:
        import pyttsx3

        engine = pyttsx3.init()
    except Exception:  # noqa: BLE001 - whatever a driver raises that finds no sound card
        program = next(filter(None, map(shutil.which, _SPEAKERS)), None)
        if program is None:
            return None
        # A name that begins with a dash is no option.
        return lambda words: subprocess.run([program, "--", words], check=False)

    def speak(words: str) -> None:
        engine.say(words)
        engine.runAndWait()

    return speak
