"""A log of events -> the types that end a lead: named as a loss, once each, nothing after."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from data.clock import DAY, NEVER
from data.sketch.looks import ColumnLook
from data.sketch.vocabulary import OUTCOME_TYPES, meaning_of

_ONCE: Final = 0.98
_LAST: Final = 0.9


def ending_types(lead: ColumnLook, kind: ColumnLook, at: ColumnLook) -> tuple[list[str], list[str]]:
    """List the types that end a lead, and those whose name alone says so: (sure, doubtful).

    A cancelled meeting is no end: sure is what happens to a lead once and is nearly always its
    last event, to the day.
    """
    named = [
        word
        for word in kind.words()
        if re.search(OUTCOME_TYPES, word.lower()) or meaning_of(word)[0] == "lost"
    ]
    if not named:
        return [], []
    log = pd.DataFrame({"lead": lead.texts(), "kind": kind.texts(), "at": at.times()})
    log = log[log["at"] != NEVER]
    last = log.groupby("lead")["at"].transform("max")
    sure = []
    for word in named:
        rows = (log["kind"] == word).to_numpy()
        once = log.loc[rows, "lead"].nunique() >= _ONCE * rows.sum()
        final = np.mean((last - log["at"]).to_numpy()[rows] <= DAY) if rows.any() else 0.0
        if once and final >= _LAST:
            sure.append(word)
    return sure, [word for word in named if word not in sure]
