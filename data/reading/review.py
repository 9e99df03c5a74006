"""Columns that the project file does not declare -> a guess for each and the lines to add."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from data.reading.date_texts import holds_dates
from data.reading.sources import Given, RawTable, read_source
from data.reading.values import texts
from data.rules.expressions import parse
from data.schema import Project
from data.schema_tables import Attributes
from data.sketch.vocabulary import (
    CHANGED_NAME,
    CONVERTED_NAME,
    CUSTOMER_NAME,
    LOST_NAME,
    STAGE_NAME,
    meaning_of,
    speaks_of,
)

Guess = Literal["fixed", "mutable", "outcome", "identity", "lifetime total"]

_HINTS: Final[tuple[tuple[Guess, str, str], ...]] = (
    (
        "outcome",
        r"convert|won|lost|clos(e|ed|ing)|opportunit|deal|revenue|invoice|contract|churn|outcome"
        r"|is_sql|is_mql|sale_?price",
        "its name speaks of the outcome",
    ),
    (
        "mutable",
        r"status|stage|owner|assigned|rep$|modified|updated|changed|last|latest|next|current|lifecycle"
        r"|score|rating|grade|quality|profile$|index|tag|note|comment|reason|remark|description"
        r"|activity|probability|forecast|amount|days_(since|in|open)|age_(at|in|days)|duration",
        "its name speaks of something that changes as the lead is worked",
    ),
    (
        "lifetime total",
        r"total|(^|_)counts?(_|$)|number_of|(^|_)num(_|$)|^n_|_n$|visits|views|clicks|opens|sessions|pages|spent|ever",
        "its name speaks of a total over the lead's whole life, without a date",
    ),
    (
        "identity",
        r"(^|_)(id|uuid|guid|email|mail|phone|mobile|fax|first_?name|last_?name|url|website)$",
        "its name speaks of an identity, which nothing can be learnt from",
    ),
)
_OFTEN: Final = 0.5
"""Share of rows that have what was known at creation, mostly."""
_STAGES: Final = 40
"""A pipeline has no more stages."""
_HEADCOUNT: Final = (
    r"employ|staff|headcount|dipendent|salari|effecti|mitarbeit|beschaeft|funcion|emplead|medewerk"
)
"""What a company has a number of, as no total over the life of a lead."""


@dataclass(frozen=True, slots=True)
class ColumnReview:
    """One column, what it may be and why, and the line that would declare it.

    The name is only a hint: what is declared in the project file is what counts.
    """

    table: str
    name: str
    kind: str
    guess: Guess
    reason: str
    line: str


def undeclared_columns(
    project: Project, frames: Mapping[str, Given] = MappingProxyType({})
) -> list[ColumnReview]:
    """Review the columns of leads and joined tables that are no feature yet.

    `frames` replace sources, as in `data.reading.read_tables`. In static mode every column but the
    excluded ones is a feature: those whose name is suspicious are listed instead.
    """
    leads = read_source(project.leads, project, frame=frames.get("leads"), label="leads")
    fields = set(replayed_fields(project.leads, "history", project, frames))
    reviews = _of_table(leads, project.leads, _lead_roles(project) | fields, project)
    for i, join in enumerate(project.leads.join):
        label = f"join.{i}"
        raw = read_source(join, project, frame=frames.get(label), label=label)
        fields = set(replayed_fields(join, f"join.{i}.history", project, frames))
        reviews += _of_table(raw, join, {join.key or join.on} | fields, project)
    return reviews


def _lead_roles(project: Project) -> set[str]:
    """List the columns of leads that have a role; those shown in a report are no features."""
    leads = project.leads
    roles = (
        leads.id,
        leads.created_at,
        leads.converted_at,
        leads.converted,
        leads.disqualified_at,
        leads.recorded_at,
        leads.account,
        *leads.name,
        *leads.person,
        leads.company,
        leads.owner_email,
        leads.email,
        project.project.order_by,
        *(join.on for join in leads.join),
    )
    return {role for role in roles if role} | read_by_conversion(project)


def read_by_conversion(project: Project) -> set[str]:
    """Name the columns of leads from which conversions are read once more, as from a table."""
    leads, conversion = project.leads, project.conversion
    names: set[str] = set()
    if conversion.source == leads.source:
        names = {str(conversion.at)}
        if conversion.where:
            names |= parse(conversion.where, where="conversion.where").names
    for section in project.events:
        if section.source == leads.source:
            names |= {section.at, *section.type}
    return names - {leads.id, leads.created_at}


def _of_table(
    raw: RawTable, section: Attributes, roles: set[str], project: Project
) -> list[ColumnReview]:
    """Review one table."""
    declared = {
        *roles,
        *section.fixed,
        *section.known_at,
        *section.known_at.values(),
        *section.exclude,
    }
    reviews = []
    for name in raw.table.column_names:
        if name in declared:
            continue
        review = _review(raw, name, project)
        if project.static and _distinct(texts(raw.column(name), project.project.missing)) < 2:
            continue  # empty or the same in every row: left out anyway
        if project.static and review.kind == "timestamp":
            continue  # no feature, which the reading of the table notes
        if not project.static or review.guess != "fixed":
            reviews.append(review)
    return reviews


def replayed_fields(
    section: Attributes, label: str, project: Project, frames: Mapping[str, Given]
) -> dict[str, str]:
    """List the fields that have a history: field -> the table that holds it."""
    names: dict[str, str] = {}
    for i, history in enumerate(section.history):
        frame = frames.get(f"{label}.{i}")
        log = read_source(history, project, frame=frame, columns=[history.field])
        found = pc.unique(log.column(history.field)).to_pylist()
        names |= {name: log.name for name in found if name not in names}
    return names


def _review(raw: RawTable, name: str, project: Project) -> ColumnReview:
    """Guess what a column is, from its name first, then from its values."""
    column = raw.column(name)
    values = texts(column, project.project.missing)
    kind = "timestamp" if holds_dates(column) or holds_dates(values) else _kind(column)
    guess, reason = guess_of(name) if project.static else guess_in_time(name)
    filled = len(values) - values.null_count
    if guess == "identity" and kind == "text" and _distinct(values) <= 20:
        guess, reason = "fixed", "few values, and nothing in its name says that it changes"
    if guess == "fixed" and kind == "timestamp":
        guess, reason = "mutable", "it holds times, which are no feature"
    elif guess == "fixed" and kind == "text" and filled and _distinct(values) > 0.9 * filled > 20:
        guess, reason = "identity", "nearly every value is different"
    if guess == "fixed" and not project.static:
        guess, reason = _guess_from(values, name, project)
    if guess == "fixed" and not reason:
        reason = "nothing in its name says that it changes"
    key = "fixed" if guess == "fixed" and not project.static else "exclude"
    return ColumnReview(raw.name, name, kind, guess, reason, f'{key} = ["{name}"]')


def _guess_from(values: pa.ChunkedArray, name: str, project: Project) -> tuple[Guess, str]:
    """Guess from role, values and blanks what the name alone does not tell, where time counts."""
    words = pc.unique(values).drop_null()
    share = 1 - values.null_count / max(1, len(values))
    if name == project.leads.owner:
        return "mutable", "a lead may be given to somebody else"
    if ends := ends_among(words):
        return "outcome", f"it says {' and '.join(ends)}"
    if len(words) <= 2 and any(speaks_of(name, p) for p in (CONVERTED_NAME, CUSTOMER_NAME)):
        return "outcome", "it says yes or no to what its name speaks of, the outcome"
    if share < _OFTEN:
        return "mutable", f"filled in later, as only {share:.0%} of the rows have it"
    return "fixed", ""


def guess_of(name: str) -> tuple[Guess, str]:
    """Guess from the name alone: (guess, reason).

    >>> guess_of("Last Notable Activity")[0], guess_of("industry")[0]
    ('mutable', 'fixed')
    """
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_").lower()
    for guess, pattern, reason in _HINTS:
        if re.search(pattern, plain):
            if guess == "lifetime total" and re.search(_HEADCOUNT, plain):
                continue
            return guess, reason
    return "fixed", ""


def guess_in_time(name: str) -> tuple[Guess, str]:
    """Guess from a name in any language, where leads have a creation: (guess, reason).

    >>> guess_in_time("Motivo da perda")[0], guess_in_time("Letzte Änderung")[0]
    ('outcome', 'mutable')
    """
    guess, reason = guess_of(name)
    if guess != "fixed":
        return guess, reason
    if speaks_of(name, LOST_NAME):
        return "outcome", "its name speaks of the outcome"
    if speaks_of(name, STAGE_NAME) or speaks_of(name, CHANGED_NAME):
        return "mutable", "its name speaks of something that changes as the lead is worked"
    return "fixed", ""


def ends_among(words: pa.Array) -> list[str]:
    """Find the words that say by name that a lead was won or lost, among a stage's few words."""
    few = words.to_pylist() if len(words) <= _STAGES else []
    return [str(word) for word in few if meaning_of(str(word))[1] == 3]


def _kind(column: pa.ChunkedArray) -> str:
    """Name the kind of a column for a person."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    sample = column.slice(0, 1_000).drop_null()
    words = [text for text in sample.to_pylist() if text]
    numbers = words and all(re.fullmatch(r"[+-]?\d+([.,]\d+)?", word) for word in words)
    return "number" if numbers else "text"


def _distinct(values: pa.ChunkedArray) -> int:
    """Count the distinct values."""
    return int(pc.count_distinct(values).as_py())
