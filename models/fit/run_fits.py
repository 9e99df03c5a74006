"""Tasks of indices on one matrix -> texts and margins of forest members: the seam for any engine.

What all tasks read are plain arrays, handed over once; a task is a fold and the members to grow on
it, which share its binned data. Threads do it here; inside `joblib.parallel_config("dask")` the
workers of a cluster do. Members are single-threaded and seeded, so that every engine and any number
of threads or workers give the same bytes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import joblib
import lightgbm as lgb
import numpy as np
from joblib.parallel import get_active_backend

from models.fit.design_rows import MANY_ROWS, Matrix
from models.fit.encoders import Ints, TargetCodes, encode_rows
from models.predictor import Floats

LONGEST_FIT_S: Final = 6 * 3600.0
"""Seconds that one task may take on a cluster; then the wait ends (TimeoutError)."""
ABOVE_ZERO, LOWEST = "1.0000000180025095e-35", "-1.797693134862315e308"
BELOW_ZERO, HIGHEST = "-1.0000000180025095e-35", "1.79769313486231500e308"
"""LightGBM's cuts beside 0, and a number of as many letters below, or above, all others."""
_CUTS: Final = re.compile(
    r"(?P<begin>^split_feature=(?P<columns>.*)\n^split_gain=.*\n^threshold=)(?P<cuts>.*)$",
    re.MULTILINE,
)
_BINNING = threading.Lock()
"""Of many rows, only one fold at a time is copied and binned: copies would add up by threads."""


@dataclass(frozen=True, slots=True)
class MemberSpec:
    """One member to grow: the forest it belongs to, LightGBM's parameters, rounds, patience.

    `rate_at` gives the step of each tree, the first is 1; `rounds` are at most so many steps of the
    first tree's length, `patience` trees; `starts` says whether it begins from the line's margins.
    """

    kind: str
    params: dict[str, Any]
    rate_at: Callable[[int], float]
    rounds: int
    patience: int
    starts: bool


@dataclass(frozen=True, slots=True)
class FoldTask:
    """A fold that is left out, and the members to grow without it."""

    fold: int
    members: tuple[MemberSpec, ...]


@dataclass(frozen=True, slots=True)
class FittedMember:
    """A member's text, its rounds, and its margins of the rows asked for: held out, or ahead."""

    kind: str
    text: str
    rounds: int
    margins: Floats


@dataclass(frozen=True, slots=True)
class SharedRows:
    """What every task reads.

    `matrix` (n, columns); `inner` (n,) the folds of cross-fitted target encodings, whose keys are
    `targets`; `fold` (n,) the fold of each row, -1 for rows that are not learned from; `ahead` the
    rows to predict, else each fold's own. `starts` (folds, n) are margins to boost on: row k is of
    a line that did not see fold k at all. One out-of-fold margin for all members would not do: on
    the other folds it has learned from the held-out one, its errors there lean against the
    held-out outcomes, and early stopping ends the member at its first tree. `row_weights` (n,) say
    how often each row counts, None once; a leaf's least rows are rows all the same.
    """

    matrix: Matrix
    y: Floats
    row_weights: Floats | None
    inner: Ints
    targets: TargetCodes
    categorical: tuple[int, ...]
    fold: Ints
    starts: Floats | None = None
    ahead: Ints | None = None


def run_fits(
    shared: SharedRows, tasks: Sequence[FoldTask], *, threads: int
) -> list[tuple[FittedMember, ...]]:
    """Run the tasks: the members of each, in its order."""
    s = shared
    arrays = (s.matrix, s.y, s.row_weights, s.inner, s.targets.codes, s.fold, s.starts, s.ahead)
    elsewhere = hasattr(get_active_backend()[0], "client")  # of a Dask scheduler
    done: list[tuple[FittedMember, ...]] = joblib.Parallel(
        n_jobs=max(1, threads), prefer="threads", timeout=LONGEST_FIT_S if elsewhere else None
    )(
        joblib.delayed(_grow)(*arrays, s.targets.sizes, s.targets.weight, s.categorical, task)
        for task in tasks
    )
    return done


