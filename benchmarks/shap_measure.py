"""A claim and how it is measured: rows per CPU second, milliseconds of one row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

Claim = tuple[str, float, str, float]


@dataclass
class Bar:
    """One claim: met where figure and bar stand as `sign` says."""

    name: str
    figure: float
    sign: str
    bar: float

    @property
    def met(self) -> bool:
        return self.figure >= self.bar if self.sign == ">=" else self.figure <= self.bar

    def __str__(self) -> str:
        word = "met   " if self.met else "missed"
        return f"{word}  {self.name}  {self.figure:.4g}  {self.sign} {self.bar:g}"


def rate(run: Callable[[], object], rows: int, times: int = 2) -> float:
    """Rows per CPU second, the best of `times` runs."""
    best = np.inf
    for _ in range(times):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return rows / best


def one_row_ms(run: Callable[[Any], object], rows: Iterable[Any]) -> float:
    """Median wall milliseconds of one row."""
    spent = []
    for row in rows:
        start = time.perf_counter()
        run(row)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1e3


def single_rows(X: np.ndarray, n: int) -> list[np.ndarray]:
    """Cut the first n rows apart."""
    return [np.ascontiguousarray(X[r : r + 1]) for r in range(n)]
