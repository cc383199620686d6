"""Cuts a network out of dlib's that runs in half the time, and has dlib's teach it.

    python benchmarks/dlib_small.py LFW pairs.txt -o RUN
    openfaceplus evaluate pairs LFW pairs.txt --folds 9 10 -o OUT \\
        --embedder onnx:RUN/small.onnx --embedder-spec RUN/small.json

The people of two folds of the pairs are left out of everything. Of each block the channels between
its two convolutions are taken away one by one, always the one that the block misses least once its
second convolution is fitted to the rest by least squares; a block is left out, and the one before
it does its work. Then the whole is taught dlib's vectors, and its maps at four places, on chips
that are changed and laid over each other. There are no batch norms, so that nothing has to settle:
each parameter moves by a share of its own size. An hour on two cores with AMX. It goes on
where it was stopped.

Source of the choice of channels: Hassibi and Stork, Second order derivatives for network pruning
(1993), here for the squared error of a convolution, whose second derivatives do not depend on it.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openfaceplus import weights
from openfaceplus.embedding.nets import dlib_onnx
from openfaceplus.embedding.nets.dlib_plan import Block, Conv, Weights, fold
from openfaceplus.embedding.nets.dlib_resnet import DlibResnetModule
from openfaceplus.evaluate.protocols import read_pairs
from openfaceplus.files import atomic_write
from openfaceplus.recipe import recipe
from openfaceplus.stages.summary import no_progress
from openfaceplus.stages.trainable import trainable
from openfaceplus.stages.training_data import held_out_of_pairs, laid_over, load_faces
from openfaceplus.training.changes import changed
from openfaceplus.training.losses import Distillation
from openfaceplus.weights.formats import read_dlib_dat

SMALL = (16, 16, 0, 32, 16, 16, 16, 48, 48, 48, 160, 96, 16, 128)
"""Channels between the two convolutions of each of dlib's blocks; 0: the block is left out."""
CHECKPOINT, GRAPH, SPEC = "checkpoint.pt", "small.onnx", "small.json"
FOLDS = (9, 10)  # their people are left out
STEPS, BATCH, SEED = 12_000, 64, 1
RATE, WARM = 0.012, 100  # of its own size a parameter moves in a step; steps to get there
CALM = 0.6  # of the way: from there on fewer chips are changed or laid over others
AVERAGE = 0.999
SAMPLE, PART = 512, 64  # chips that the channels are chosen by, and that are looked at at once
MAPS = (1, 5, 8, 12)  # the ends of three stages and of all, counted in the small network's blocks
EACH = 500


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("lfw", type=Path)
    parse.add_argument("pairs", type=Path)
    parse.add_argument("-o", "--output", type=Path, required=True)
    args = parse.parse_args()
    faces = load_faces(args.lfw, args.output, recipe(detector="yunet"), None, no_progress)
    judges, check = held_out_of_pairs(faces, read_pairs(args.pairs, FOLDS)).alone()
    chips = faces.chips[~np.isin(faces.people, faces.people[judges])]
    path = weights.require("dlib-resnet")
    whole = fold(read_dlib_dat(path), path)
    teacher = DlibResnetModule(whole)
    sample = np.random.default_rng(0).choice(len(chips), SAMPLE, replace=False)
    cut = narrowed(whole, teacher, torch.from_numpy(chips[sample]))
    student, mean = DlibResnetModule(cut), DlibResnetModule(cut)
    looked_at = faces.chips[judges]

    def report(step: int, loss: float, seconds: float) -> None:
        one, other = (embed(mean, x) for x in (looked_at, looked_at[:, :, ::-1]))
        views = check.accuracy(one), check.accuracy(one + other)
        print(f"step {step}: loss {loss:.4f}, {100 * views[0]:.2f}% of pairs in one view, "
              f"{100 * views[1]:.2f}% in two, {seconds:.0f} s", flush=True)  # fmt: skip

    teach(student, mean, teacher, chips, args.output / CHECKPOINT, report)
    graph = dlib_onnx.build(weights_of(mean)).SerializeToString()
    spec = json.dumps(trainable("dlib-resnet").spec.to_dict())
    for name, data in ((GRAPH, graph), (SPEC, spec.encode())):
        with atomic_write(args.output / name, ours=True) as file:
            file.write(data)


# Cutting