def tasks_of(folds: Sequence[int], specs: Sequence[Any], *, threads: int) -> list[FoldTask]:
    """Make a task of each fold, or several where there are more threads than folds.

    `specs` are functions of a fold that give its members, one for each kind of forest. Members that
    begin from a line come last, so that their starts are set once.
    """
    folds, turns = list(folds), joblib.effective_n_jobs(max(1, threads))
    parts = min(len(specs), -(-turns // max(1, len(folds))))
    tasks = []
    for k in folds:
        members = sorted((spec(k) for spec in specs), key=lambda member: member.starts)
        tasks += [FoldTask(k, tuple(members[part::parts])) for part in range(parts)]
    return tasks


def _grow(
    matrix: Matrix,
    y: Floats,
    row_weights: Floats | None,
    inner: Ints,
    codes: Ints,
    fold: Ints,
    starts: Floats | None,
    ahead: Ints | None,
    sizes: tuple[int, ...],
    weight: float,
    categorical: tuple[int, ...],
    task: FoldTask,
) -> tuple[FittedMember, ...]:
    """Grow the members of one task on all folds but its own, stopping on that one."""
    k = task.fold
    rows, held = np.flatnonzero((fold >= 0) & (fold != k)), np.flatnonzero(fold == k)
    targets = TargetCodes(codes, sizes, weight)
    lock: AbstractContextManager[Any] = _BINNING if len(y) >= MANY_ROWS else nullcontext()
    with lock:
        left, right = encode_rows(matrix, y, row_weights, inner, targets, rows, held)
        params = task.members[0].params
        data = lgb.Dataset(
            left,
            y[rows],
            weight=None if row_weights is None else row_weights[rows],
            categorical_feature=list(categorical),
            params=params,
        ).construct()
        lowest, highest = np.fmin.reduce(left, axis=0), np.fmax.reduce(left, axis=0)
        del left
    watch = lgb.Dataset(
        right,
        y[held],
        weight=None if row_weights is None else row_weights[held],
        reference=data,
        categorical_feature=list(categorical),
        params=params,
    ).construct()
    shown = right
    if ahead is not None:
        shown = encode_rows(matrix, y, row_weights, inner, targets, rows, ahead, held_only=True)[1]
    grown = []
    for member in task.members:
        if member.starts and starts is not None:
            data.set_init_score(starts[k][rows])
            watch.set_init_score(starts[k][held])
        booster = boost(data, watch, member)
        margins = np.asarray(booster.predict(shown, raw_score=True, num_threads=1), np.float64)
        rounds = int(booster.best_iteration)
        text = without_cuts_at_zero(booster_text(booster), lowest, highest)
        grown.append(FittedMember(member.kind, text, rounds, margins))
    return tuple(grown)


def boost(data: lgb.Dataset, watch: lgb.Dataset, member: MemberSpec) -> lgb.Booster:
    """Add trees until so many in turn have not lowered the held-out loss.

    What `lgb.train` does with early stopping, without what it spends on every tree in Python, nor
    the copy of all trees, through their text, that it makes at the end. A booster that takes a new
    step begins its random cuts at their seed again: without a new one it would repeat them.
    """
    booster = lgb.Booster(member.params | {"num_iterations": member.rounds}, data)
    booster.add_valid(watch, "held out")
    first = rate = member.rate_at(1)
    least, best, tree, walked = np.inf, 0, 0, 0.0
    while walked < member.rounds and tree - best < member.patience:
        tree += 1
        if member.rate_at(tree) != rate:
            rate = member.rate_at(tree)
            seed = member.params["seed"] + tree
            booster.reset_parameter({"learning_rate": rate, "extra_seed": seed})
        booster.update()
        walked += rate / first
        loss = booster.eval_valid()[0][2]
        if loss < least:
            least, best = loss, tree
    booster.best_iteration = best
    return booster


def booster_text(booster: lgb.Booster) -> str:
    """Write a booster up to its best round, without the lines that change with the machine."""
    text: str = booster.model_to_string(num_iteration=booster.best_iteration)
    return text.replace("\n[num_threads: 1]\n", "\n", 1)


def without_cuts_at_zero(text: str, lowest: Sequence[float], highest: Sequence[float]) -> str:
    """Move a cut at 0 beyond all numbers where those that a column had lie on one side of it.

    LightGBM parts the missing from the others there. A number that was not seen, on the other side,
    would go with the missing; now it goes with those that are nearest. `lowest`, `highest`
    (columns,) are what each column had. Lengths stay, as the text counts the letters of its trees.
    """

    def moved(match: re.Match[str]) -> str:
        columns = map(int, match["columns"].split())
        cuts = [
            LOWEST
            if cut == ABOVE_ZERO and lowest[column] > 0
            else HIGHEST
            if cut == BELOW_ZERO and highest[column] < 0
            else cut
            for column, cut in zip(columns, match["cuts"].split(), strict=True)
        ]
        return match["begin"] + " ".join(cuts)

    above, below = np.greater(lowest, 0).any(), np.less(highest, 0).any()
    concerned = (above and ABOVE_ZERO in text) or (below and BELOW_ZERO in text)
    return _CUTS.sub(moved, text) if concerned else text
