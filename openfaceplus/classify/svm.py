"""A linear one-vs-rest SVM for all people at once, exact and deterministic, in NumPy.

Every class minimises what liblinear's LinearSVC does (squared hinge, the bias regularised with the
weights), y_i being 1 for the class's photos and -1 for the others:

    1/2 |w|^2 + 1/2 b^2 + C * sum_i max(0, 1 - y_i (w.x_i + b))^2

On unit embeddings few photos are support vectors (about 40 a class at C = 10), so each class is
solved on a small candidate set, by Newton steps on the photos within the margin with a line search
(Keerthi and DeCoste, 2005); one product with all photos then looks for photos the candidates
missed, and they are added until none is. Classes are solved in blocks, so memory is bounded.

The last Hessian also tells what each class would have answered for a photo had that photo's person
never been enrolled: taking the person's photos P out of the margin's set changes their answers f by
2C M (I - 2C M)^-1 (f - y), M = X_P H^-1 X_P' (the block form of leave-one-out ridge regression).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

_CLASSES = 16  # solved together
_CANDIDATES = 96  # photos of other people that a class starts from
_ROUNDS, _NEWTON = 50, 60
_TOLERANCE = 1e-4  # in margins
_STEPS = 0.5 ** np.arange(12)  # the line search's steps: 1, 1/2, 1/4, ...


@dataclass(frozen=True)
class LinearOvR:
    """The fitted machine: ``coef`` (people, features) and ``intercept`` (people,), both float32."""

    coef: np.ndarray
    intercept: np.ndarray

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Margins (photos, people) of vectors ``x`` (photos, features)."""
        return np.asarray(x, np.float32) @ self.coef.T + self.intercept

    def names(self, x: np.ndarray, block: int = 4096) -> np.ndarray:
        """(photos,) numbers of the people with the largest margins."""
        x = np.atleast_2d(x)
        parts = [
            self.decision_function(x[i : i + block]).argmax(1) for i in range(0, len(x), block)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.intp)