@torch.no_grad()
def narrowed(whole: Weights, teacher: DlibResnetModule, chips: Tensor) -> Weights:
    """The network with ``SMALL`` channels inside its blocks, each of which is fitted to give what
    dlib's gives there though what it gets is not what dlib's gets."""
    wanted = got = stem(teacher, chips)
    blocks: list[Block] = []
    number = 0
    while number < len(SMALL):
        last = number
        while last + 1 < len(SMALL) and not SMALL[last + 1]:
            last += 1
        for index in range(number, last):
            wanted = in_parts(teacher.blocks[index], wanted)
        sums = [sum(teacher.blocks[last].parts(part)) for part in wanted.split(PART)]
        wanted = torch.cat(sums)
        block, layer = whole.blocks[number], teacher.blocks[number]
        inner = in_parts(lambda x, layer=layer: F.relu(layer.first(x)), got)
        passed = in_parts(lambda x, layer=layer: layer.parts(x)[1], got)
        target = (wanted - passed)[:, :, : inner.shape[2], : inner.shape[3]]
        blocks.append(narrow(block, inner, target, SMALL[number]))
        made = DlibResnetModule(replace(whole, blocks=(blocks[-1],))).blocks[0]
        got, wanted = in_parts(made, got), F.relu(wanted)
        number = last + 1
    return replace(whole, blocks=tuple(blocks))


def narrow(block: Block, inner: Tensor, target: Tensor, width: int) -> Block:
    """The block with ``width`` of the channels between its convolutions, the second one fitted so
    that the (n, channels, h, w) ``inner`` maps give the ``target``."""
    count, size = inner.shape[1], 9 * inner.shape[1] + 1
    square = torch.zeros(size, size, dtype=torch.float64)
    product = torch.zeros(size, target.shape[1], dtype=torch.float64)
    for x, y in zip(inner.split(PART), target.split(PART), strict=True):
        rows = F.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1)
        rows = F.pad(rows, (0, 1), value=1.0)
        square += (rows.T @ rows).double()
        product += (rows.T @ y.permute(0, 2, 3, 1).flatten(0, 2)).double()
    square[range(size - 1), range(size - 1)] += 1e-5 * square.diagonal()[:-1].mean()
    kept = chosen(square, product, count, width)
    taken = torch.cat([_taps(kept).flatten(), torch.tensor([size - 1])])
    fitted = torch.linalg.solve(square[taken][:, taken], product[taken]).float()
    kernel = fitted[:-1].reshape(width, 3, 3, -1).permute(3, 0, 1, 2)
    first = Conv(block.first.kernel[kept], block.first.bias[kept])
    return replace(block, first=first, second=Conv(kernel.contiguous().numpy(), fitted[-1].numpy()))


def chosen(square: Tensor, product: Tensor, count: int, width: int) -> list[int]:
    """Which of ``count`` channels stay, the least missed of the rest taken away in turn."""
    inverse = torch.linalg.inv(square)
    fitted = inverse @ product
    kept = list(range(count))
    while len(kept) > width:
        taps = _taps(kept)
        blocks, theirs = inverse[taps[:, :, None], taps[:, None]], fitted[taps]
        missed = (theirs * torch.linalg.solve(blocks, theirs)).sum((1, 2))
        place = int(missed.argmin())
        kept.pop(place)
        gone = taps[place]
        share = torch.linalg.solve(inverse[gone][:, gone], inverse[:, gone].T)
        fitted = fitted - share.T @ fitted[gone]
        inverse = inverse - inverse[:, gone] @ share
    return kept


def _taps(channels: list[int]) -> Tensor:
    """(n, 9) the places of the channels' 3x3 numbers."""
    return 9 * torch.tensor(channels)[:, None] + torch.arange(9)


# Teaching


