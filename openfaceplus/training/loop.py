"""The loop: epochs over chips, validated, kept so that it goes on exactly where it was broken off.

All chance comes from the seed and the number of the epoch, so that an epoch is the same whether
those before it ran in this process or another.
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from openfaceplus.errors import StorageError, TrainingError, UsageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.training.changes import changed
from openfaceplus.training.networks import freeze, set_learning

SCHEDULES = ("one-cycle", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16")
_WARM = 0.05  # of a one-cycle schedule is its rise
_CALM = 0.8  # of the way: from there on half of a batch is not changed

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How to train. ``rate`` is the greatest learning rate, ``patience`` after how many epochs
    without a better validation to stop (0: never), ``frozen`` the beginnings of the names of
    parameters that stay. What is validated and kept is the mean of the network over its last steps,
    each of which weighs ``average`` times as much as the next (0: the network itself)."""

    epochs: int = 30
    rate: float = 2e-3
    decay: float = 0.02
    schedule: str = "one-cycle"
    precision: str = "auto"
    device: str = "auto"
    seed: int = 0
    patience: int = 0
    average: float = 0.999
    augment: bool = True
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """What an epoch trains on. ``draw`` gives numbers of items in batches; ``take`` their (n, size,
    size, 3) float32 pixels and what the loss compares them with, given also the share of all steps
    that is done; ``count`` is how many batches an epoch has at most."""

    draw: Callable[[np.random.Generator], Iterator[np.ndarray]]
    take: Callable[[np.ndarray, np.random.Generator, float], tuple[np.ndarray, np.ndarray]]
    count: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the log."""

    epoch: int
    loss: float
    rate: float
    score: float
    seconds: float


Validate = Callable[[Callable[[np.ndarray], np.ndarray]], float]
"""Given what turns (n, size, size, 3) uint8 chips into vectors: a score, the higher the better."""


class Trainer:
    """A network, its optimiser and where they stand; ``history`` has a row for each epoch."""

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        settings: LoopSettings,
    ) -> None:
        for known, field in ((SCHEDULES, "schedule"), (PRECISIONS, "precision")):
            if (value := getattr(settings, field)) not in known:
                raise UsageError(
                    f"there is no {field} {value!r}", remedy=f"take {', '.join(known)}", field=field
                )
        if settings.epochs < 1:
            raise UsageError("training takes one epoch at least", field="epochs")
        self.settings, self.device = settings, device_of(settings.device)
        self.network = network.to(self.device)
        self.loss = loss.to(self.device) if isinstance(loss, nn.Module) else loss
        freeze(network, settings.frozen)
        own = list(self.loss.parameters()) if isinstance(self.loss, nn.Module) else []
        learning = [one for one in network.parameters() if one.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [*learning, *own], settings.rate, weight_decay=settings.decay
        )
        self.averaged = AveragedModel(network, avg_fn=self._average, use_buffers=True)
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}

    def run(
        self,
        batches: Batches,
        validate: Validate,
        checkpoint: Path | None = None,
        each: Callable[[Epoch], object] = lambda row: None,
    ) -> None:
        """Train to the last epoch or as long as patience lasts; afterwards the network is that of
        the best epoch. ``checkpoint`` is written after every epoch. Raises TrainingError where the
        loss is no number any more."""
        while len(self.history) < self.settings.epochs and not self._spent():
            started = time.monotonic()
            loss, rate = self._epoch(batches, len(self.history))
            score = validate(self.embed)
            row = Epoch(len(self.history) + 1, loss, rate, score, time.monotonic() - started)
            if not self.best or score > max(old.score for old in self.history):
                kept = self.averaged.module.state_dict()
                self.best = {k: v.detach().clone() for k, v in kept.items()}
            self.history.append(row)
            if checkpoint is not None:
                self._save(checkpoint)
            each(row)
        for network in (self.network, self.averaged.module):
            network.load_state_dict(self.best)
            network.eval()

    def embed(self, pixels: np.ndarray, batch: int = 128) -> np.ndarray:
        """(n, size, size, 3) uint8 chips to (n, dim) float32 in full precision."""
        network = self.averaged.module.eval()
        made = []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                part = torch.tensor(pixels[start : start + batch], device=self.device)
                made.append(network(part).float().cpu().numpy())
        return np.concatenate(made)

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint of the same settings. Raises StorageError if it is none."""
        try:
            kept: dict[str, Any] = torch.load(checkpoint, self.device, weights_only=True)
            self.network.load_state_dict(kept["network"])
            self.averaged.load_state_dict(kept["averaged"])
            self.optimiser.load_state_dict(kept["optimiser"])
            if isinstance(self.loss, nn.Module):
                self.loss.load_state_dict(kept["loss"])
            self.best = kept["best"]
            self.history = [Epoch(*row) for row in kept["history"]]
        except (
            OSError,
            KeyError,
            TypeError,
            RuntimeError,
            ValueError,
            pickle.PickleError,
        ) as error:
            raise StorageError(
                f"{shown(checkpoint)}: no checkpoint of this training ({str(error)[:200]})",
                remedy="delete it to start anew",
            ) from None

    def _save(self, checkpoint: Path) -> None:
        kept = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "loss": self.loss.state_dict() if isinstance(self.loss, nn.Module) else {},
            "best": self.best,
            "history": [(h.epoch, h.loss, h.rate, h.score, h.seconds) for h in self.history],
        }
        with atomic_write(checkpoint, ours=True) as file:
            torch.save(kept, file)

    def _spent(self) -> bool:
        scores = [row.score for row in self.history]
        patience = self.settings.patience
        return bool(patience and scores) and len(scores) - 1 - int(np.argmax(scores)) >= patience

    def _epoch(self, batches: Batches, epoch: int) -> tuple[float, float]:
        """Mean loss and last learning rate of one epoch."""
        settings = self.settings
        chance = np.random.default_rng([settings.seed, epoch])
        torch.manual_seed(int(chance.integers(2**62)))
        changes = torch.Generator().manual_seed(int(chance.integers(2**62)))
        set_learning(self.network)
        losses: list[float] = []
        rate = 0.0

        def steps() -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
            for number, items in enumerate(batches.draw(chance)):
                done = (epoch + number / batches.count) / settings.epochs
                yield done, *batches.take(items, chance, done)

        for done, pixels, wanted in _ahead(steps()):
            rate = self._rate(done)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            chips = torch.from_numpy(pixels).to(self.device)
            if settings.augment:
                count = len(chips) if done < _CALM else len(chips) // 2
                chips = torch.cat([changed(chips[:count], changes), chips[count:]])
            targets = torch.from_numpy(wanted).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half()):
                vectors = self.network(chips)
            loss = self.loss(vectors.float(), targets)
            if not math.isfinite(value := loss.item()):
                raise TrainingError(
                    f"the loss is {value} in epoch {epoch + 1}",
                    remedy="choose a lower learning rate",
                )
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.averaged.update_parameters(self.network)
            losses.append(value)
        return float(np.mean(losses)), rate

    def _average(self, mean: Tensor, now: Tensor, steps: Tensor | int) -> Tensor:
        """The mean a step further; that of the first steps goes less far back."""
        share = min(self.settings.average, (1 + int(steps)) / (10 + int(steps)))
        return mean + (now - mean) * (1 - share)

    def _rate(self, done: float) -> float:
        """The learning rate after a share of all steps."""
        fall = (1 + math.cos(math.pi * done)) / 2
        if self.settings.schedule == "constant":
            fall = 1.0
        elif self.settings.schedule == "one-cycle":
            rest = (done - _WARM) / (1 - _WARM)
            fall = 0.04 + 0.96 * done / _WARM if rest < 0 else (1 + math.cos(math.pi * rest)) / 2
        return self.settings.rate * max(fall, 1e-3)

    def _half(self) -> bool:
        if self.settings.precision != "auto":
            return self.settings.precision == "bfloat16"
        if self.device.type == "cuda":
            return bool(torch.cuda.is_bf16_supported())
        return bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())


def _ahead(items: Iterable[Made]) -> Iterator[Made]:
    """The items, the next one of which a thread makes meanwhile."""
    each = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, each, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, each, None)
            yield item


def device_of(name: str) -> torch.device:
    """``auto`` is the graphics processor where one is at hand. Raises UsageError for what torch
    cannot use."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"device {name!r} cannot be used: {str(error).splitlines()[0]}",
            remedy="try cpu",
            field="device",
        ) from None
    return device
