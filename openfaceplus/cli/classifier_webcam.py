"""OpenFace's ``demos/classifier_webcam.py``: names on a camera's picture."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, greeter
from openfaceplus.cli.output import print_json, say

if TYPE_CHECKING:
    from openfaceplus.stages.camera import Sighting


def script(argv: list[str] | None = None) -> int:
    """``classifier_webcam.py [--captureDevice N] [MODEL]``."""
    parse = common.parser(
        "classifier_webcam.py",
        "Name whom a camera sees, in a window with boxes, and in writing when that changes.",
        "  ./demos/classifier_webcam.py model/\n"
        "  ./demos/classifier_webcam.py --captureDevice 1 model/\n"
        "  ./demos/classifier_webcam.py --source party.mp4 --no-window model/",
    )
    greeter.add_camera(parse)
    parse.add_argument("classifierModel", nargs="?", metavar="MODEL", help="the same as --model")
    parse.add_argument("--captureDevice", type=int, metavar="N", help="the same as camera:N")
    parse.add_argument("--no-window", action="store_true", help="names in writing only")
    return common.run(parse, argv, _name)


def _name(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError

    if args.classifierModel is not None:
        if args.model not in (None, args.classifierModel):
            raise UsageError("two models are named", remedy="name one", field="model")
        args.model = args.classifierModel
    if args.captureDevice is not None:
        args.source = f"camera:{args.captureDevice}"
    window = None if args.no_window else _window()
    before: list[str] | None = None
    for _, sighting in greeter.sightings(args):
        now = _said(sighting)
        if args.json:
            faces = [one.decision.to_dict() for one in sighting.faces]
            print_json({"time": round(sighting.time, 3), "faces": faces})
        elif now != before:
            say(f"{sighting.time:8.2f} s: {', '.join(now) or 'nobody'}")
        before = now
        if window is not None and not window.show(sighting):
            break
    return common.OK


def _said(sighting: Sighting) -> list[str]:
    return [one.decision.name or "unknown" for one in sighting.faces]


class _Window:
    """A window of Tk, which comes with Python, that shows what is seen."""

    def __init__(self, tkinter: Any) -> None:
        self._root = tkinter.Tk()
        self._root.title("openfaceplus")
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._open = True
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._root.bind("q", lambda _: self._close())

    def show(self, sighting: Sighting) -> bool:
        """Show a frame; whether the window is still open."""
        from PIL import Image, ImageTk

        from openfaceplus.model import annotate

        decisions = [one.decision for one in sighting.faces]
        picture = Image.fromarray(annotate(sighting.photo, decisions))
        shown = ImageTk.PhotoImage(picture)
        self._label.configure(image=shown)
        self._label.image = shown
        self._root.update()
        return self._open

    def _close(self) -> None:
        self._open = False


def _window() -> _Window:
    """Raises UsageError where there is no screen."""
    from openfaceplus.errors import UsageError

    try:
        import tkinter

        return _Window(tkinter)
    except Exception as error:  # TclError cannot be named without tkinter
        if not isinstance(error, ImportError) and type(error).__name__ != "TclError":
            raise
        raise UsageError(
            "there is no screen to open a window on", remedy="give --no-window"
        ) from error
