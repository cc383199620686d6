"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from openfaceplus.liveness import SCALE


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for, and all together; past it a request is refused.

    ``body`` is the bytes of a request, ``bodies`` those of all that are in hand. Of the faces of a
    photo the ``faces`` most prominent are judged. ``waiting`` photos may wait for a process, for
    ``patience`` seconds. ``rate`` is requests a minute, by key or else by address, and ``failures``
    the same for wrong keys.
    """

    body: int = 32 << 20
    bodies: int = 512 << 20
    pixels: int = 50_000_000
    photos: int = 20
    faces: int = 100
    waiting: int = 64
    patience: float = 30.0
    rate: int = 3000
    failures: int = 10
    frame: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are, and how to serve them.

    ``keys`` is a file of keys, None where whoever reaches the server may do everything; ``audit``
    the log of decisions. ``db`` is a database of videos, None for none, and ``uploads`` where those
    are kept that are sent. ``keep_unsure`` is a folder for faces of which a decision was unsure,
    None to keep none; ``retain`` is how long people who are enrolled here, and these faces, stay.
    ``liveness`` is the ONNX file of a network that tells faces from pictures of faces, which sees
    ``liveness_scale`` times a face's box.
    """

    model: Path | None
    audit: Path
    keys: Path | None = None
    db: str | None = None
    uploads: Path | None = None
    keep_unsure: Path | None = None
    retain: timedelta | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    jobs: int | None = None
    commercial: bool = False
    liveness: Path | None = None
    liveness_scale: float = SCALE
    limits: Limits = field(default_factory=Limits)

    @property
    def kept(self) -> Path:
        """Where answers and sessions outlive the server: beside the log."""
        return self.audit.with_name(f"{self.audit.name}.sqlite")

    @property
    def local(self) -> bool:
        """Whether only programs of this machine can reach it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
