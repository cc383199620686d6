"""``openfaceplus video identify``: a video with everybody named."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.cli.video_answers import add_mode
from openfaceplus.cli.video_index import add_settings, settings_of
from openfaceplus.words import clock, counted

if TYPE_CHECKING:
    from openfaceplus.stages.video_identify import IdentifiedVideo


def add(modes: Any) -> None:
    """Add this command, with ``command`` set."""
    mode = add_mode(
        modes, "identify", _identify,
        "write a video with a box and a name at each face, and a table of them",
        "  openfaceplus video identify -m model/ clip.mp4 -o named.mp4\n"
        "  openfaceplus video identify -m model/ clip.mp4 -o named.mp4 --csv faces.csv --far 0.001",
        database=False,
    )  # fmt: skip
    mode.add_argument("video", metavar="VIDEO", help="a video file")
    mode.add_argument(
        "-m", "--model", metavar="MODEL",
        help="a model folder or classifier.pkl (default: as in infer)",
    )  # fmt: skip
    mode.add_argument(
        "-o", "--output", type=Path, metavar="FILE", required=True,
        help="the video to write, such as out.mp4; sound and times stay as they are",
    )  # fmt: skip
    mode.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="where the table goes, a row a face a frame (default: as the video, with .csv)",
    )
    mode.add_argument("--every", type=int, default=1, metavar="N", help="look at each Nth frame")
    mode.add_argument("--seconds", type=float, metavar="S", help="only the first S seconds")
    group = mode.add_argument_group("strangers")
    group.add_argument(
        "--far", type=options.rate, metavar="RATE",
        help="share of strangers' sequences that may be accepted (default: as trained)",
    )  # fmt: skip
    group.add_argument(
        "--threshold", type=float, metavar="S",
        help="accept scores from S up (0: a usual stranger's, 1: that of somebody enrolled)",
    )  # fmt: skip
    add_settings(mode.add_argument_group("faces"))
    mode.add_argument(
        "--detector", metavar="NAME[:PATH]", type=options.detector,
        help="what finds faces (default: as trained)",
    )  # fmt: skip
    options.add_overwrite(mode)
    options.add_device(mode)


def _identify(args: argparse.Namespace) -> int:
    from openfaceplus.model import Model, Policy
    from openfaceplus.stages.video_identify import IdentifyOptions, identify_video

    model = Model.load(
        args.model, detector=args.detector, commercial=args.commercial,
        device=options.device_of(args), progress=common.DownloadProgress(),
    )  # fmt: skip
    chosen = IdentifyOptions(
        Policy(args.far, threshold=args.threshold), settings_of(args), args.every, args.seconds
    )
    name, bar, doing = os.path.basename(args.video), common.FrameProgress(), ""

    def watch(what: str, done: int, of: int | None) -> None:
        nonlocal doing
        if what != doing:
            bar.close()
            doing = what
        bar(f"{what} {name}", done, of)

    table = args.csv or args.output.with_suffix(".csv")
    try:
        found = identify_video(model, args.video, args.output, table, chosen, watch=watch)
    finally:
        bar.close()
    for remark in found.report.remarks:
        say(remark, file=sys.stderr)
    if args.json:
        print_json(_as_dict(args, table, found))
    else:
        _tell(args, table, found)
    return common.OK if found.report.faces else common.SOME_FAILED


def _tell(args: argparse.Namespace, table: Path, found: IdentifiedVideo) -> None:
    report = found.report
    for name, seconds in sorted(found.names.items(), key=lambda pair: -pair[1]):
        say(f"{name}: seen for {clock(seconds)}")
    unknown = sum(one.name is None and not one.note for one in found.decisions)
    aside = sum(bool(one.note) for one in found.decisions)
    say(
        f"{args.output}, {table.name}: {counted(report.frames, 'frame')}, "
        f"{counted(report.faces, 'face')}, {counted(report.sequences, 'sequence')}, {unknown} of "
        f"people unknown; {aside} more too short, small, blurred or turned away to be judged"
    )
    for name, number in found.numbers.items():
        say(f"  {number} there: {name}", file=sys.stderr)


def _as_dict(args: argparse.Namespace, table: Path, found: IdentifiedVideo) -> dict[str, Any]:
    report = found.report
    return {
        "video": args.video, "output": str(args.output), "csv": str(table),
        "frames": report.frames, "seconds": round(report.seconds, 3), "faces": report.faces,
        "shots": report.shots, "remarks": report.remarks,
        "sequences": [
            {
                "sequence": number, "start": round(one.start, 3), "end": round(one.end, 3),
                "faces": len(one.seen), "name": decision.name,
                "closest": decision.closest or None,
                "unsure_between": decision.second and [decision.closest, decision.second],
                "confidence": decision.confidence and round(decision.confidence, 4),
                "score": round(decision.score, 4), "note": decision.note,
            }
            for number, (one, decision) in enumerate(
                zip(found.sequences, found.decisions, strict=True), 1
            )
        ],
    }  # fmt: skip
