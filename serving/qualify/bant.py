"""Need, budget, authority, timing: what is known of them as of a moment, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.asof import last_change, values_at
from data.clock import NEVER, Micros
from data.schema_steps import BantSection
from data.tables import Attribute, Snapshots, Tables

Question = Literal["need", "budget", "authority", "timing"]
QUESTIONS: Final[tuple[Question, ...]] = ("need", "budget", "authority", "timing")


@dataclass(frozen=True, slots=True)
class Bant:
    """The four answers of n leads: all (n, 4), in the order of QUESTIONS.

    `values` holds text, None where not known; `since` microseconds, NEVER where not known or
    undated. `asked` names the questions that the project file maps to a column.
    """

    values: NDArray[np.object_]
    known: NDArray[np.bool_]
    since: Micros
    asked: tuple[Question, ...]

    @property
    def n_known(self) -> NDArray[np.int64]:
        """Count the answers known of each lead: (n,)."""
        return np.asarray(self.known.sum(axis=1), dtype=np.int64)


def read_bant(tables: Tables, snapshots: Snapshots, section: BantSection) -> Bant:
    """Read the answers known strictly before each snapshot's as_of."""
    n = len(snapshots)
    values = np.full((n, 4), None, dtype=object)
    known = np.zeros((n, 4), dtype=bool)
    since = np.full((n, 4), NEVER, dtype=np.int64)
    asked = []
    for position, question in enumerate(QUESTIONS):
        column = getattr(section, question)
        if column is None:
            continue
        asked.append(question)
        attribute = tables.attribute(column)
        raw = pd.Series(values_at(attribute, snapshots, tables))
        is_known = raw.notna().to_numpy(dtype=bool)
        known[:, position] = is_known
        values[is_known, position] = [_say(value) for value in raw[is_known]]
        since[is_known, position] = known_since(attribute, snapshots, tables)[is_known]
    return Bant(values, known, since, tuple(asked))


def known_since(attribute: Attribute, snapshots: Snapshots, tables: Tables) -> Micros:
    """Find the moment since when the value of an attribute is what it is: (n,) microseconds."""
    leads = snapshots.lead
    created = tables.created_at
    undated = np.full(len(leads), NEVER, dtype=np.int64)
    start = undated if created is None else created[leads]
    if attribute.known_at is not None:
        return np.asarray(attribute.known_at[leads], dtype=np.int64)
    if attribute.changes is None:
        return start
    last = last_change(attribute, snapshots)
    return np.where(last == NEVER, start, last)


def _say(value: object) -> str:
    """Write a number without a needless decimal point, anything else as text."""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)
