"""What training an embedder leaves: weights, an ONNX graph, a manifest, a log, a plot, a card."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus import embedding, extras
from openfaceplus.errors import ModelCorrupt
from openfaceplus.evaluate import plots
from openfaceplus.files import atomic_write
from openfaceplus.manifest import Manifest
from openfaceplus.stages.trainable import trainable
from openfaceplus.weights import pin
from openfaceplus.weights.trained import GRAPH, MANIFEST

if TYPE_CHECKING:
    from torch import nn

    from openfaceplus.recipe import Recipe
    from openfaceplus.stages.train_embedder import TrainEmbedderOptions
    from openfaceplus.training.loop import Epoch

WEIGHTS, LOG, PLOT, CARD = "weights.pt", "log.csv", "log.png", "README.md"
_OPSET = 17
_AGREE = 1e-5


class Log:
    """``log.csv``, a line an epoch, and TensorBoard's files where asked for."""

    def __init__(self, folder: Path, history: Sequence[Epoch], tensorboard: bool) -> None:
        self._path, self._rows = folder / LOG, list(history)
        self._writer: Any = None
        if tensorboard:
            extras.require("tensorboard", "training", "a log for TensorBoard")
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder / "tensorboard")

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, row: Epoch) -> None:
        """Write an epoch's line."""
        self._rows.append(row)
        lines = ["epoch,loss,rate,score,seconds"]
        for one in self._rows:
            numbers = (one.loss, one.rate, one.score, one.seconds)
            lines.append(f"{one.epoch},{','.join(f'{number:.6g}' for number in numbers)}")
        with atomic_write(self._path, ours=True) as file:
            file.write(("\n".join(lines) + "\n").encode())
        if self._writer is not None:
            for name in ("loss", "rate", "score"):
                self._writer.add_scalar(name, getattr(row, name), row.epoch)


def write(
    folder: Path, network: nn.Module, options: TrainEmbedderOptions, recipe: Recipe,
    history: Sequence[Epoch], counts: dict[str, int],
) -> str:  # fmt: skip
    """Write a trained network and all that is known of it; gives the space of its vectors."""
    kind = trainable(options.network)
    network = network.cpu().eval()
    _write_weights(folder / WEIGHTS, network)
    settings: dict[str, Any] = {
        "network": options.network, "spec": kind.spec.to_dict(), "landmarks": recipe.landmarks,
        "chip": str(kind.spec.chip),
    }  # fmt: skip
    if options.onnx:
        graph = export(network, kind.spec.size)
        with atomic_write(folder / GRAPH, ours=True) as file:
            file.write(graph)
        pin(folder / GRAPH, renew=True)
        made = embedding.create("onnx", weights=folder / GRAPH, spec=kind.spec)
        settings["space"] = str(made.space)
        Manifest("embedder", settings, counts).write(folder / MANIFEST)
    if extras.there("matplotlib"):
        plots.training(folder / PLOT, [h.loss for h in history], [h.score for h in history])
    with atomic_write(folder / CARD, ours=True) as file:
        file.write(_card(options, settings, history, counts).encode())
    return str(settings.get("space", ""))


def export(network: nn.Module, size: int) -> bytes:
    """The network as an ONNX graph of ``pixels`` (n, size, size, 3) uint8, whose vectors agree
    with torch's to 1e-5. Raises ModelCorrupt if they do not."""
    import torch

    from openfaceplus.embedding.engine import OnnxEngine

    chips = torch.randint(256, (3, size, size, 3), dtype=torch.uint8)
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        path = Path(folder) / GRAPH
        torch.onnx.export(
            network, (chips,), path, input_names=["pixels"], output_names=["embedding"],
            dynamic_axes={"pixels": {0: "n"}, "embedding": {0: "n"}}, dynamo=False,
            opset_version=_OPSET,
        )  # fmt: skip
        graph = path.read_bytes()
        expected = network(chips).numpy()
    apart = float(np.abs(OnnxEngine(graph).run(chips.numpy()) - expected).max())
    if apart > _AGREE * max(1.0, float(np.abs(expected).max())):
        raise ModelCorrupt(f"the exported graph's vectors are {apart:.2g} off torch's")
    return graph


def _write_weights(path: Path, network: nn.Module) -> None:
    import torch

    counter = "num_batches_tracked"
    state = {k: v.contiguous() for k, v in network.state_dict().items() if not k.endswith(counter)}
    with atomic_write(path, ours=True) as file:
        torch.save(state, file)


def _card(
    options: TrainEmbedderOptions, settings: dict[str, Any], history: Sequence[Epoch],
    counts: dict[str, int],
) -> str:  # fmt: skip
    """The model card."""
    best = max(history, key=lambda row: row.score)
    loop = options.loop
    taught = f"the vectors of `{options.teacher}`" if options.teacher else f"`{options.loss}`"
    rows = {
        "network": options.network, "chip": settings["chip"], "space": settings.get("space", "-"),
        "learned from": taught, "begun with": options.weights or "chance",
        "epochs": f"{len(history)} of {loop.epochs}, the best is {best.epoch}",
        "learning rate": f"{loop.rate:g}, {loop.schedule}; weight decay {loop.decay:g}",
        "precision": loop.precision, "seed": loop.seed,
        "training photos": f"{counts['photos']:,} of {counts['people']:,} people",
        "held out": f"{counts['photos_held_out']:,} of {counts['people_held_out']:,} people",
        "pairs told apart, of people held out": f"{100 * best.score:.2f}%",
    }  # fmt: skip
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"""# An embedder trained by openfaceplus

| | |
| --- | --- |
{table}

The accuracy is that of the epoch that did best on the people held out, so it is a little too high.
Measure the network on photos of people like those who will be compared: openfaceplus evaluate.

Use it: `openfaceplus verify a.jpg b.jpg --embedder THIS_FOLDER`, after
`openfaceplus cohort build PHOTOS --embedder THIS_FOLDER`, which measures its thresholds.

`weights.pt` is torch's state dict, `embedder.onnx` the graph that is used, `log.csv` has a line for
each epoch, `training.json` every setting. May you use the photos it learned from in this way?
Weights keep something of the faces that they were trained on.
"""