def fit_ovr(
    x: np.ndarray, labels: np.ndarray, *, c: float = 10.0, leave_out: bool = False
) -> tuple[LinearOvR, np.ndarray | None]:
    """Train one linear machine a person.

    ``x`` are (photos, features) unit embeddings, ``labels`` (photos,) numbers 0..people-1, every
    one present; ``c`` is the cost of margin errors. ``leave_out`` also names every training photo
    as if its person were not enrolled.

    Returns the machine and, with ``leave_out``, the people so named (photos,), -1 where nobody is
    left; else None. Raises ValueError if shapes or labels do not fit.
    """
    x = np.ascontiguousarray(x, np.float32)
    labels = np.asarray(labels, np.intp)
    if x.ndim != 2 or labels.shape != (len(x),) or not len(x):
        raise ValueError(f"need embeddings (n, d) and n labels, not {x.shape} and {labels.shape}")
    count = np.bincount(np.maximum(labels, 0))
    if labels.min() < 0 or (count == 0).any():
        raise ValueError("labels must be 0..people-1, each with at least one photo")
    n, people = len(x), len(count)
    xb = np.concatenate([x, np.ones((n, 1), np.float32)], axis=1)
    weights = np.zeros((people, xb.shape[1]), np.float32)
    best = np.full(n, -np.inf, np.float32)
    left_out = np.full(n, -1, np.intp)
    # Classes of like size share a block, so padding stays small.
    order = np.argsort(count, kind="stable")
    blocks = [order[start : start + _CLASSES] for start in range(0, people, _CLASSES)]

    def solve(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        block = _Block(xb, labels, classes, c)
        solved = block.solve()
        if not leave_out or people == 1:
            return solved, left_out, best
        margins = block.margins_left_out()
        top = margins.argmax(axis=1)
        return solved, top, margins[np.arange(n), top]

    # Many small products: threads of ours are worth more than those of the linear algebra library.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        for classes, (solved, top, value) in zip(blocks, threads.map(solve, blocks), strict=True):
            weights[classes] = solved
            if not leave_out or people == 1:
                continue
            # Ties go to the lower class number, whatever the order of the blocks.
            better = (value > best) | ((value == best) & (classes[top] < left_out))
            best[better], left_out[better] = value[better], classes[top[better]]
    machine = LinearOvR(weights[:, :-1].copy(), weights[:, -1].copy())
    return machine, (left_out if leave_out else None)


class _Block:
    """A few classes solved together, each on its own candidate set padded to the longest."""

    def __init__(self, xb: np.ndarray, labels: np.ndarray, classes: np.ndarray, c: float) -> None:
        self.xb, self.labels, self.classes, self.c = xb, labels, classes, c
        self.own = labels[:, None] == classes  # (photos, classes)
        # Only ranks the first candidates.
        totals = self.own.T.astype(np.float32) @ xb
        self.w = (totals / self.own.sum(axis=0)[:, None] - xb.mean(axis=0)).astype(np.float64)
        self.active = np.zeros(0)

    def margins(self) -> np.ndarray:
        """(photos, classes) of all photos."""
        return self.xb @ self.w.T.astype(np.float32)

    def solve(self) -> np.ndarray:
        """Weights (classes, features + 1)."""
        self.sets = [np.flatnonzero(mine) for mine in self.own.T]
        for turn in range(_ROUNDS):
            # Of its own photos a class has all.
            others = np.where(self.own, -np.inf, self.margins())
            grown = False
            for k, chosen in enumerate(self.sets):
                if turn == 0:
                    size = min(_CANDIDATES, len(others) - len(chosen))
                    new = np.argpartition(-others[:, k], max(size - 1, 0))[:size]
                else:
                    new = np.flatnonzero(others[:, k] > _TOLERANCE - 1)
                    new = new[~np.isin(new, chosen)]
                if len(new):
                    grown = True
                    self.sets[k] = np.concatenate([chosen, np.sort(new)])
            if turn and not grown:
                break
            if turn == 0:
                self.w[:] = 0
            self._newton()
        return self.w.astype(np.float32)

    def _newton(self) -> None:
        """Minimise every class on its candidates."""
        size = len(self.sets)
        width = max(map(len, self.sets))
        valid = np.arange(width) < np.array([len(chosen) for chosen in self.sets])[:, None]
        index = np.zeros((size, width), np.intp)
        index[valid] = np.concatenate(self.sets)
        x = self.xb[index].astype(np.float64) * valid[:, :, None]
        sign = np.where(self.own[index, np.arange(size)[:, None]], 1.0, -1.0)
        self.active = np.zeros((size, width), bool)
        f = (x @ self.w[:, :, None])[:, :, 0]
        todo = np.arange(size)
        self.active[:] = valid & (sign * f < 1)
        for _ in range(_NEWTON):
            part, y, on = x[todo], sign[todo], self.active[todo]
            w = self.w[todo]
            step = self._ridge(part, y, on) - w
            move = (part @ step[:, :, None])[:, :, 0]
            length = self._search(w, step, f[todo], move, y, valid[todo])
            self.w[todo] = w + length[:, None] * step
            f[todo] += length[:, None] * move
            now = valid[todo] & (y * f[todo] < 1)
            done = (length == 0) | ((length == 1) & (now == on).all(axis=1))
            # These are the photos that the solution was made from.
            self.active[todo] = np.where(done[:, None], on, now)
            todo = todo[~done]
            if not len(todo):
                break

    def _ridge(self, x: np.ndarray, y: np.ndarray, on: np.ndarray) -> np.ndarray:
        """(classes, features + 1) least squares with ridge on the photos that are ``on``.

        Solved in whichever of photos and features there are fewer.
        """
        most, features = int(on.sum(axis=1).max()), x.shape[2]
        pick = np.argsort(~on, axis=1, kind="stable")[:, :most]
        on, y = np.take_along_axis(on, pick, 1), np.take_along_axis(y, pick, 1)
        inside = np.take_along_axis(x, pick[:, :, None], 1) * on[:, :, None]
        across = inside.transpose(0, 2, 1)
        ridge, pull = 0.5 / self.c, (y * on)[:, :, None]
        if most < features:
            dual = np.linalg.solve(inside @ across + ridge * np.eye(most), pull)
            return (across @ dual)[:, :, 0]
        return np.linalg.solve(across @ inside + ridge * np.eye(features), across @ pull)[:, :, 0]

    def _search(
        self,
        w: np.ndarray,
        step: np.ndarray,
        f: np.ndarray,
        move: np.ndarray,
        sign: np.ndarray,
        valid: np.ndarray,
    ) -> np.ndarray:
        """How far each class goes: the first of the steps before its objective grows again."""
        quadratic = (w * w).sum(1), (w * step).sum(1), (step * step).sum(1)

        def objective(length: float) -> np.ndarray:
            loss = np.where(valid, np.maximum(0, 1 - sign * (f + length * move)), 0)
            norm = quadratic[0] + 2 * length * quadratic[1] + length**2 * quadratic[2]
            return 0.5 * norm + self.c * (loss * loss).sum(axis=1)

        start, best = objective(0.0), np.zeros(len(w))
        for length in _STEPS:
            good = (best == 0) & (objective(float(length)) < start - 1e-12)
            best[good] = length
            if best.all():
                break
        return best

    def margins_left_out(self) -> np.ndarray:
        """(photos, classes) without the photo's person; -inf for the class of that person."""
        margins = np.where(self.own, -np.inf, self.margins())
        for k, chosen in enumerate(self.sets):
            on = self.active[k, : len(chosen)] & ~self.own[chosen, k]
            if not on.any():
                continue
            # People who have a photo within the margin; their other photos' answers change too.
            inside = chosen[on]
            concerned = chosen[np.isin(self.labels[chosen], self.labels[inside])]
            concerned = concerned[~self.own[concerned, k]]
            active = self.xb[chosen[self.active[k, : len(chosen)]]].astype(np.float64)
            hessian = 2 * self.c * (active.T @ active) + np.eye(active.shape[1])
            solved = np.linalg.solve(hessian, self.xb[inside].T.astype(np.float64))
            reach = 2 * self.c * (self.xb[concerned] @ solved)
            theirs = self.labels[concerned][:, None] == self.labels[inside]
            position = np.searchsorted(np.sort(concerned), inside)
            rows = np.argsort(concerned)[position]
            block = np.eye(len(inside)) - np.where(theirs[rows], reach[rows], 0)
            error = self.xb[inside] @ self.w[k] + 1
            change = np.where(theirs, reach, 0) @ np.linalg.solve(block, error)
            margins[concerned, k] += change.astype(margins.dtype)
        return margins
