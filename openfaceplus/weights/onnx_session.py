"""Opening ONNX graphs: one place for ONNX Runtime's settings and for what it says of bad files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from openfaceplus.errors import ModelCorrupt, ModelMissing, UsageError


def open_session(
    graph: bytes | Path, threads: int | None = None, name: str | Path | None = None
) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU; ``name`` is what errors call the graph.

    Raises ModelMissing for a file that cannot be read, ModelCorrupt for what is no graph.
    """
    # ONNX Runtime would report its use to Microsoft; nothing of ours leaves the machine.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    if isinstance(graph, Path):
        name = name or graph
        try:
            graph = graph.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ModelMissing(f"{name}: cannot be read ({reason}); check the path") from None
    options = onnxruntime.SessionOptions()
    # Left at 0, ONNX Runtime pins its threads to cores that a container may not own.
    options.intra_op_num_threads = thread_count(threads)
    # Its threads wait for each other by spinning, 1 ms or more; where other processes want the
    # cores that doubles the time. 50 us keep a single face as fast and end the waste.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "50")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.InvalidProtobuf,
        errors.NotImplemented,
        errors.RuntimeException,
    ) as error:
        raise ModelCorrupt(
            f"{name or 'the graph'}: no ONNX graph that can be run ({error}); "
            "download or export it again"
        ) from None


def run_session(session: Any, feeds: dict[str, Any], outputs: list[str] | None, name: Path) -> Any:
    """The outputs for ``feeds``; ModelCorrupt where the graph of the file ``name`` fails."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        return session.run(outputs, feeds)
    except (errors.Fail, errors.InvalidArgument, errors.RuntimeException) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        raise ModelCorrupt(
            f"{name}: the graph fails when run ({reason}); export it again, or describe its input "
            "with --embedder-spec"
        ) from None


def thread_count(threads: int | None) -> int:
    """``threads``, or for None as many as there are cores that this process may use."""
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if threads < 1:
        raise UsageError(f"{threads} threads cannot run a network; give 1 or more")
    return threads
