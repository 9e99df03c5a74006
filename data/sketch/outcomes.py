"""A table of leads -> what may be its outcome: a date, a stage, a flag; the surest first.

How columns relate decides first: a date that stands in the rows that a stage calls won is the date
of winning, in whatever language its name is. Names and values speak second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import NEVER
from data.sketch.looks import MARKS, NO, YES, ColumnLook, FileLook, share_of
from data.sketch.vocabulary import (
    CHANGED_NAME,
    CLOSED_NAME,
    CONVERTED_NAME,
    CUSTOMER_NAME,
    EARLIER_NAME,
    LOST_NAME,
    STAGE_NAME,
    TARGET_NAME,
    meaning_of,
    speaks_of,
)

Rows = NDArray[np.bool_]
_MAX_STAGES: Final = 40
_SAME: Final = 0.95
"""Share of rows from which two columns are taken to say the same; a few entries are always odd."""


@dataclass(frozen=True, slots=True)
class DateOutcome:
    """A column that holds when a lead converted: leads.converted_at.

    `lost` holds when leads were lost: a date of that name, or the closing date of a lost stage.
    """

    column: ColumnLook
    points: float
    reason: str
    lost: ColumnLook | None = None

    @property
    def label(self) -> str:
        """Name the choice for a person."""
        return f"the date {self.column.name}"

    @property
    def columns(self) -> set[str]:
        """Name the columns that it uses up."""
        return {self.column.name, *([] if self.lost is None else [self.lost.name])}


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """A stage, status or flag whose value says who converted; `closed` says when, if anything."""

    column: ColumnLook
    points: float
    reason: str
    won: tuple[str, ...]
    lost: tuple[str, ...] = ()
    closed: ColumnLook | None = None
    closed_alone: bool = False

    @property
    def label(self) -> str:
        """Name the choice for a person."""
        values = " or ".join(repr(word) for word in self.won[:3])
        return f"{self.column.name} = {values}"

    @property
    def columns(self) -> set[str]:
        """Name the columns that it uses up."""
        return {self.column.name, *([] if self.closed is None else [self.closed.name])}

    @property
    def blank_is_no(self) -> bool:
        """Tell whether rows without a value are those that did not convert."""
        return self.column.distinct == len(self.won)

    def rows(self) -> Rows:
        """Mark the rows that converted."""
        return self.column.among(self.won)


LeadOutcome = DateOutcome | StageOutcome


def lead_outcomes(look: FileLook) -> list[LeadOutcome]:
    """List what may be the outcome in a table of leads, the surest first."""
    stages = [*_stages(look), *_ends(look), *_flags(look)]
    dates = list(_dates(look, stages))
    dated = [_with_closing_date(stage, look) for stage in stages]
    found: list[LeadOutcome] = [*dates, *dated]
    return sorted(found, key=lambda outcome: -outcome.points)


def _stages(look: FileLook) -> Iterator[StageOutcome]:
    """Find columns of stages with a value that means won."""
    for column in look.of_kind("text"):
        if not 2 <= column.distinct <= _MAX_STAGES:
            continue
        means = {word: meaning_of(word) for word in column.words()}
        surest = max((sure for kind, sure in means.values() if kind == "won"), default=0)
        won = tuple(w for w, (kind, sure) in means.items() if kind == "won" and sure == surest)
        lost = tuple(w for w, (kind, _) in means.items() if kind == "lost")
        named = speaks_of(column.name, STAGE_NAME) or speaks_of(column.name, CONVERTED_NAME)
        if not won or (surest < 3 and not named) or (surest == 1 and not lost):
            continue
        stage = StageOutcome(column, 0.0, "", won, lost)
        share = float(stage.rows().mean())
        if not 0.0 < share < 0.98:
            continue
        points = 3.0 + surest + 0.8 * bool(lost) + 1.0 * named
        points -= 3.0 * speaks_of(column.name, EARLIER_NAME)
        reason = f"{share:.0%} of the rows have it"
        yield StageOutcome(column, points, reason, won, lost)


def _ends(look: FileLook) -> Iterator[StageOutcome]:
    """Find stages in no known language: a date stands beside some of their values, and no other.

    Those values end a lead. Which of them is won nobody can tell: the rarer comes first.
    """
    dates = [c for c in look.of_kind("time") if 0.02 < c.filled < 1.0]
    for column in look.of_kind("text"):
        if not 3 <= column.distinct <= 12:
            continue
        words = column.words()
        if any(meaning_of(word)[0] != "open" for word in words):
            continue
        rows_with = {word: column.among((word,)) for word in words}
        for date in dates:
            known = date.known()
            shares = {word: share_of(known, rows) for word, rows in rows_with.items()}
            ends = [word for word in words if shares[word] >= _SAME]
            mixed = any(1 - _SAME < share < _SAME for share in shares.values())
            if mixed or not 2 <= len(ends) < len(words):
                continue
            for place, won in enumerate(sorted(ends, key=lambda word: rows_with[word].sum())):
                lost = tuple(word for word in ends if word != won)
                reason = f"rows with {' or '.join(ends)} have {date.name}: which of them is won?"
                points = 5.0 - 0.1 * place + 1.0 * speaks_of(column.name, STAGE_NAME)
                yield StageOutcome(column, points, reason, (won,), lost)
            break


def _flags(look: FileLook) -> Iterator[StageOutcome]:
    """Find columns of yes and no; without a telling name they come last."""
    flags = [*look.of_kind("flag"), *(c for c in look.of_kind("text", "number") if _marks(c))]
    for place, column in enumerate(flags):
        words = column.words()
        yes = tuple(w for w in words if w.strip().lower() in YES | MARKS or w == "1.0")
        no = tuple(w for w in words if w.strip().lower() in NO or w in ("0.0", "False"))
        if not yes or speaks_of(column.name, LOST_NAME):
            continue
        points = 1.0 + 0.1 * (place == len(flags) - 1) + 0.5 * (column.filled == 1.0)
        if speaks_of(column.name, TARGET_NAME) or speaks_of(column.name, CONVERTED_NAME):
            points = 7.0
        elif speaks_of(column.name, CUSTOMER_NAME):
            points = 5.5
        asked = np.ones(look.rows, bool) if _marks(column) else column.known()
        share = share_of(column.among(yes), asked)
        reason = f"{share:.0%} of the rows say {yes[0]!r}"
        yield StageOutcome(column, points, reason, yes, no if points > 6 else ())


def _marks(column: ColumnLook) -> bool:
    """Tell whether some rows have a cross or a yes, and the others nothing."""
    if column.distinct != 1:
        return False
    return column.words()[0].strip().lower() in YES | MARKS and 0.002 < column.filled < 0.98


def _dates(look: FileLook, stages: list[StageOutcome]) -> Iterator[DateOutcome]:
    """Find dates that only some rows have: those of the won, or with a telling name."""
    some = [c for c in look.of_kind("time") if 0.0 < c.filled < 1.0]
    lost = next((c for c in some if speaks_of(c.name, LOST_NAME)), None)
    for column in some:
        if column is lost or speaks_of(column.name, CHANGED_NAME):
            continue
        points, known = 2.0 * (column.filled < 0.6) + (1.0 - column.filled), column.known()
        if speaks_of(column.name, CONVERTED_NAME):
            points += 6.0
        elif speaks_of(column.name, CUSTOMER_NAME):
            points += 4.0
        reason = f"{column.filled:.0%} of the rows have one"
        for stage in stages:
            if stage.points > 3.5 and _same_rows(known, stage.rows()):
                points = max(points + 2.5, stage.points + 1.6)
                reason += f", those with {stage.label}"
                break
        if speaks_of(column.name, CLOSED_NAME) and points < 6.0:
            points -= 1.5
        yield DateOutcome(column, points, reason, lost or _closing_of_lost(column, look))


def _closing_of_lost(converted: ColumnLook, look: FileLook) -> ColumnLook | None:
    """Find the date that the rows of a lost stage have, and open rows lack.

    Won rows may have it too, but not before their conversion.
    """
    won, won_at = converted.known(), converted.times()
    for stage in look.of_kind("text"):
        if not 2 <= stage.distinct <= _MAX_STAGES:
            continue
        over = stage.among([word for word in stage.words() if meaning_of(word)[0] == "lost"])
        for date in look.of_kind("time"):
            known = date.known()
            if date is converted or share_of(known, over) < _SAME:
                continue
            before = won & known & (date.times() < won_at)
            if share_of(known, ~(over | won)) <= 1 - _SAME and not before.any():
                return date
    return None


def _same_rows(first: Rows, second: Rows) -> bool:
    """Tell whether two columns mark nearly the same rows."""
    return share_of(first, second) >= _SAME and share_of(second, first) >= _SAME


def _with_closing_date(stage: StageOutcome, look: FileLook) -> StageOutcome:
    """Find the date at which a stage was reached: filled in every won row, by name and order.

    A date that all but the open rows lack is one of closing; one that open rows have as well may
    be an expected date there, and is read for the closed rows only.
    """
    won, best, points = stage.rows(), None, 0.0
    for column in look.of_kind("time"):
        known = column.known()
        if share_of(known, won) < _SAME:
            continue
        named = speaks_of(column.name, CLOSED_NAME)
        later = speaks_of(column.name, CONVERTED_NAME)
        if not named and not later and column.filled == 1.0:
            continue
        if speaks_of(column.name, CHANGED_NAME) and not re.search("stage", column.name.lower()):
            continue
        here = (
            1.0 * named
            + 1.0 * later
            + 1.0 * (column.filled < 1.0)
            + 0.5 * _never_first(column, look, won)
        )
        if here > points and here >= 1.0:
            best, points = column, here
    if best is None:
        return stage
    elsewhere = ~(won | _lost_rows(stage))
    alone = best.filled < 1.0 and (not stage.lost or share_of(best.known(), elsewhere) < 0.02)
    return StageOutcome(
        stage.column,
        stage.points + 1.5,
        f"{stage.reason}, dated by {best.name}",
        stage.won,
        tuple(word for word in stage.lost if alone or not _is_expected(stage, best, word)),
        best,
        alone,
    )


def _is_expected(stage: StageOutcome, closed: ColumnLook, word: str) -> bool:
    """Tell whether the dates of a lost state are left from when it was open: after every won one.

    Read as closes, they would lengthen the time that is observed by months without conversions.
    """
    at, known, rows = closed.times(), closed.known(), stage.column.among((word,))
    won = stage.rows() & known
    return bool(won.any()) and share_of(at > at[won].max(), rows & known) >= _SAME


def _lost_rows(stage: StageOutcome) -> Rows:
    return stage.column.among(stage.lost)


def _never_first(column: ColumnLook, look: FileLook, within: Rows) -> bool:
    """Tell whether another date of the row comes before this one, nearly always."""
    at = column.times()
    for other in look.of_kind("time"):
        if other is not column:
            before = other.times()
            both = within & (at != NEVER) & (before != NEVER)
            if both.any() and share_of(before <= at, both) >= _SAME and (before < at)[both].any():
                return True
    return False
