"""Turns a reason table into an Arrow column of sentences: a million leads, each sentence made once.

A sentence depends on the feature and the value as it is shown, so each distinct pair is rendered
once and looked up for all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from features.templates import TEMPLATES
from models.explain.observed_rates import Groups, NumberGroups
from models.explain.points import ScoreReason
from models.explain.reason_rules import reason_params
from models.explain.reasons import ReasonTable

REASON_TYPE = pa.struct(
    [
        ("factor", pa.string()),
        ("family", pa.string()),
        ("points", pa.int32()),
        ("text", pa.string()),
        ("fact", pa.string()),
    ]
)


def reason_rows(
    table: ReasonTable,
    frame: pd.DataFrame,
    *,
    say: Callable[[ScoreReason], str],
    say_fact: Callable[[ScoreReason], str | None],
) -> pa.ListArray:
    """Make one list of reasons per lead, strengths first: (n,) list<struct> of REASON_TYPE.

    A fact that speaks against its reason is left out.
    `say` and `say_fact` are `sentences.render` and `render_fact` in the reader's language.
    """
    points = table.points
    factor, feature, whole = points.line_factor, points.line_feature, points.line_points
    named = factor >= 0
    offsets = np.concatenate([[0], np.cumsum(named.sum(axis=1))]).astype(np.int32)
    row = np.repeat(np.arange(len(table)), named.sum(axis=1))
    texts, known = _sentences(table, frame, feature[named], whole[named] > 0, row, say, say_fact)
    names, families = pa.array(table.factors), pa.array(table.families_of)
    chosen = pa.array(factor[named])
    parts = [names.take(chosen), families.take(chosen), pa.array(whole[named]), texts, known]
    struct = pa.StructArray.from_arrays(parts, fields=list(REASON_TYPE))
    return pa.ListArray.from_arrays(pa.array(offsets), struct)


def _sentences(
    table: ReasonTable,
    frame: pd.DataFrame,
    feature: NDArray[Any],
    strength: NDArray[np.bool_],
    row: NDArray[Any],
    say: Callable[[ScoreReason], str],
    say_fact: Callable[[ScoreReason], str | None],
) -> tuple[pa.Array, pa.Array]:
    """Render each distinct (feature, value, group of the fact, sign) once: (texts, facts)."""
    facts, place = table.facts, np.zeros(len(feature), np.int64)
    texts: list[str] = []
    known: list[str | None] = []
    for f in np.unique(feature).tolist():
        described, chosen = table.features[f], np.flatnonzero(feature == f)
        values = frame[described.name].iloc[row[chosen]]
        template = TEMPLATES.get(described.template)
        is_duration = template is not None and template.is_duration
        group = facts.table.get(described.name)
        first, inverse = _distinct(values, strength[chosen], group, is_duration=is_duration)
        place[chosen] = len(texts) + inverse
        for at in first.tolist():
            value = values.iloc[at]
            value = None if pd.isna(value) else value if isinstance(value, str) else float(value)
            fact, sign = facts.find(described.name, value), 1 if strength[chosen[at]] else -1
            reason = ScoreReason(
                described.factor,
                described.family,
                sign,
                float(sign),
                described.template,
                reason_params(described, value, facts),
                fact=fact if fact and fact.backs(sign) else None,
            )
            texts.append(say(reason))
            known.append(say_fact(reason))
    indices = pa.array(place)
    return pa.array(texts, pa.string()).take(indices), pa.array(known, pa.string()).take(indices)


def _distinct(
    values: pd.Series[Any], strength: NDArray[np.bool_], group: Groups | None, *, is_duration: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group values that read the same and share a fact: (first position of each, group of each)."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        key = values.cat.codes.to_numpy().astype(np.float64)
    elif pd.api.types.is_numeric_dtype(values.dtype):
        x = values.to_numpy(np.float64, na_value=np.nan)
        key = np.where(np.abs(x) >= 10, np.round(x), np.round(x, 1))
        if is_duration:
            key = _length_key(x)
        if isinstance(group, NumberGroups):
            key = _join(key, group.places(x))
    else:
        key = pd.factorize(values)[0].astype(np.float64)
    _, first, inverse = np.unique(_join(key, strength), return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def _length_key(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Number lengths of time by how `sentences` says them: in days, hours or minutes."""
    short = np.where(days * 24 >= 0.999, -np.round(days * 24), -100 - np.round(days * 1440))
    key: NDArray[np.float64] = np.where(days >= 0.999, np.round(days), short)
    return key


def _join(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Number the distinct pairs of two keys."""
    first = np.unique(one, return_inverse=True)[1]
    kinds, second = np.unique(other, return_inverse=True)
    joint: NDArray[np.float64] = (first * len(kinds) + second).astype(np.float64)
    return joint
