"""What makes a sequence of faces."""

from __future__ import annotations

from dataclasses import dataclass

from openfaceplus.errors import UsageError


@dataclass(frozen=True, slots=True)
class SequenceSettings:
    """Which faces make sequences, and what of each is kept.

    Faces of a side below ``min_size`` pixels at full size, or turned by more than ``max_yaw``
    degrees, are followed but not compared; a sequence lasts ``min_seconds`` at least. A face may be
    out of sight for ``lost`` seconds, and for ``joined`` where it comes back in a likely place and
    is as alike as one person. ``crops`` faces of a sequence are kept and compared, the best of each
    ``apart`` seconds, or of longer spans where it lasts longer.
    """

    min_size: float = 30.0
    max_yaw: float = 50.0
    min_seconds: float = 0.2
    lost: float = 1.0
    joined: float = 2.5
    crops: int = 8
    apart: float = 0.5

    def __post_init__(self) -> None:
        for name in ("min_size", "max_yaw", "min_seconds", "lost", "joined"):
            if not getattr(self, name) >= 0:
                raise UsageError(
                    f"{getattr(self, name)} is below 0", remedy="give 0 or more", field=name
                )
        if self.crops < 1 or not self.apart > 0:
            raise UsageError("a sequence keeps one face at least, at some distance in time")
