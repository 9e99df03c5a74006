"""A design matrix and vectors -> products of both, in bounded memory where the rows are many.

Few rows are a float64 matrix, and every product is numpy's own. Many rows are a float32 matrix,
half as large, of which a block at a time is multiplied in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.predictor import Floats

Matrix = NDArray[np.floating[Any]]
"""(n, columns): float64, or float32 where the rows are many."""
MANY_ROWS: Final = 50_000
"""From here on matrices are float32: rounding to 7 digits is far below what rows can tell."""
BLOCK: Final = 8192


def times(design: Matrix, weight: Floats) -> Floats:
    """Multiply rows by a weight of each column: (n,)."""
    if design.dtype == np.float64:
        whole: Floats = design @ weight
        return whole
    out = np.empty(len(design))
    for place, block in _blocks(design):
        out[place] = block @ weight
    return out


def gathered(design: Matrix, of_rows: Floats) -> Floats:
    """Add rows up, each times its number: (columns,)."""
    if design.dtype == np.float64:
        whole: Floats = design.T @ of_rows
        return whole
    total = np.zeros(design.shape[1])
    for place, block in _blocks(design):
        total += block.T @ of_rows[place]
    return total


def gram(design: Matrix, of_rows: Floats) -> Floats:
    """Add up the outer products of rows, each times its number from 0 on: (columns, columns)."""
    if design.dtype == np.float64:
        root = design * np.sqrt(of_rows)[:, None]
        whole: Floats = root.T @ root
        return whole
    total = np.zeros((design.shape[1], design.shape[1]))
    for place, block in _blocks(design):
        block *= np.sqrt(of_rows[place])[:, None]
        total += block.T @ block
    return total


def _blocks(design: Matrix) -> Iterator[tuple[slice, Floats]]:
    """Yield copies of a few thousand rows in float64, and where they stand."""
    for first in range(0, len(design), BLOCK):
        place = slice(first, first + BLOCK)
        yield place, design[place].astype(np.float64)
