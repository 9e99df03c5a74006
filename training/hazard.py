"""Immature rows, used window by window: when a lead converts, and a second opinion on whether.

The horizon is cut at 7, 30, 90 days. Window k asks: of the leads still unconverted at its start,
which convert inside it? A row joins every window that has passed for it, so a lead of last week
already teaches the first one (discrete-time hazards, Cox 1972; Allison 1982). The probability of
conversion within window k is 1 - (1 - h_1) … (1 - h_k): it never falls with k. It stands beside
the score and never under its points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, Micros
from data.errors import InputError
from data.tables import Outcomes, Snapshots
from models.learner import LeadClassifier

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
DAYS: Final = (7, 30, 90)
LEAST: Final = 6
"""Conversions that a window needs; poorer ones are joined with the window after them."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows at risk in one window: positions, labels, and when the window closed for each."""

    start: int
    stop: int
    rows: Rows
    y: NDArray[np.int8]
    closes_at: Micros


@dataclass(frozen=True, slots=True)
class Chain:
    """One fitted model per window; `edges` are its ends in microseconds after as_of."""

    edges: tuple[int, ...]
    models: tuple[LeadClassifier, ...]

    def predict(self, X: pd.DataFrame) -> Floats:
        """Give P(conversion by the end of each window): (n, n_windows), rising to the right."""
        alive = np.ones(len(X))
        columns = []
        for model in self.models:
            alive = alive * (1.0 - model.predict_proba(X)[:, 1])
            columns.append(1.0 - alive)
        return np.column_stack(columns)


def edges_of(horizon: int, days: tuple[int, ...] = DAYS) -> tuple[int, ...]:
    """Cut a horizon (microseconds) at these days; its end is always the last edge.

    >>> [edge // DAY for edge in edges_of(60 * DAY)]
    [7, 30, 60]
    """
    return (*(day * DAY for day in days if day * DAY < horizon), horizon)


def windows_of(
    snapshots: Snapshots, outcomes: Outcomes, edges: tuple[int, ...], until: int
) -> tuple[Window, ...]:
    """List the rows at risk in each window, as known at `until` microseconds.

    A row is at risk while it has not converted before the window; it is left out where the window
    had not closed at `until`, even if it has converted already. A disqualified lead stays at risk
    and does not convert, as in the label. Windows with fewer than LEAST conversions are joined
    with the next.
    """
    converted = outcomes.converted_at[snapshots.lead]
    found: list[Window] = []
    start = 0
    for place, stop in enumerate(edges):
        closes = snapshots.as_of + stop
        rows = np.flatnonzero((closes <= until) & (converted >= snapshots.as_of + start))
        y = (converted[rows] < closes[rows]).astype(np.int8)
        if y.sum() < LEAST and place + 1 < len(edges):
            continue
        found.append(Window(start, stop, rows, y, closes[rows]))
        start = stop
    return tuple(found)


def fit_chain(
    X: pd.DataFrame,
    snapshots: Snapshots,
    outcomes: Outcomes,
    *,
    horizon: int,
    until: int,
    groups: Rows,
    make: Callable[[], LeadClassifier],
    days: tuple[int, ...] = DAYS,
) -> Chain:
    """Fit one model per window on the rows of X, immature ones included.

    X (n, k), `snapshots` and `groups` (n,) go row by row; nothing after `until` is used. Raises
    InputError where a window holds one class only.
    """
    windows = windows_of(snapshots, outcomes, edges_of(horizon, days), until)
    models = []
    for window in windows:
        if not LEAST <= int(window.y.sum()) <= len(window.y) - LEAST:
            raise InputError(
                f"only {int(window.y.sum())} of {len(window.y)} leads convert between "
                f"{window.start // DAY} and {window.stop // DAY} days",
                cure="wait for more history, or fit matured rows alone",
            )
        models.append(
            make().fit(
                X.iloc[window.rows],
                window.y,
                times=snapshots.as_of[window.rows],
                closes=window.closes_at,
                groups=groups[window.rows],
            )
        )
    return Chain(tuple(window.stop for window in windows), tuple(models))


def compare(
    X: pd.DataFrame,
    snapshots: Snapshots,
    outcomes: Outcomes,
    test: Rows,
    y_test: NDArray[np.int8],
    *,
    horizon: int,
    groups: Rows,
    make: Callable[[], LeadClassifier],
) -> dict[str, Any]:
    """Compare matured rows alone with the chain, both fitted on what was known as the test began.

    `test` are positions of mature rows; rows of their leads are kept out of both. Log losses, the
    paired difference per row with its standard error over leads (negative: the chain is better).
    """
    until = int(snapshots.as_of[test].min())
    known = np.flatnonzero(
        (snapshots.as_of < until) & ~np.isin(snapshots.lead, snapshots.lead[test])
    )
    before, history = X.iloc[known], snapshots.take(known)
    chain = fit_chain(
        before, history, outcomes, horizon=horizon, until=until, groups=groups[known], make=make
    )
    (mature,) = windows_of(history, outcomes, (horizon,), until)
    alone = make().fit(
        before.iloc[mature.rows], mature.y, times=history.as_of[mature.rows],
        closes=mature.closes_at, groups=groups[known][mature.rows],
    )  # fmt: skip
    p = {
        "matured": alone.predict_proba(X.iloc[test])[:, 1],
        "chain": chain.predict(X.iloc[test])[:, -1],
    }
    losses = {name: _losses(y_test, values) for name, values in p.items()}
    gain = pd.Series(losses["chain"] - losses["matured"]).groupby(snapshots.lead[test])
    sums = gain.sum().to_numpy()
    error = float(np.std(sums) * np.sqrt(len(sums)) / len(test))
    return {
        "matured": float(losses["matured"].mean()),
        "chain": float(losses["chain"].mean()),
        "difference": float((losses["chain"] - losses["matured"]).mean()),
        "error": error,
        "rows_matured": len(mature.rows),
        "rows_first_window": len(windows_of(history, outcomes, chain.edges, until)[0].rows),
        "promised": float(p["chain"].mean()),
        "promised_matured": float(p["matured"].mean()),
        "observed": float(y_test.mean()),
    }


def _losses(y: NDArray[np.int8], p: Floats) -> Floats:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.asarray(-np.where(y == 1, np.log(p), np.log(1 - p)))
