"""A linear one-vs-rest SVM for all people at once, exact and deterministic, in NumPy.

Every class minimises what liblinear's LinearSVC does (squared hinge, the bias regularised with the
weights), y_i being 1 for the class's photos and -1 for the others:

    1/2 |w|^2 + 1/2 b^2 + C * sum_i max(0, 1 - y_i (w.x_i + b))^2

On unit embeddings few photos are support vectors (about 40 a class at C = 10), so each class is
solved on a small candidate set, by Newton steps on the active photos (those within the margin) with
a line search; one product with all photos then looks for photos the candidates missed, and they are
added until none is. Classes are solved in blocks, so memory is bounded.

The same factorisations give, almost free, what each class would have answered for a photo had that
photo's person never been enrolled: the block formula of leave-one-out ridge regression on the
active set (Cawley and Talbot, 2004).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

_CLASSES = 16  # solved together: with 100 candidates each they stay in the cache
_CANDIDATES = 96  # photos of other people that a class starts from
_GUESS = 32  # of them thought active at the start
_ADDED = 48  # photos added to a class's candidates in one round
_ROUNDS, _NEWTON = 30, 60
_TOLERANCE = 1e-4  # in margins
_ENTRIES = 2**25  # of the Gram matrices of a block, 256 MB
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
    by_label = np.argsort(labels, kind="stable")
    start = np.concatenate([[0], np.cumsum(count)])
    rows = [by_label[start[k] : start[k + 1]] for k in range(people)]
    # Classes of very many photos need large Gram matrices, so fewer are solved together.
    size = int(np.clip(_ENTRIES // (count.max() + 500) ** 2, 1, _CLASSES))
    blocks = [order[first : first + size] for first in range(0, people, size)]

    def solve(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        block = _Block(xb, labels, classes, [rows[k] for k in classes], c)
        solved = block.solve()
        if not leave_out or people == 1:
            return solved, left_out, best
        margins = block.margins_left_out(solved)
        top = margins.argmax(axis=0)
        return solved, top, margins[top, np.arange(n)]

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
    """A few classes solved together on padded candidate sets (classes, candidates)."""

    def __init__(
        self,
        xb: np.ndarray,
        labels: np.ndarray,
        classes: np.ndarray,
        rows: list[np.ndarray],
        c: float,
    ) -> None:
        self.xb, self.labels, self.classes, self.rows, self.c = xb, labels, classes, rows, c
        self.index = self.valid = self.sign = self.gram = self.alpha = np.zeros(0)

    def margins(self, w: np.ndarray) -> np.ndarray:
        """Margins (classes, photos)."""
        return w @ self.xb.T

    def solve(self) -> np.ndarray:
        """Weights (classes, features + 1)."""
        # Only ranks the first candidates.
        w = np.stack([self.xb[r].mean(0) for r in self.rows]) - self.xb.mean(0)
        chosen: list[np.ndarray] = [np.zeros(0, np.intp)] * len(self.classes)
        for turn in range(_ROUNDS):
            f = self.margins(w)
            for b, r in enumerate(self.rows):
                f[b, r] = -np.inf
            changed = False
            for b in range(len(self.classes)):
                if turn == 0:
                    k = min(_CANDIDATES, f.shape[1] - len(self.rows[b]))
                    new = np.argpartition(-f[b], k - 1)[:k] if k > 0 else chosen[b]
                    new = new[np.argsort(-f[b, new], kind="stable")]
                else:
                    new = np.flatnonzero(f[b] > _TOLERANCE - 1)
                    new = new[~np.isin(new, chosen[b])]
                    # The worst violations first.
                    new = new[np.argsort(-f[b, new], kind="stable")[:_ADDED]]
                if len(new):
                    changed = True
                    chosen[b] = np.concatenate([chosen[b], new])
            if turn and not changed:
                break
            w = self._newton(chosen)
        return w

    def _newton(self, chosen: list[np.ndarray]) -> np.ndarray:
        sets = [np.concatenate([r, s]) for r, s in zip(self.rows, chosen, strict=True)]
        width = max(len(s) for s in sets)
        b = len(sets)
        index = np.zeros((b, width), np.intp)
        valid = np.zeros((b, width), bool)
        for i, s in enumerate(sets):
            index[i, : len(s)], valid[i, : len(s)] = s, True
        sign = np.where(self.labels[index] == self.classes[:, None], 1.0, -1.0)
        xs = self.xb[index] * valid[:, :, None]
        gram = (xs @ xs.transpose(0, 2, 1)).astype(np.float64)
        alpha = np.zeros((b, width))
        if self.alpha.size:  # a warm start: new candidates stand at the end of each set
            old = self.alpha.shape[1]
            alpha[:, :old] = self.alpha[:, :width]
        else:  # the solution on a guessed active set: the class's photos and its nearest others
            guess = valid & (np.cumsum(valid & (sign < 0), 1) <= _GUESS)
            alpha = _masked_solve(gram, guess, sign, 0.5 / self.c)
        f = (gram @ alpha[:, :, None])[:, :, 0]
        active = valid & (sign * f < 1)
        todo = np.arange(b)
        for _ in range(_NEWTON):
            every = len(todo) == b
            k, a, g, s, v, on = (
                q if every else q[todo] for q in (gram, alpha, f, sign, valid, active)
            )
            step = _masked_solve(k, on, s, 0.5 / self.c) - a
            move = (k @ step[:, :, None])[:, :, 0]
            cross = (a * move).sum(1) + (step * g).sum(1)
            quad = np.stack([(a * g).sum(1), cross, (step * move).sum(1)])
            best = np.zeros(len(todo))
            value = self._objective(quad, g, move, s, v, best)
            open_ = np.ones(len(todo), bool)
            for t in _STEPS:
                trial = self._objective(quad, g, move, s, v, np.full(len(todo), t))
                good = open_ & (trial < value - 1e-12)
                best[good], open_ = t, open_ & ~good
                if not open_.any():
                    break
            a, g = a + best[:, None] * step, g + best[:, None] * move
            now = v & (s * g < 1)
            done = (best == 0) | ((best == 1) & (now == on).all(1))
            alpha[todo], f[todo], active[todo] = a, g, now
            todo = todo[~done]
            if not len(todo):
                break
        self.index, self.valid, self.sign = index, valid, sign
        self.gram, self.alpha, self.active = gram, alpha, active
        return (alpha[:, None, :] @ xs)[:, 0].astype(np.float32)

    def _objective(
        self,
        quad: np.ndarray,
        f: np.ndarray,
        move: np.ndarray,
        sign: np.ndarray,
        valid: np.ndarray,
        t: np.ndarray,
    ) -> np.ndarray:
        loss = np.where(valid, np.maximum(0, 1 - sign * (f + t[:, None] * move)), 0)
        return 0.5 * (quad[0] + t * quad[1] + t * t * quad[2]) + self.c * (loss * loss).sum(1)

    def margins_left_out(self, w: np.ndarray) -> np.ndarray:
        """(classes, photos) margins without the photo's person; -inf for that person's class.

        With A the active photos, B = inverse(K_AA + I/2C) and P the photos of one person in A,
        taking P away changes the margin at j by -(K_jA B_AP) inverse(B_PP) alpha_P. Blocks of all
        people are handled by one block-diagonal solve.
        """
        margins = self.margins(w)
        for b, own in enumerate(self.rows):
            margins[b, own] = -np.inf
        # Only other people's photos are ever left out.
        if not (self.active & (self.sign < 0)).any():
            return margins
        most = int(self.active.sum(1).max())
        every = np.argsort(~self.active, axis=1, kind="stable")[:, :most]
        on = np.take_along_axis(self.active, every, 1)
        both = on[:, :, None] & on[:, None, :]
        b = np.arange(len(every))[:, None]
        k_aa = self.gram[b[:, :, None], every[:, :, None], every[:, None, :]] * both
        eye = np.eye(most)
        ridge = eye * np.where(on, 0.5 / self.c, 1.0)[:, :, None]
        inverse = np.linalg.inv(k_aa + ridge) * both
        who = np.where(self.valid, self.labels[self.index], -1)
        mine = np.take_along_axis(who, every, 1)
        same = (mine[:, :, None] == mine[:, None, :]) & both
        blocks = np.where(same, inverse, 0) + eye * (~on)[:, :, None]
        alpha = np.take_along_axis(self.alpha, every, 1) * on
        z = np.linalg.solve(blocks, alpha[:, :, None])[:, :, 0]
        reach = (self.gram[b, :, every].transpose(0, 2, 1) * on[:, None, :]) @ inverse  # K_jA B_A.
        theirs = (who[:, :, None] == mine[:, None, :]) & on[:, None, :]
        change = ((reach * theirs) @ z[:, :, None])[:, :, 0]
        rows, cols = np.nonzero(self.valid & (self.sign < 0))
        margins[rows, self.index[rows, cols]] -= change[rows, cols].astype(margins.dtype)
        return margins


def _masked_solve(
    gram: np.ndarray, active: np.ndarray, sign: np.ndarray, ridge: float
) -> np.ndarray:
    """Solve (K_AA + ridge I) a_A = y_A for every class, zero elsewhere."""
    most = int(active.sum(1).max(initial=0))
    out = np.zeros(active.shape)
    if not most:
        return out
    pick = np.argsort(~active, axis=1, kind="stable")[:, :most]
    on = np.take_along_axis(active, pick, 1)
    b = np.arange(len(gram))[:, None]
    k = gram[b[:, :, None], pick[:, :, None], pick[:, None, :]]
    k = k * (on[:, :, None] & on[:, None, :])
    k += np.eye(most) * np.where(on, ridge, 1.0)[:, :, None]
    y = np.take_along_axis(sign, pick, 1) * on
    np.put_along_axis(out, pick, np.linalg.solve(k, y[:, :, None])[:, :, 0], 1)
    return out
