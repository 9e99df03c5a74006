"""What reps answered to scores -> two attributes, each known from the moment of the answer on.

They come from the state folder, not from a source of the project, so they never move the end of
observation, and a model that learned from them goes on scoring where all answers are gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.tables import Attribute, Changes

VERDICT: Final = "rep_verdict"
"""What a rep said of a score: right, wrong, too_high, too_low, wrong_stage."""
DISPOSITION: Final = "rep_disposition"
"""What a rep did with a lead: done, snooze, disqualify, reopen."""
ANSWER_COLUMNS: Final = (DISPOSITION, VERDICT)


@dataclass(frozen=True, slots=True)
class AnswerFact:
    """From `at` on (microseconds UTC) a lead has this value in a column; None: none any more."""

    lead_id: str
    column: str
    value: str | None
    at: int


def answer_attributes(
    facts: Sequence[AnswerFact],
    lead_ids: pa.Array,
    *,
    until: int,
    trained: Collection[str],
    taken: Collection[str],
) -> list[Attribute]:
    """Make the attributes of the answers given before `until`, the end of observation.

    A column without an answer is there, empty, only where a model was `trained` on it; one whose
    name the project has given away (`taken`) is left out.
    """
    known = [fact for fact in facts if fact.at < until]
    made = []
    for column in ANSWER_COLUMNS:
        of_column = [fact for fact in known if fact.column == column]
        if column not in taken and (of_column or column in trained):
            made.append(_attribute(column, of_column, lead_ids))
    return made


def _attribute(column: str, facts: Sequence[AnswerFact], lead_ids: pa.Array) -> Attribute:
    """Replay the answers of one column; those to leads that the sources do not have are left."""
    ids = pa.array([fact.lead_id for fact in facts], pa.string())
    rows = pc.index_in(ids, value_set=lead_ids.cast(pa.string())).fill_null(-1)
    lead = rows.to_numpy(zero_copy_only=False).astype(np.int64)
    at = np.array([fact.at for fact in facts], np.int64)
    order = np.lexsort((np.arange(len(facts)), at, lead))
    order = order[lead[order] >= 0]
    lead, at = lead[order], at[order]
    new = np.array([facts[i].value for i in order], object)
    first = np.append(True, lead[1:] != lead[:-1])[: len(lead)]
    old = np.roll(new, 1)
    old[first] = None
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lead, minlength=len(lead_ids)))])
    values = np.full(len(lead_ids), None, object)
    last = np.append(lead[1:] != lead[:-1], True)[: len(lead)]
    values[lead[last]] = new[last]
    changes = Changes(offsets, at, old, new)
    return Attribute(column, "category", values, changes=changes, family="qualification")
