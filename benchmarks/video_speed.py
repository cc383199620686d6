"""Frames a second through a video, beside face_recognition on every frame of the same clip.

    python benchmarks/video_speed.py CLIP ... --peers ~/.cache/openfaceplus-peers

Every frame of each CLIP is looked at. "followed" gives sequences with descriptors, "indexed" also
writes them into a database of its own and links them to people. The peer locates and encodes the
faces of the first --frames frames, since each costs it the same. Both have their models loaded.
Rates are medians of --rounds that alternate, with their least and greatest; on a shared machine
read the ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers.install import Worker, environment
from peers.pairs import lines, ratios, spread

from openfaceplus.database import connect
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_index import IndexOptions, index
from openfaceplus.stages.video_sequences import VideoReport, VideoSequences
from openfaceplus.video.source import open_video

PEER = "face_recognition"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", metavar="CLIP", type=Path)
    parser.add_argument("--peers", type=Path, required=True, metavar="DIR",
                        help="where the peer's environment is or will be")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--frames", type=int, default=12, help="of the peer, default: %(default)s")
    args = parser.parse_args()
    python = environment(args.peers)
    pip = [python, "-m", "pip", "install", "--quiet", "opencv-python-headless"]
    subprocess.run(pip, check=True)
    pipeline = Pipeline(video_recipe(recipe()))
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(folder),  # so that the server runs
        Worker(python, "face_recognition_video.py") as peer,
    ):
        for clip in args.clips:
            measure(clip, pipeline, folder, peer, args)
    return 0


def measure(
    clip: Path, pipeline: Pipeline, folder: str, peer: Worker, args: argparse.Namespace
) -> None:
    """Print one clip's table."""
    seconds: dict[str, list[float]] = {"followed": [], "indexed": [], PEER: []}
    report = follow(clip, pipeline)  # loads what is loaded on first use
    for _ in range(args.rounds):
        start = time.perf_counter()
        report = follow(clip, pipeline)
        seconds["followed"].append((time.perf_counter() - start) / report.frames)
        with connect(folder) as db:  # what is known would be kept
            for known in db.videos.all():
                db.videos.remove(known.id)
        start = time.perf_counter()
        index([str(clip)], folder, IndexOptions(recipe()), jobs=1)
        seconds["indexed"].append((time.perf_counter() - start) / report.frames)
        theirs = peer.ask("follow", path=str(clip), frames=args.frames)
        seconds[PEER].append(theirs["seconds"] / theirs["frames"])
    with open_video(clip) as video:
        size = f"{video.info.width} x {video.info.height}"
    print(
        f"\n{clip.name}: {size}, {report.frames} frames, {report.faces / report.frames:.1f} faces "
        f"a frame (the peer finds {theirs['faces'] / theirs['frames']:.1f})\n"
    )
    rates = {name: spread([1 / one for one in own]) for name, own in seconds.items()}
    table = {"unit": "frames/s", "rates": rates, "ratios": {PEER: ratios(seconds, PEER)}}
    print("\n".join(lines(table)), flush=True)


def follow(clip: Path, pipeline: Pipeline) -> VideoReport:
    """Every sequence of a clip."""
    with open_video(clip) as video:
        sequences = VideoSequences(video, pipeline)
        for _ in sequences:
            pass
    return sequences.report


if __name__ == "__main__":
    sys.exit(main())
