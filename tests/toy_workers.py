"""Workers for tests of ``Workers``; its processes import this module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openfaceplus import memory
from openfaceplus.errors import ModelMissing
from openfaceplus.stages import align, find, photos, represent
from openfaceplus.stages.video_segments import Watcher


class Toy:
    """Multiplies; some words do something else."""

    def __init__(self, factor: int = 2) -> None:
        self._factor = factor

    def __call__(self, item: Any) -> Any:
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "busy":
            while True:
                pass
        if item == "pid":
            time.sleep(0.05)
            return os.getpid()
        if item == "raise":
            raise ModelMissing("no such model", remedy="get it", field="network")
        if item == "odd":
            raise Odd(1, 2)
        return item * self._factor


class Reserving:
    """Says in a file when it has memory for a large photo; a word makes it die meanwhile."""

    def __init__(self, log: str, size: int) -> None:
        self._log, self._size = log, size

    def __call__(self, word: str) -> str:
        with memory.reserved(self._size, word):
            self._say("in")
            time.sleep(0.02)
            if word == "die":
                self._say("dead")
                os.kill(os.getpid(), signal.SIGKILL)
            self._say("out")
        return word

    def _say(self, word: str) -> None:
        with open(self._log, "a") as file:
            file.write(f"{word}\n")


class Odd(Exception):
    """Does not survive pickling."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class DieOnce(Toy):
    """Dies at the first item for which the file is not yet there."""

    def __call__(self, item: Any) -> Any:
        if not os.path.exists(item):
            open(item, "w").close()
            super().__call__("die")
        return 1


class Telling:
    """Gives back what it gets, slowly; a file says that its process is there."""

    def __init__(self, folder: Path) -> None:
        (folder / str(os.getpid())).touch()

    def __call__(self, item: Any) -> Any:
        time.sleep(0.03)
        return item

    @staticmethod
    def alive(folder: Path) -> list[int]:
        """The processes that are there."""
        return [int(p.name) for p in folder.iterdir() if Path(f"/proc/{p.name}").exists()]


class Chunks(Toy):
    def __call__(self, items: Sequence[Any]) -> list[Any]:
        return [super(Chunks, self).__call__(item) for item in items]


class Unable:
    def __init__(self) -> None:
        raise ModelMissing("no such model", remedy="get it", field="network")


class Dying:
    def __init__(self) -> None:
        os._exit(3)


def _poisonous(item: object) -> None:
    if "toxic" in str(item):
        os.kill(os.getpid(), signal.SIGKILL)


class PoisonedAlign(align._Worker):
    def __call__(self, task: Any) -> Any:
        _poisonous(task.photo)
        return super().__call__(task)


class PoisonedFind(find._Worker):
    def __call__(self, task: Any) -> Any:
        _poisonous(task.path)
        return super().__call__(task)


class PoisonedRepresent(represent._Worker):
    def __call__(self, rows: Any) -> Any:
        _poisonous([row["chip"] for row in rows])
        return super().__call__(rows)


class SlowRepresent(represent._Worker):
    def __call__(self, rows: Any) -> Any:
        time.sleep(0.3)
        return super().__call__(rows)


class PoisonedPhotos(photos._Worker):
    def __call__(self, sources: Any) -> Any:
        _poisonous(sources)
        return super().__call__(sources)


class DyingWatcher(Watcher):
    """Notes in a file each time that it looks at a segment; at one it dies ``times`` times."""

    def __init__(self, *arguments: Any) -> None:
        *most, self._folder, self._times = arguments
        super().__init__(*most)

    def __call__(self, task: Any) -> Any:
        path = self._folder / str(task.part.number)
        with path.open("a") as file:
            file.write(f"{task.part.number} ")
        if task.part.number == 32 and len(path.read_text().split()) <= self._times:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(task)
