"""S1, S2, S3, S9: does one column alone give the outcome away?

As a whole (S1), in one of its cells (S2, S3), or by being filled in or left empty (S9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Tables
from training.audit.cells import (
    Cells,
    Floats,
    Ints,
    auc_error,
    cells_of,
    deal_folds,
    lower_rate,
    one_feature_auc,
)
from training.audit.verdict import Verdict

AUC_POINT: Final = 0.88
AUC_LOW: Final = 0.85
Z99: Final = 2.326
MIN_ROWS: Final = 30
MIN_OUTCOMES: Final = 15  # of either kind; with fewer an AUC says nothing
MIN_SHARE: Final = 0.05  # of positives that a pure cell must cover
TIMES_BASE: Final = 5.0  # a cell must convert at this multiple of the base rate, capped at 95 %
MIN_LEVEL: Final = 0.05  # of rows that an empty level must cover
MIN_EXPECTED: Final = 20.0
ODDS: Final = 25.0  # filled (or empty) so many times as often, in odds, for those who convert
SHARE: Final = 0.2  # of the base rate under which the side of a column hardly ever converts
MAX_ROWS: Final = 60_000
CURE: Final = "exclude it, date it (known_at, history), or sign a waiver"


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """The verdicts and the cross-fitted AUC of every column."""

    verdicts: tuple[Verdict, ...]
    areas: dict[str, float]


def screen(
    X: pd.DataFrame,
    y: NDArray[np.int8],
    *,
    seed: int,
    ever: NDArray[np.int8] | None = None,
    dated: frozenset[str] = frozenset(),
) -> ScreenResult:
    """Screen every column of X (n rows, independent units) against y: S1, S2, S3, S9.

    `ever` is conversion at any time, also after the horizon. A column filled in after conversion
    follows `ever` more closely than y, so S2 and S9 look at both.
    Of `dated` columns, whose blanks say that nothing was known before as_of, S9 asks nothing.
    """
    rng = np.random.default_rng([seed, 43])
    if not 0 < int(y.sum()) < len(y):
        return ScreenResult((), {})
    if len(y) > MAX_ROWS:
        rows = np.sort(rng.permutation(len(y))[:MAX_ROWS])
        X, y, ever = X.iloc[rows], y[rows], None if ever is None else ever[rows]
    fold = deal_folds(y, rng)
    areas: dict[str, float] = {}
    verdicts: list[Verdict] = []
    for name in X.columns:
        cells = cells_of(X[name])
        areas[str(name)] = area = one_feature_auc(cells, y, fold)
        late = y if ever is None else ever
        found = list(_judge(str(name), cells, area, y, late))
        # what is held by its values already needs no second waiver for its blanks
        if not found and name not in dated:
            found = [*_blank(str(name), cells, y), *_blank(str(name), cells, late)]
        verdicts += found
    return ScreenResult(tuple(verdicts), areas)


def _judge(
    name: str, cells: Cells, area: float, y: NDArray[np.int8], ever: NDArray[np.int8]
) -> Iterator[Verdict]:
    """Yield at most one verdict per detector."""
    positives = int(y.sum())
    low = area - Z99 * auc_error(area, positives, len(y) - positives)
    enough = min(positives, len(y) - positives) >= MIN_OUTCOMES
    if enough and area >= AUC_POINT and low > AUC_LOW:
        yield Verdict(
            name,
            "S1",
            "quarantine",
            round(area, 4),
            f"alone it ranks the outcome with AUC {area:.3f} (99 % lower bound {low:.3f})",
            CURE,
        )
    yield from _pure(name, cells, y)
    yield from _pure(name, cells, ever)
    empty = empty_level(cells, y)
    if empty is not None:
        cell, rows = empty
        yield Verdict(
            name,
            "S3",
            "quarantine",
            round(rows * float(y.mean()), 1),
            f"none of {rows} rows with {cell} converted where {rows * y.mean():.0f} were expected",
            CURE,
        )


def _pure(name: str, cells: Cells, y: NDArray[np.int8]) -> Iterator[Verdict]:
    pure = pure_cell(cells, y)
    if pure is None:
        return
    cell, won, rows, bound = pure
    yield Verdict(
        name,
        "S2",
        "quarantine",
        round(bound, 4),
        f"{won} of {rows} rows with {cell} converted (99 % lower bound {bound:.0%}, base "
        f"{y.mean():.1%})",
        CURE,
    )


def _blank(name: str, cells: Cells, y: NDArray[np.int8]) -> Iterator[Verdict]:
    """S9: whether the column is filled in follows the outcome, whatever stands in it.

    Honest blanks differ too: who asks for a demo fills in more. The bars lie beyond what a demo
    request does (15 times the odds), and hold with 99 % certainty.
    """
    total, base = int(y.sum()), float(y.mean())
    high = ODDS * base / (1 - base + ODDS * base) if 0 < base < 1 else 1.0
    for side, inside in (("left empty", cells.missing), ("filled in", ~cells.missing)):
        rows, won = int(inside.sum()), int(y[inside].sum())
        if not MIN_ROWS <= rows < len(y):
            continue
        always = won >= MIN_SHARE * total and lower_rate(won, rows) > high
        never = (
            rows >= MIN_LEVEL * len(y)
            and rows * base >= MIN_EXPECTED
            and 1 - lower_rate(rows - won, rows) < SHARE * base
        )
        if always or never:
            yield Verdict(
                name,
                "S9",
                "quarantine",
                round(won / rows / base, 3),
                f"{won} of {rows} rows where it is {side} converted ({won / rows:.1%}, base "
                f"{base:.1%}): it is filled in after the outcome",
                CURE,
            )


def fixed_attributes(tables: Tables, ever: NDArray[np.int8]) -> Iterator[Verdict]:
    """S2 over all leads, young ones too: does a column declared fixed give away who converted?

    `ever` is (n_leads,). A rare value filled in after conversion may be in too few training rows.
    """
    if not 0 < int(ever.sum()) < len(ever):
        return
    for attribute in tables.attributes:
        if attribute.known_at is None and attribute.changes is None:
            values = pd.Series(attribute.values)
            if attribute.kind == "category":
                values = values.astype(object).where(values.notna(), None)
            yield from _pure(attribute.name, cells_of(values), ever)


def pure_cell(cells: Cells, y: NDArray[np.int8]) -> tuple[str, int, int, float] | None:
    """Find the purest value, bin, side or word: (name, positives, rows, lower bound) or None."""
    bar = max(0.80, min(0.95, TIMES_BASE * float(y.mean())))
    total = int(y.sum())
    best: tuple[str, int, int, float] | None = None
    for name, rows, won in _candidates(cells, y):
        if rows < MIN_ROWS or won < MIN_SHARE * total or won <= bar * rows:
            continue
        bound = lower_rate(won, rows)
        if bound > bar and (best is None or bound > best[3]):
            best = (name, int(won), int(rows), bound)
    return best


def _candidates(cells: Cells, y: NDArray[np.int8]) -> Iterator[tuple[str, float, float]]:
    """Yield (name, rows, positives) of cells, of non-missing rows, of each sign, of words."""
    k = len(cells.names)
    rows = np.bincount(cells.codes, minlength=k).astype(np.float64)
    won = np.bincount(cells.codes, weights=y, minlength=k)
    for code in np.flatnonzero((rows >= MIN_ROWS) & (won > 0.5 * rows)):
        yield f"value {cells.names[code]:.60}", rows[code], won[code]
    if 0 < rows[-1] < len(y):
        yield "a value", rows[:-1].sum(), won[:-1].sum()
    if cells.numeric is not None:
        for side, mask in (("above 0", cells.numeric > 0), ("below 0", cells.numeric < 0)):
            yield side, float(mask.sum()), float(y[mask].sum())
    elif k > 60:
        yield from _word_cells(cells, y)


def _word_cells(cells: Cells, y: NDArray[np.int8]) -> Iterator[tuple[str, float, float]]:
    """Yield the words of a text column that occur often enough."""
    rows = np.bincount(cells.codes, minlength=len(cells.names)).astype(np.float64)
    won = np.bincount(cells.codes, weights=y, minlength=len(cells.names))
    of_word: dict[str, list[int]] = {}
    for code, text in enumerate(cells.names[:-1]):
        for word in set(text.lower().split()[:40]):
            of_word.setdefault(word.strip(".,;:!?\"'()"), []).append(code)
    for word, codes in of_word.items():
        if len(codes) > 1 and word:
            yield f"the word {word:.40}", float(rows[codes].sum()), float(won[codes].sum())


def empty_level(cells: Cells, y: NDArray[np.int8]) -> tuple[str, int] | None:
    """Find the largest level without a positive where at least 20 were expected.

    Only levels of categories and missing values: the low end of a strong number that does not leak
    has no positives either.
    """
    k = len(cells.names)
    rows: Floats = np.bincount(cells.codes, minlength=k).astype(np.float64)
    won = np.bincount(cells.codes, weights=y, minlength=k)
    enough: Ints = np.flatnonzero(
        (won == 0) & (rows >= MIN_LEVEL * len(y)) & (rows * y.mean() >= MIN_EXPECTED)
    )
    if cells.numeric is not None:
        enough = enough[enough == k - 1]
    if not len(enough):
        return None
    code = int(enough[np.argmax(rows[enough])])
    return f"value {cells.names[code]:.60}", int(rows[code])
