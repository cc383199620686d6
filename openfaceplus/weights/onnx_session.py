"""Opening ONNX graphs: one place for ONNX Runtime's settings and for what it says of bad files."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from pathlib import Path
from typing import Any

from openfaceplus.errors import ModelCorrupt
from openfaceplus.files import shown
from openfaceplus.threads import thread_count
from openfaceplus.weights.source import read_regular
from openfaceplus.weights.trial import attempt

_LOOPS = (b"Loop", b"Scan", b"SequenceMap")  # operators that may never end
_SECONDS = 60  # for a run of a graph that has any


class Session:
    """An ONNX graph in ONNX Runtime, on the CPU, for the process that made it and its forks.

    ONNX Runtime's threads are not there after a fork, and closing the session would wait for them
    for ever. So a forked child leaves that session be and opens one of its own when it runs.
    """

    def __init__(
        self, graph: bytes, threads: int | None, name: str | Path, *, loops: bool = False
    ) -> None:
        self._graph, self._threads, self._name, self._loops = graph, threads, name, loops
        self._session: Any = self._open()
        _sessions.add(self)

    def run(self, outputs: list[str] | None, feeds: dict[str, Any]) -> list[Any]:
        """The outputs named, or all of them, for inputs by their names."""
        found: list[Any]
        if not self._loops:
            found = self._current().run(outputs, feeds)
            return found
        import onnxruntime

        limit = onnxruntime.RunOptions()
        limit.log_severity_level = 4
        watch = threading.Timer(_SECONDS, setattr, (limit, "terminate", True))
        watch.daemon = True
        watch.start()
        try:
            found = self._current().run(outputs, feeds, limit)
        finally:
            watch.cancel()
        return found

    def get_inputs(self) -> list[Any]:
        """What the graph takes, each with ``name``, ``type`` and ``shape``."""
        return list(self._current().get_inputs())

    def get_outputs(self) -> list[Any]:
        """The same of what it gives."""
        return list(self._current().get_outputs())

    def leave(self) -> None:
        """Use the open session no more, and never close it."""
        if self._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
            self._session = None

    def _current(self) -> Any:
        session = self._session
        if session is None:
            session = self._session = self._open()
        return session

    def _open(self) -> Any:
        # ONNX Runtime would report its use to Microsoft; nothing of ours leaves the machine.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        # Left at 0, ONNX Runtime pins its threads to cores that a container may not own.
        options.intra_op_num_threads = thread_count(self._threads)
        # Its threads wait for each other by spinning, 1 ms or more; where other processes want the
        # cores that doubles the time. 50 us keep a single face as fast and end the waste.
        options.add_session_config_entry("session.intra_op.spin_duration_us", "50")
        # Weights outside the graph would be read from the working folder.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", "/nonexistent"
        )
        options.log_severity_level = 4
        try:
            return onnxruntime.InferenceSession(
                self._graph, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )  # without its fallback, which prints that the same is tried again
        except (
            errors.Fail,
            errors.InvalidArgument,
            errors.InvalidGraph,
            errors.InvalidProtobuf,
            errors.NotImplemented,
            errors.RuntimeException,
            UnicodeDecodeError,  # of its own words about a name in the graph
        ) as error:
            raise ModelCorrupt(
                f"{shown(self._name)}: no ONNX graph that can be run ({shown(str(error))[:300]})",
                remedy="download or export it again",
            ) from None


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _leave_all() -> None:
    for session in _sessions:
        session.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all)


def open_session(
    graph: bytes | Path, threads: int | None = None, name: str | Path | None = None
) -> Session:
    """A session of a graph or of the file that holds it; ``name`` is what errors call it.

    Raises ModelMissing for a file that cannot be read, ModelCorrupt for what is no graph.
    """
    loops = False
    if isinstance(graph, Path):
        attempt("onnx", graph)
        name = name or graph
        graph = read_regular(graph)
        loops = any(operator in graph for operator in _LOOPS)
    return Session(graph, threads, name or "the graph", loops=loops)


def run_session(
    session: Session, feeds: dict[str, Any], outputs: list[str] | None, name: Path
) -> list[Any]:
    """The outputs for ``feeds``; ModelCorrupt where the graph of the file ``name`` fails."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        return session.run(outputs, feeds)
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.RuntimeException,
        UnicodeDecodeError,
    ) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        raise ModelCorrupt(
            f"{shown(name)}: the graph fails when run ({shown(reason)})",
            remedy="export it again, or describe its input in a spec",
            field="spec",
        ) from None
