"""``openfaceplus infer``: who is in new photos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common
from openfaceplus.cli.represent import device_of

if TYPE_CHECKING:
    from openfaceplus.model import Identified, Model, Policy


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus infer -m MODEL PHOTO ...``."""
    parse = common.parser(
        "openfaceplus infer",
        "Name the people in photos, or say that they are unknown.",
        "  openfaceplus infer -m model/ photo.jpg\n"
        "  openfaceplus infer -m model/ --far 0.001 photo.jpg\n"
        "  openfaceplus infer -m model/ --multi --annotate labelled/ party/*.jpg",
    )
    parse.add_argument(
        "-m", "--model", metavar="MODEL",
        help="a model folder or classifier.pkl (default: $OPENFACEPLUS_CLASSIFIER, or the one "
        "below the working folder)",
    )  # fmt: skip
    parse.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, or folders of photos")
    add_inference(parse)
    return common.run(parse, argv, lambda args: infer(args, args.model, args.photos))


def add_inference(to: argparse.ArgumentParser) -> None:
    """Options of inference, shared with ``demos/classifier.py infer``."""
    from openfaceplus.detect import DETECTORS

    to.add_argument("--multi", action="store_true", help="name all faces, from left to right")
    group = to.add_argument_group("strangers")
    group.add_argument(
        "--far", type=float, metavar="RATE",
        help="share of strangers' faces that may be accepted (default: as trained)",
    )  # fmt: skip
    group.add_argument("--sure", type=float, metavar="P", help="meet --far with this confidence")
    group.add_argument(
        "--far-per", choices=("face", "photo"), default="face",
        help="what the rate is of: with photo, several faces share it (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--threshold", type=float, metavar="S", help="accept scores from S up, whatever was trained"
    )
    group.add_argument(
        "--prior", type=float, default=0.5, metavar="P",
        help="share of strangers among the faces, for the confidence (default: %(default)s)",
    )  # fmt: skip
    to.add_argument(
        "--annotate", type=Path, metavar="DIR",
        help="write the photos there with labelled boxes: green known, red unknown",
    )  # fmt: skip
    to.add_argument(
        "--detector", metavar="NAME[:PATH]", type=common.named((*DETECTORS, "auto"), "detector"),
        help="what finds faces (default: as trained)",
    )  # fmt: skip
    common.add_photos(to)
    to.add_argument("--device", help="cpu or cuda (default: cpu)")
    to.add_argument("--cuda", action="store_true", help="use the graphics processor")


def infer(args: Any, model_path: str | None, photos: Sequence[str]) -> int:
    """Print who is in each photo; 1 if any photo failed, after all others were done."""
    from openfaceplus.errors import UsageError
    from openfaceplus.images import photos_in
    from openfaceplus.model import Model, Policy

    paths = photos_in(photos)
    if not paths:
        raise UsageError(f"{', '.join(photos)}: holds no photos; name photos, or folders of them")
    model = Model.load(
        model_path,
        detector=args.detector,
        network=getattr(args, "networkModel", None),
        predictor=getattr(args, "dlibFacePredictor", None),
        commercial=args.commercial,
        device=device_of(args),
        progress=common.DownloadProgress(),
    )
    policy = Policy(args.far, args.sure, args.far_per, args.threshold, args.prior)
    _say_unsupported(model, policy)
    names = _annotation_names(paths)
    failed = False
    results = model.identify_many(
        paths, policy=policy, largest=not args.multi, jobs=args.jobs, max_pixels=args.max_pixels,
        keep_photos=bool(args.annotate),
    )  # fmt: skip
    with common.progress("infer", len(paths)) as advance:
        for found in results:
            if args.annotate and found.decisions:
                _annotate(args.annotate / names[found.source], found)
            failed |= found.status != "ok"
            if args.json:
                common.print_json(_as_dict(found))
            else:
                _print(found, args.multi)
            advance()
    return common.SOME_FAILED if failed else common.OK


def _say_unsupported(model: Model, policy: Policy) -> None:
    """Where the user asked for a rate, say if the enrolled people do not support it."""
    from openfaceplus.classify import wording

    if policy.far is not None and policy.threshold is None:
        threshold = model.threshold(policy)
        if not threshold.calibration.met:
            for line in wording.lines(threshold, len(model.classifier.people)):
                print(line, file=sys.stderr)


def _print(found: Identified, multi: bool) -> None:
    from openfaceplus.files import shown
    from openfaceplus.model import centre

    print(f"\n=== {shown(found.source)} ===", flush=True)
    if problem := _problem(found):
        print(f"No result: {problem}")
        return
    if multi:
        print("List of faces in image from left to right")
    for decision in found.decisions:
        assert decision.box is not None
        place = f" @ x={centre(decision.box)}" if multi else ""
        name = "unknown" if decision.name is None else decision.name
        line = f"Predict {shown(name)}{place} with {decision.confidence:.2f} confidence"
        if decision.name is None:
            why = f"closest: {shown(decision.closest)}"
            if decision.note:
                why = f"{decision.note.replace('_', ' ')} to be recognised; {why}"
            line += f" ({why})"
        print(line + ".")
    if found.others:
        more = f"at least {found.others} more face{'s' if found.others > 1 else ''}"
        # Standard output holds what OpenFace prints.
        print(f"{shown(found.source)}: {more}; --multi names all", file=sys.stderr)


def _problem(found: Identified) -> str | None:
    from openfaceplus.files import shown

    if found.status == "no_face":
        return f"{shown(found.source)}: no face found"
    return None if found.error is None else str(found.error)


def _as_dict(found: Identified) -> dict[str, Any]:
    return {
        "file": str(found.source),
        "status": found.status,
        "error": _problem(found),
        "more_faces": found.others,
        "faces": [
            {
                "box": decision.box and decision.box.rounded(),
                "name": decision.name,
                "closest": decision.closest,
                "confidence": round(decision.confidence, 4),
                "score": round(decision.score, 4),
                # JSON has no infinity: null where nobody would be accepted.
                "threshold": round(decision.threshold, 4) if isfinite(decision.threshold) else None,
                "note": decision.note,
            }
            for decision in found.decisions
        ],
    }


def _annotate(to: Path, found: Identified) -> None:
    from openfaceplus.images import save_image
    from openfaceplus.model import annotate

    assert found.photo is not None
    save_image(to, annotate(found.photo, found.decisions))
    print(f"annotated: {to}", file=sys.stderr)


def _annotation_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for each photo's picture; photos of one name from two folders get a number."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        suffix = (
            path.suffix if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") else ".png"
        )
        for number in range(1, len(paths) + 2):
            name = path.stem + ("" if number == 1 else f"-{number}") + suffix
            if name not in taken:
                break
        names.setdefault(path, name)
        taken.add(name)
    return names
