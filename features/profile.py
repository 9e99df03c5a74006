"""Attributes and the moment of creation -> who the lead is, as known strictly before each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.asof import last_change, values_at
from data.clock import DAY, NEVER
from data.errors import InputError
from data.ragged import is_known
from data.tables import Attribute, Episodes, Snapshots, Tables
from features.frame import Feature, Levels
from features.persons import department, domain_kind, seniority

Rows = NDArray[np.int64]
DERIVED = {
    "seniority": seniority,
    "department": department,
    "email_domain_kind": domain_kind,
}
FEW: Final = 200
"""Up to so many values are coded in plain Python, where a call of pandas takes longer."""


def fill_numbers(
    tables: Tables,
    snapshots: Snapshots,
    columns: Sequence[tuple[int, Feature]],
    read: Sequence[str],
    existing: NDArray[np.bool_],
    out: NDArray[np.float32],
) -> None:
    """Fill these columns of `out` (n, k) in place: attributes, age and calendar of leads.

    `read` are the columns whose missing values are counted; `existing` marks the rows at which
    their lead exists.
    """
    leads, place = _leads_of(snapshots, len(tables))
    calendar: pd.DatetimeIndex | None = None
    for column, feature in columns:
        template = feature.template
        if template == "attribute":
            attribute = attribute_of(tables, feature)
            out[:, column] = values_at(attribute, snapshots, tables, existing=existing)
        elif template == "known_since":
            out[:, column] = _known_since(snapshots, attribute_of(tables, feature))
        elif template == "missing_count":
            out[:, column] = count_missing(tables, read, leads)[place]
        elif template == "times_closed":
            out[:, column] = _times_closed(tables, snapshots, feature)
        elif template == "days_since_closed":
            out[:, column] = _days_since(episodes_of(tables).closed_at[snapshots.lead], snapshots)
        elif template == "age_days":
            out[:, column] = (snapshots.as_of - _created(tables)[snapshots.lead]) / DAY
        elif template.startswith("created_"):
            if calendar is None:
                calendar = local_calendar(_created(tables)[leads], tables.timezone)
            part = {
                "created_month": "month",
                "created_weekday": "day_of_week",
                "created_hour": "hour",
            }
            values = getattr(calendar, part[template]).to_numpy()
            out[:, column] = values[place]


def category(
    tables: Tables, snapshots: Snapshots, feature: Feature, existing: NDArray[np.bool_]
) -> Levels:
    """Read one category from an attribute, or derive it from the text (seniority, department)."""
    if feature.template == "closed_because":
        codes, texts = _coded(episodes_of(tables).reason)
        return Levels(feature.name, np.where(existing, codes[snapshots.lead], -1), texts)
    attribute = attribute_of(tables, feature)
    derive = DERIVED.get(feature.template)
    if attribute.known_at is None and attribute.changes is None:
        leads, place = _leads_of(snapshots, len(tables))
        codes, texts = _coded(attribute.values[leads])
        codes = np.where(existing, codes[place], -1)
    else:
        codes, texts = _coded(values_at(attribute, snapshots, tables, existing=existing))
    if derive is None:
        return Levels(feature.name, codes, texts)
    derived = [derive(text) for text in texts]
    names = sorted({name for name in derived if name is not None})
    code_of = {name: code for code, name in enumerate(names)}
    mapped = np.array([code_of[name] if name else -1 for name in derived] + [-1], np.int64)
    return Levels(feature.name, mapped[codes], names)


def _leads_of(snapshots: Snapshots, n_leads: int) -> tuple[Rows | slice, Rows]:
    """Choose the leads to look at, and where among them that of each row stands: all, or a few.

    What a lead alone decides is worked out once for each of all leads, or, where there are fewer
    rows than leads, for the rows alone: a block of a company must not cost as much as the company.
    """
    if len(snapshots) < n_leads:
        return snapshots.lead, np.arange(len(snapshots))
    return slice(None), snapshots.lead


def _coded(values: NDArray[np.generic]) -> tuple[NDArray[np.int64], list[str]]:
    """Code strings by their sorted levels, -1 where missing."""
    if len(values) > FEW:
        codes, levels = pd.factorize(values.astype(object, copy=False), sort=True)
        return codes.astype(np.int64, copy=False), [str(level) for level in levels]
    texts = values.tolist()
    known = sorted({text for text in texts if not pd.isna(text)})
    code_of = {text: code for code, text in enumerate(known)}
    return np.array([code_of.get(text, -1) for text in texts], np.int64), [str(t) for t in known]


def local_calendar(micros: NDArray[np.int64], timezone: str) -> pd.DatetimeIndex:
    """Read microseconds UTC as wall-clock time in a zone; NEVER reads as the epoch."""
    known = np.where(micros == NEVER, 0, micros)
    return pd.DatetimeIndex(known.astype("datetime64[us]")).tz_localize("UTC").tz_convert(timezone)


def attribute_of(tables: Tables, feature: Feature) -> Attribute:
    """Find the attribute that a feature reads."""
    return tables.attribute(str(feature.params["column"]))


def _times_closed(tables: Tables, snapshots: Snapshots, feature: Feature) -> NDArray[np.float64]:
    """Count the closes before each row's episode; NaN for leads from before closes are known.

    They are known since when they were in training: a lead asked for alone has the same answer.
    """
    past = episodes_of(tables)
    times = past.number[snapshots.lead] - 1.0
    known = past.began_at[snapshots.lead] >= int(feature.params.get("since", 0))
    return np.where(known, times, np.nan)


def episodes_of(tables: Tables) -> Episodes:
    """Return the episodes; InputError where the project no longer lets leads come back."""
    if tables.episodes is None:
        raise InputError(
            "the model learned from leads that came back, and this project has none",
            column="conversion.reopen",
            cure="declare it as it was in training, or train again",
        )
    return tables.episodes


def _created(tables: Tables) -> NDArray[np.int64]:
    assert tables.created_at is not None  # a catalogue with a calendar is never static
    return tables.created_at


def _known_since(snapshots: Snapshots, attribute: Attribute) -> NDArray[np.float64]:
    """Say for how many days the value has been known: NaN where it is not."""
    since = np.full(len(snapshots), NEVER, np.int64)
    if attribute.known_at is not None:
        since = attribute.known_at[snapshots.lead]
    elif attribute.changes is not None:
        since = last_change(attribute, snapshots)
    return _days_since(since, snapshots)


def _days_since(since: NDArray[np.int64], snapshots: Snapshots) -> NDArray[np.float64]:
    """Count the days from a moment to each as_of: NaN where it does not lie before."""
    known = is_known(since, None, snapshots.as_of)
    days = (snapshots.as_of - np.where(known, since, snapshots.as_of)) / DAY
    return np.where(known, days, np.nan)


def count_missing(
    tables: Tables, read: Sequence[str], leads: Rows | slice = slice(None)
) -> NDArray[np.int64]:
    """Count the missing values of these columns, where fixed at creation, of leads: (n,).

    A column that no feature reads, in quarantine for instance, is not counted: the count would
    let it in again.
    """
    missing = np.zeros(len(tables.lead_ids[leads]), np.int64)
    for name in read:
        attribute = tables.attribute(name)
        if attribute.known_at is None and attribute.changes is None:
            missing += pd.isna(attribute.values[leads])
    return missing
