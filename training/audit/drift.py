"""S5 and S8: columns filled in later, and row numbers or ids that rank the outcome."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from training.audit.cells import Floats, auc, auc_error
from training.audit.verdict import WHOLE, Severity, Verdict

NULL_GAP: Final = 0.10
NULL_P: Final = 1e-3
ID_AUC: Final = 0.60
SORTED_AUC: Final = 0.95


def backfilled(mature: pd.DataFrame, fresh: pd.DataFrame) -> Iterator[Verdict]:
    """S5: missing more often (or less) in fresh leads than in mature ones of the same age.

    Both frames hold one row per lead, all of one age, and only columns fixed at creation.
    """
    if min(len(mature), len(fresh)) < 50:
        return
    for name in mature.columns:
        a, b = float(mature[name].isna().mean()), float(fresh[name].isna().mean())
        pooled = (a * len(mature) + b * len(fresh)) / (len(mature) + len(fresh))
        spread = np.sqrt(pooled * (1 - pooled) * (1 / len(mature) + 1 / len(fresh)))
        p = 2 * norm.sf(abs(a - b) / spread) if spread else 1.0
        if abs(a - b) > NULL_GAP and p < NULL_P:
            yield Verdict(
                str(name),
                "S5",
                "quarantine",
                round(b - a, 4),
                f"is missing for {b:.0%} of fresh leads but {a:.0%} of mature leads of the same "
                "age: it is filled in later",
                "give its known_at or a history; it is not fixed at creation",
            )


def identities(
    ids: NDArray[np.object_],
    y: NDArray[np.int8],
    order: Floats | None,
    position: Floats | None = None,
) -> Iterator[Verdict]:
    """S8: the number or the prefix of the id, or the row number, ranks the outcome."""
    columns: list[tuple[str, Floats]] = []
    if position is not None:
        columns.append(("the row number", position))
    columns += list(_columns_of_id(ids))
    for what, values in columns:
        area = auc(values, y)
        area = max(area, 1 - area)
        positives = int(y.sum())
        sure = area - 2.326 * auc_error(area, positives, len(y) - positives) > 0.5
        if area <= ID_AUC or not sure:
            continue
        if order is not None and _in_order(values, order):
            yield Verdict(
                WHOLE,
                "S8",
                "note",
                round(area, 4),
                f"{what} ranks the outcome with AUC {area:.3f}, and it follows time: drift",
                "read the out-of-time figures; do not split at random",
            )
        else:
            severity: Severity = "quarantine" if area > SORTED_AUC else "review"
            yield Verdict(
                WHOLE,
                "S8",
                severity,
                round(area, 4),
                f"{what} ranks the outcome with AUC {area:.3f}: rows are sorted by it",
                "find out how rows are numbered; declare order_by where they follow time",
            )


def _columns_of_id(ids: NDArray[np.object_]) -> Iterator[tuple[str, Floats]]:
    """Yield the number at the end of the ids, and an indicator of each common prefix."""
    matches = [re.fullmatch(r"(.*?)(\d+)", str(value)) for value in ids]
    if all(match is not None for match in matches):
        numbers = [float(match[2][-15:]) for match in matches if match is not None]
        yield "the number in the id", np.array(numbers)
        prefixes = pd.Series([match[1] for match in matches if match is not None])
    else:
        prefixes = pd.Series([str(value)[:2] for value in ids])
    if 2 <= prefixes.nunique() <= 50:
        codes, _ = pd.factorize(prefixes)
        for code in range(min(int(codes.max()) + 1, 50)):
            if (codes == code).mean() >= 0.02:
                yield "a prefix of the id", (codes == code).astype(np.float64)


def _in_order(values: Floats, order: Floats) -> bool:
    if len(np.unique(order)) < 2 or len(np.unique(values)) < 2:
        return False
    return abs(float(spearmanr(values, order).statistic)) > 0.8


def hidden_clocks(X: pd.DataFrame, order: Floats) -> Iterator[Verdict]:
    """S8: a number that changes only now and then over the ordered rows stands for time."""
    ranked = np.argsort(order, kind="stable")
    if len(np.unique(order)) < 0.5 * len(order):
        return
    for name in X.columns:
        if not pd.api.types.is_numeric_dtype(X[name].dtype):
            continue
        values = X[name].to_numpy(np.float64, na_value=np.nan)[ranked]
        values = values[~np.isnan(values)]
        distinct = len(np.unique(values))
        if distinct < 5 or len(values) < 200:
            continue
        steps = int((np.diff(values) != 0).sum())
        # in random order a column with these values would change at this share of the rows
        chance = 1 - float(np.sum((np.unique(values, return_counts=True)[1] / len(values)) ** 2))
        if steps < 0.05 * chance * len(values):
            yield Verdict(
                str(name),
                "S8",
                "note",
                distinct,
                f"has {distinct} values and steps {steps} times over {len(values)} ordered rows: "
                "a hidden clock",
                "expect it to be outside its range at scoring; prefer figures out of time",
            )
