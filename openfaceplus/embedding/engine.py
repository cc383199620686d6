"""What runs a network: torch or ONNX Runtime, behind one method.

Both are imported when one is made, not before: ONNX Runtime takes 0.1 s, torch 1.5 s.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.threads import thread_count
from openfaceplus.weights.onnx_session import open_session

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
        self._session = open_session(graph, threads, name)
        self._input = self._session.get_inputs()[0].name

    def run(self, pixels: np.ndarray) -> np.ndarray:
        vectors: np.ndarray = self._session.run(None, {self._input: pixels})[0]
        return vectors


class TorchEngine:
    """A torch module, on the CPU or on a GPU. Its settings hold for the whole process, so threads
    wait for each other; alone a batch has all cores."""

    def __init__(self, module: nn.Module, device: str = "cpu", threads: int | None = None):
        """``threads`` holds for all of torch in this process, and a forked child has one. Raises
        UsageError for the device."""
        import torch

        if threads is not None:
            torch.set_num_threads(thread_count(threads))
        self._process = os.getpid()
        self._lock = Lock()
        try:
            self._device = torch.device(device)
            self._module = module.to(self._device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"device {device!r} cannot be used: {reason}", remedy="try cpu", field="device"
            ) from None

    def run(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        if os.getpid() != self._process:
            # A fork leaves OpenMP's threads behind, and it would wait for them for ever; and a
            # thread of the parent may have held the lock.
            torch.set_num_threads(1)
            self._process, self._lock = os.getpid(), Lock()
        # TF32 would round a GPU's products to 10 bits; vectors must agree with the CPU's.
        with (
            self._lock,
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
        ):
            made = self._module(torch.tensor(pixels, device=self._device))
            vectors: np.ndarray = made.cpu().numpy()
        return vectors
