"""Project file and tables -> the catalogue: every column of the frame, named, labelled, grouped.

The catalogue is compiled once, at training, and travels with the model: scoring builds from it
whatever event types the day brings. Rules that keep it sensible:

- windows are `train.windows`; those not shorter than the oldest snapshot age say the same as
  "ever" and are left out, and where none is left shorter ones take their place;
- an event type has columns of its own where at least `max(10, 0.2 %)` of the leads show it by the
  oldest snapshot age, the most widespread first, as many as MAX_COLUMNS allows; the others are
  pooled as "other events".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, HOUR, MINUTE
from data.schema import Project
from data.tables import Attribute, Tables
from features.frame import Catalogue, Family, Feature
from features.presence import leads_by_code

MAX_COLUMNS: Final = 240
"""Event columns at most; attributes and calendar come on top."""
POOLED: Final = "other events"
HALF_LIVES: Final = (3.0, 14.0)  # days
_SHORT_WINDOWS: Final = (5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY)

Params = dict[str, str | int | float]


def make_catalogue(tables: Tables, project: Project) -> Catalogue:
    """Compile the catalogue from the project file and the data; reads no outcome."""
    features = list(attribute_features(tables, project))
    if not project.static:
        features += list(calendar_features(project))
        features += list(event_features(tables, project))
    numbers = [feature for feature in features if feature.kind == "number"]
    categories = [feature for feature in features if feature.kind == "category"]
    return Catalogue(tuple(_unique(numbers + categories)))


def slug(text: str) -> str:
    """Make a column-name part of any text.

    >>> slug("Pricing page: visited!")
    'pricing_page_visited'
    """
    plain = re.sub(r"[^\w]+", "_", text.strip().lower()).strip("_")
    return plain[:60] or "unnamed"


def words(text: str) -> str:
    """Make plain words of an event type or a column name; what no machine wrote stays.

    >>> words("A_SUBMITTED-COMPLETE"), words("E-Mail geöffnet"), words("Prämie (geschätzt)")
    ('a submitted complete', 'E-Mail geöffnet', 'Prämie (geschätzt)')
    """
    if not text.isascii():
        return " ".join(text.replace("_", " ").split())[:80] or "unnamed"
    return " ".join(re.sub(r"[^\w]+|_+", " ", text).lower().split())[:80] or "unnamed"


def span(days: float) -> str:
    """Write a length of time as a column-name part.

    >>> span(7), span(0.25), span(15 / 1440)
    ('7d', '6h', '15min')
    """
    if days >= 1 and days == int(days):
        return f"{int(days)}d"
    hours = days * 24
    return f"{round(hours)}h" if hours >= 1 else f"{max(round(hours * 60), 1)}min"


def windows_of(project: Project) -> tuple[float, ...]:
    """Choose the look-back windows in days, ascending (rule in the module's first lines)."""
    oldest = oldest_age(project)
    declared = tuple(sorted(float(days) for days in set(project.train.windows) if days > 0))
    if oldest is None:
        return declared
    shorter = tuple(days for days in declared if days * DAY < oldest)
    if shorter:
        return shorter
    fitting = [width for width in _SHORT_WINDOWS if oldest / 10 <= width < oldest]
    return tuple(width / DAY for width in fitting[-2:])


def oldest_age(project: Project) -> int | None:
    """Find the oldest snapshot age in microseconds; None where snapshots follow the calendar."""
    ages = project.conversion.snapshots
    return None if isinstance(ages, str) or not ages else max(ages)


def own_types(tables: Tables, project: Project, columns_each: int) -> tuple[list[str], bool]:
    """Choose the event types that get columns, and say whether a pool of the others is wanted."""
    events = tables.events
    leads = leads_by_code(
        events.offsets, events.at, events.type, len(events.type_names), _ends(tables, project)
    )
    enough = max(10, 0.002 * len(tables))
    order = sorted(range(len(leads)), key=lambda code: (-int(leads[code]), events.type_names[code]))
    own = [code for code in order if leads[code] >= enough][: max(MAX_COLUMNS // columns_each, 1)]
    rest = [code for code in order if code not in set(own)]
    pooled = int(leads[rest].sum()) >= enough if rest else False
    return [events.type_names[code] for code in own], pooled


def _ends(tables: Tables, project: Project) -> NDArray[np.int64]:
    """Say until when a lead's events can be seen by any snapshot: (n_leads,) microseconds."""
    oldest = oldest_age(project)
    if oldest is None or tables.created_at is None:
        return np.full(len(tables), tables.observed_until, np.int64)
    return np.minimum(tables.created_at + oldest, tables.observed_until)


def attribute_features(tables: Tables, project: Project) -> Iterator[Feature]:
    """Yield one factor per declared attribute, with what is derived from title and e-mail."""
    bant = {column for column in project.qualification.bant.model_dump().values() if column}
    for attribute in tables.attributes:
        family: Family = "qualification" if attribute.name in bant else attribute.family
        if attribute.name == project.leads.channel:
            family = "context"
        factor, label = slug(attribute.name), words(attribute.name)
        params: Params = {"column": attribute.name, "label": label}
        if attribute.name == project.leads.email:
            yield Feature(
                "email_domain_kind", "category", "fit", "email_domain", "kind of e-mail domain",
                "email_domain_kind", params,
            )  # fmt: skip
            continue
        if attribute.name == project.leads.title:
            for what in ("seniority", "department"):
                yield Feature(what, "category", "fit", what, what, what, params)
            continue
        yield Feature(
            factor, attribute.kind, family, factor, label, "attribute", params,
        )  # fmt: skip
        if attribute.known_at is not None or attribute.changes is not None:
            yield Feature(
                f"known_since_{factor}", "number", family, factor, f"days since {label} is known",
                "known_since", params, "days",
            )  # fmt: skip
    if sum(1 for attribute in tables.attributes if _may_miss(attribute)) >= 2:
        yield Feature(
            "missing_count", "number", "fit", "completeness", "fields left empty",
            "missing_count", {"label": "fields left empty"}, "fields",
        )  # fmt: skip


def _may_miss(attribute: Attribute) -> bool:
    """Say whether an attribute fixed at creation has any missing value."""
    if attribute.known_at is not None or attribute.changes is not None:
        return False
    values = attribute.values
    if attribute.kind == "number":
        return bool(np.isnan(values.astype(np.float64)).any())
    return any(value is None for value in values)


def calendar_features(project: Project) -> Iterator[Feature]:
    """Yield age and the calendar of creation, in the project's time zone."""
    ages = project.conversion.snapshots
    if isinstance(ages, str) or len(set(ages)) > 1:
        yield Feature(
            "age_days", "number", "context", "age", "age of the lead", "age_days",
            {"label": "age of the lead"}, "days",
        )  # fmt: skip
    for part, unit in (("month", "month"), ("weekday", "weekday"), ("hour", "hour")):
        yield Feature(
            f"created_{part}", "number", "context", "calendar", f"{part} of creation",
            f"created_{part}", {"label": f"{part} of creation"}, unit,
        )  # fmt: skip


def event_features(tables: Tables, project: Project) -> Iterator[Feature]:
    """Yield what each event type and all of them together say."""
    if len(tables.events) == 0:
        return
    windows = windows_of(project)
    types, pooled = own_types(tables, project, len(windows) + 2)
    for name in types:
        yield from type_features(name, windows)
    if pooled:
        yield from type_features(POOLED, windows, pooled=1)
    yield from activity_features(tables, windows)
    yield from side_features(tables, windows)


def type_features(name: str, windows: tuple[float, ...], *, pooled: int = 0) -> Iterator[Feature]:
    """Yield counts and recency of one event type: one factor."""
    key, label = slug(name), words(name)
    base: Params = {"event": name, "label": label}
    if pooled:
        base["pooled"] = 1
    for days in windows:
        yield engaged(
            f"n_{key}_{span(days)}", key, f"{label} in {span(days)}", "count_window",
            {**base, "days": days}, "events",
        )  # fmt: skip
    yield engaged(f"n_{key}_ever", key, f"{label} ever", "count_ever", base, "events")
    yield engaged(f"days_since_{key}", key, f"days since {label}", "days_since", base, "days")


def activity_features(tables: Tables, windows: tuple[float, ...]) -> Iterator[Feature]:
    """Yield what all events together say: one factor, general activity."""
    factor = "activity"
    for days in windows:
        yield engaged(
            f"n_events_{span(days)}", factor, f"events in {span(days)}", "count_all_window",
            {"days": days, "label": "activity"}, "events",
        )  # fmt: skip
    yield engaged(
        "n_events_ever", factor, "events ever", "count_all_ever", {"label": "activity"}, "events"
    )
    active: list[float] = [days for days in windows if days >= 7]
    if active:
        active = sorted({*active, 28.0} if max(active) >= 28 else {*active})
    for days in active:
        yield engaged(
            f"n_active_days_{span(days)}", factor, f"active days in {span(days)}", "active_days",
            {"days": days, "label": "active days"}, "days",
        )  # fmt: skip
    for name, label, template, unit in (
        ("days_since_first_event", "days since the first event", "days_since_first_event", "days"),
        ("days_since_last_event", "days since the last event", "days_since_last_event", "days"),
        ("mean_gap_days", "mean days between events", "mean_gap_days", "days"),
        ("n_first_week", "events in the first week", "first_week_count", "events"),
        ("streak_days", "active days in a row", "streak_days", "days"),
    ):
        yield engaged(name, factor, label, template, {"label": label}, unit)
    for half_life in HALF_LIVES:
        yield engaged(
            f"activity_decayed_{span(half_life)}", factor, "recent activity", "decayed_count",
            {"event": "", "half_life": half_life, "label": "recent activity"}, "events",
        )  # fmt: skip
    if windows and max(windows) >= 28:
        short, long = min(windows), 28.0
        if short < long:
            yield engaged(
                f"trend_{short:g}_{long:g}d", factor, "activity against its usual pace", "trend",
                {"short": short, "long": long, "label": "trend of activity"}, "ratio",
            )  # fmt: skip
    for name, label in (("first_event", "first event"), ("last_event", "last event")):
        if len(tables.events.type_names) > 1:
            yield Feature(name, "category", "engagement", factor, label, name, {"label": label})


def side_features(tables: Tables, windows: tuple[float, ...]) -> Iterator[Feature]:
    """Yield direction, amounts, campaigns and people, where the events have them."""
    events = tables.events
    longest = max(windows, default=30.0)
    for code, side in ((0, "inbound"), (1, "outbound")):
        if (events.direction == code).any():
            for days in windows:
                yield engaged(
                    f"n_{side}_{span(days)}", side, f"{side} in {span(days)}", f"{side}_count",
                    {"days": days, "label": side}, "events",
                )  # fmt: skip
    if np.isfinite(events.value).any():
        yield engaged(
            f"value_sum_{span(longest)}", "value", f"amounts in {span(longest)}", "value_sum",
            {"days": longest, "label": "amounts"},
        )  # fmt: skip
        yield engaged("value_max", "value", "largest amount", "value_max", {"label": "amount"})
    for names, what in ((events.campaign_names, "campaigns"), (events.person_names, "people")):
        if len(names) > 1:
            yield engaged(f"n_{what}", what, what, f"n_{what}", {"label": what}, what)


def engaged(
    name: str, factor: str, label: str, template: str, params: Params, unit: str = ""
) -> Feature:
    """Make a number column of the engagement family; whole numbers among `params` become int."""
    tidy: Params = {
        key: int(value) if isinstance(value, float) and value == int(value) else value
        for key, value in params.items()
    }
    return Feature(name, "number", "engagement", factor, label, template, tidy, unit)


def _unique(features: list[Feature]) -> Iterator[Feature]:
    """Number the names that two texts share, so that a column has one meaning."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    for feature in features:
        times = seen[feature.name] = seen.get(feature.name, 0) + 1
        yield feature if times == 1 else replace(feature, name=f"{feature.name}_{times}")
