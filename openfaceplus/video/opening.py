"""Opening what a video is read from, so that a file leads to no other file and nothing hangs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openfaceplus import hosts
from openfaceplus.errors import StorageError, UsageError, VideoError
from openfaceplus.files import shown
from openfaceplus.remote import Location, Remote, location

CAMERA = "camera:"
_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "srt")
_LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt")
_PATIENCE = (10.0, 10.0)  # seconds to open, and for more data

# Containers of pictures in motion. Playlists are not among them, since those lead to other files,
# nor are single pictures and text that FFmpeg would draw.
_FORMATS = (
    "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg",
    "mpegvideo", "flv", "asf", "ogg", "mxf", "rm", "h264", "hevc", "obu", "ivf", "m4v", "h263",
    "vc1", "dv", "nut", "mjpeg", "yuv4mpegpipe", "gif", "wtv", "gxf",
)  # fmt: skip
_ENDINGS = {
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg",
    ".mpeg", ".vob", ".flv", ".wmv", ".asf", ".ogv", ".ogg", ".mxf", ".3gp", ".3g2", ".dv", ".nut",
    ".h264", ".h265", ".hevc", ".ivf", ".y4m", ".rm", ".rmvb", ".gif",
}  # fmt: skip


def stored(source: str) -> Remote | None:
    """The object or folder in storage that a source names; None for files, and for cameras and
    streams, which are read as they come."""
    place = location(source)
    return place if isinstance(place, Remote) and not _scheme(source) else None


@contextmanager
def fetched(source: str) -> Iterator[str]:
    """Where a source can be read from within the block: a copy of what is in storage, all else as
    it is. Raises VideoError if it cannot be fetched."""
    remote = stored(source)
    if remote is None:
        yield source
        return
    with TemporaryDirectory(prefix="openfaceplus-") as folder:
        copy = Path(folder, "video")
        try:
            remote.fetch(copy)
        except (StorageError, UsageError) as error:
            raise VideoError(error.problem + hosts.there(), remedy=error.remedy) from error
        yield str(copy)


def walk_videos(folder: str | os.PathLike[str]) -> list[Location]:
    """The files below a folder whose ending is a video's, sorted, hidden ones left out.

    Raises VideoError if it is not a folder that can be read.
    """
    root = location(folder)
    if isinstance(root, Remote):
        return sorted(
            path
            for relative, path in root.below()
            if path.suffix.lower() in _ENDINGS and "/." not in f"/{relative}"
        )
    try:
        os.scandir(root).close()
    except OSError as error:
        raise VideoError(
            f"{shown(root)}: not a folder of videos ({error.strerror})",
            remedy="name a folder that holds videos",
        ) from error
    found: list[Location] = []
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in _ENDINGS
        ]
    return sorted(found)


def is_live(source: str) -> bool:
    """Whether a source is a camera or a stream, which has no end to wait for."""
    return source.startswith(CAMERA) or _scheme(source) in _LIVE


def open_container(source: str, name: str | None = None) -> Any:
    """PyAV's container of a file, ``camera:N`` or an address. Raises VideoError, which calls it by
    its ``name``."""
    import av

    try:
        if source.startswith(CAMERA):
            return av.open(_camera(source), format="v4l2", timeout=_PATIENCE)
        if scheme := _scheme(source):
            options = {
                "protocol_whitelist": ",".join((*_SCHEMES, "tcp", "tls", "crypto", "httpproxy"))
            }
            if scheme.startswith("rtsp"):
                options["rtsp_transport"] = "tcp"
            return av.open(source, container_options=options, timeout=_PATIENCE)
        _check_file(source, shown(name or source))
        options = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS)}
        return av.open(f"file:{os.path.abspath(source)}", container_options=options)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise refused(name or source, error) from error


def refused(source: str, error: Exception) -> VideoError:
    """What to say of a source that cannot be opened or decoded."""
    import av

    name = shown(source)
    if isinstance(error, av.error.ExitError):
        return VideoError(f"{name}: no answer in time", remedy="check the address and the network")
    why = str(getattr(error, "strerror", None) or error)
    if _scheme(source) or source.startswith(CAMERA):
        return VideoError(f"{name}: cannot be opened ({shown(why)})", remedy="check the address")
    return VideoError(
        f"{name}: not a video that can be read ({shown(why)})",
        remedy="give a video file; one that was cut off may have to be repaired",
    )


def _camera(source: str) -> str:
    number = source.removeprefix(CAMERA)
    device = f"/dev/video{number}"
    if not number.isdecimal() or not os.path.exists(device):
        raise VideoError(f"{shown(source)}: there is no such camera", remedy="try camera:0")
    return device


def _check_file(source: str, name: str) -> None:
    """Raises VideoError for what is not there, or where reading would wait for ever."""
    try:
        status = os.stat(source)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{name}: {why}{hosts.there()}", remedy="check the name") from error
    if stat.S_ISDIR(status.st_mode):
        raise VideoError(f"{name}: it is a folder", remedy="name one video")
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(f"{name}: it is a device or pipe", remedy="name a video file")
    if not status.st_size:
        raise VideoError(f"{name}: it is empty", remedy="copy it again")


def _scheme(source: str) -> str:
    """``rtsp`` of ``rtsp://...``; empty for a file."""
    start, colon, _ = source.partition("://")
    return start.lower() if colon and start.lower() in _SCHEMES else ""