def teach(
    student: DlibResnetModule,
    mean: DlibResnetModule,
    teacher: DlibResnetModule,
    chips: np.ndarray,
    checkpoint: Path,
    report: Callable[[int, float, float], None],
) -> None:
    """Teach the ``student``; ``mean`` becomes the mean of it over its last steps."""
    student.requires_grad_(True).stem.requires_grad_(False)  # it sees what the teacher's sees
    learning = [one for one in student.parameters() if one.requires_grad]
    sizes = [max(float(one.detach().square().mean().sqrt()), 1e-3) for one in learning]
    optimiser = torch.optim.AdamW(
        [{"params": [one]} for one in learning], betas=(0.9, 0.99), weight_decay=0
    )
    common = F.normalize(torch.from_numpy(embed(teacher, chips[:1000]))).mean(0)
    lost, begun, started, losses = Distillation(0.05), 0, time.monotonic(), []
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        begun = state["step"]
    fast = bool(torch.cpu._is_amx_tile_supported())  # at bfloat16
    with torch.no_grad():
        worth = [1 / float(x.var(0).mean()) for x in maps(teacher, stem(teacher, chips[:200]))[0]]
    for step, pixels in enumerate(batches(chips, begun), begun):
        fall = (1 + math.cos(math.pi * step / STEPS)) / 2
        rate = RATE * min(1, (step + 1) / WARM) * max(0.003, fall)
        for group, size in zip(optimiser.param_groups, sizes, strict=True):
            group["lr"] = rate * size
        with torch.no_grad():
            x = stem(teacher, pixels)
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            with torch.no_grad():
                wanted, target = maps(teacher, x)
            found, vectors = maps(student, x)
        target = F.normalize(F.normalize(target.float()) - common)
        vectors = F.normalize(vectors.float()) - common
        errors = [
            share * F.mse_loss(one, other).float()
            for share, one, other in zip(worth, found, wanted, strict=True)
        ]
        loss = lost(vectors, target) + 0.5 * max(0.1, 1 - step / STEPS) * sum(errors) / len(errors)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        far = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for one, other in zip(mean.parameters(), student.parameters(), strict=True):
                one.lerp_(other, 1 - far)
        if (step + 1) % EACH == 0:
            state = {
                "student": student.state_dict(), "mean": mean.state_dict(),
                "optimiser": optimiser.state_dict(), "step": step + 1,
            }  # fmt: skip
            with atomic_write(checkpoint, ours=True) as file:
                torch.save(state, file)
            report(step + 1, float(np.mean(losses)), time.monotonic() - started)
            losses.clear()


def batches(chips: np.ndarray, begun: int) -> Iterator[Tensor]:
    """(BATCH, 150, 150, 3) uint8 for each step left, half of them laid over others or not, a part
    of each half changed."""
    chance = np.random.default_rng([SEED, begun])
    changes = torch.Generator().manual_seed(int(chance.integers(2**62)))
    order = np.empty(0, int)
    half, third = BATCH // 2, BATCH // 6
    for step in range(begun, STEPS):
        late = step > CALM * STEPS
        if len(order) < BATCH:
            order = chance.permutation(len(chips))
        items, order = order[:BATCH], order[BATCH:]
        pixels = chips[items].astype(np.float32)
        mixed = half + np.flatnonzero(chance.random(BATCH - half) > (0.5 if late else 0.3))
        others = chance.integers(len(chips), size=len(mixed))
        shapes = chance.random((len(mixed), 3))
        pixels[mixed] = laid_over(chips, items[mixed], others, shapes)
        mirrored = chance.random(BATCH) < 0.5
        pixels[mirrored] = pixels[mirrored][:, :, ::-1]
        x = torch.from_numpy(pixels)
        for part in (slice(half // 2 if late else half), slice(half + third, half + 2 * third)):
            x[part] = changed(x[part], changes)
        yield x.round().clamp(0, 255).to(torch.uint8)


# Running


def stem(network: DlibResnetModule, pixels: Tensor | np.ndarray) -> Tensor:
    """What the blocks get of (n, 150, 150, 3) chips."""
    x = torch.as_tensor(pixels).permute(0, 3, 1, 2).float()
    return in_parts(lambda part: F.max_pool2d(F.relu_(network.stem(part)), 3, 2), x)


def maps(network: DlibResnetModule, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """The maps that are compared, where they lie in the one network or the other, and the
    vectors."""
    small = [number for number, width in enumerate(SMALL) if width]
    whole = len(network.blocks) == len(SMALL)
    ends = [*(number - 1 for number in small[1:]), len(SMALL) - 1]
    wanted = {ends[place] if whole else place for place in MAPS}
    kept = []
    for number, block in enumerate(network.blocks):
        x = block(x)
        if number in wanted:
            kept.append(x)
    return kept, x.float().mean((2, 3)) @ network.last


def in_parts(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([layer(part) for part in x.split(PART)])


def weights_of(network: DlibResnetModule) -> Weights:
    """The numbers of a network, for any engine to run."""

    def conv(layer: nn.Conv2d) -> Conv:
        return Conv(*(one.detach().contiguous().numpy() for one in (layer.weight, layer.bias)))

    blocks = (
        replace(one.block, first=conv(one.first), second=conv(one.second)) for one in network.blocks
    )
    return Weights(conv(network.stem), tuple(blocks), network.last.detach().numpy())


@torch.inference_mode()
def embed(network: nn.Module, chips: np.ndarray) -> np.ndarray:
    """(n, 150, 150, 3) chips to (n, 128)."""
    made: np.ndarray = in_parts(network, torch.tensor(np.ascontiguousarray(chips))).numpy()
    return made


if __name__ == "__main__":
    main()
