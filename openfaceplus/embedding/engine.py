"""What runs a network: torch or ONNX Runtime, behind one method.

Both are imported when one is made, not before: ONNX Runtime takes 0.1 s, torch 1.5 s.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from openfaceplus.errors import ModelCorrupt, UsageError

if TYPE_CHECKING:
    from torch import nn


class Engine(Protocol):
    """Runs one network."""

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """(n, size, size, 3) uint8, contiguous, to (n, dim) float32."""
        ...


class OnnxEngine:
    """An ONNX graph of one input and one output in ONNX Runtime, on the CPU."""

    def __init__(self, graph: bytes, threads: int | None = None, name: str | Path = "the graph"):
        """``name`` is what errors call the graph. Raises ModelCorrupt for what is none."""
        # ONNX Runtime would report its use to Microsoft; nothing of ours leaves the machine.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        # Left at 0, ONNX Runtime pins its threads to cores that a container may not own.
        options.intra_op_num_threads = thread_count(threads)
        # Its threads wait for each other by spinning, 1 ms or more; where other processes want the
        # cores that doubles the time. 50 us keep a single face as fast and end the waste.
        options.add_session_config_entry("session.intra_op.spin_duration_us", "50")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except (
            errors.Fail,
            errors.InvalidArgument,
            errors.InvalidGraph,
            errors.InvalidProtobuf,
            errors.NotImplemented,
            errors.RuntimeException,
        ) as error:
            raise ModelCorrupt(
                f"{name}: no ONNX graph that can be run ({error}); download or export it again"
            ) from None
        self._input = self._session.get_inputs()[0].name

    def run(self, pixels: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: pixels})[0]


class TorchEngine:
    """A torch module, on the CPU or on a GPU."""

    def __init__(self, module: nn.Module, device: str = "cpu", threads: int | None = None):
        """``threads`` holds for all of torch in this process. Raises UsageError for the device."""
        import torch

        if threads is not None:
            torch.set_num_threads(thread_count(threads))
        try:
            self._device = torch.device(device)
            self._module = module.to(self._device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"device {device!r} cannot be used: {reason}; try 'cpu'") from None

    def run(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        # TF32 would round a GPU's products to 10 bits; vectors must agree with the CPU's.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return self._module(torch.tensor(pixels, device=self._device)).cpu().numpy()


def thread_count(threads: int | None) -> int:
    """``threads``, or for None as many as there are cores that this process may use."""
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if threads < 1:
        raise UsageError(f"{threads} threads cannot run a network; give 1 or more")
    return threads
