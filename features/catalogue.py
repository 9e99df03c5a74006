"""Project file and tables -> the catalogue: which columns the frame of this project has.

What kinds of columns there are, how each is computed and said, is the table in templates.py.

The catalogue is compiled once, at training, and travels with the model: scoring builds
its columns whatever event types occur then. Its rules:

- windows are `train.windows`; those not shorter than the oldest snapshot age would equal
  "ever" and are left out; where none is left, shorter ones are used;
- an event type has columns of its own where at least `max(10, 0.2 %)` of the leads show it by the
  oldest snapshot age, or the project file gives it points, the most widespread first, as many as
  MAX_COLUMNS allows; the others are pooled as "other events".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, HOUR, MINUTE, show
from data.schema import Project
from data.tables import INBOUND, OUTBOUND, Attribute, Events, Family, Tables
from features.acts import ACTS, act_of
from features.frame import Catalogue, Feature
from features.presence import leads_by_code
from features.template_row import Scope, Template
from features.templates import BY_TYPE, OF_ALL, TEMPLATES

MAX_COLUMNS: Final = 240
"""Event columns at most; attributes and calendar come on top."""
POOLED: Final = "other events"
_SHORT_WINDOWS: Final = (5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY)

Params = dict[str, str | int | float]


def make_catalogue(tables: Tables, project: Project) -> Catalogue:
    """Compile the catalogue from the project file and the data; reads no outcome."""
    features = list(attribute_features(tables, project))
    if not project.static:
        features += list(calendar_features(project))
        features += list(episode_features(tables))
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
    """Make plain words of an event type or a column name; text that is not ASCII stays as it is.

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
    """Choose the look-back windows in days, ascending, by the rule above."""
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
    named = project.qualification.weights or {}
    own = [c for c in order if leads[c] >= enough or events.type_names[c] in named]
    own = own[: max(MAX_COLUMNS // columns_each, 1)]
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
            name, label = "email_domain_kind", "kind of e-mail domain"
            yield _feature(name, name, "fit", "email_domain", label, params)
            continue
        if attribute.name == project.leads.title:
            for what in ("seniority", "department"):
                yield _feature(what, what, "fit", what, what, params)
            continue
        value = _feature("attribute", factor, family, factor, label, params)
        yield replace(value, kind=attribute.kind)
        if attribute.known_at is not None or attribute.changes is not None:
            name, since = f"known_since_{factor}", f"days since {label} is known"
            yield _feature("known_since", name, family, factor, since, params)
    if counts_missing(tables, [attribute.name for attribute in tables.attributes]):
        label = "fields left empty"
        params = {"label": label}
        yield _feature("missing_count", "missing_count", "fit", "completeness", label, params)


def counts_missing(tables: Tables, read: Sequence[str]) -> bool:
    """Say whether missing values are worth a count: two of the columns read have some."""
    return sum(1 for name in read if _may_miss(tables.attribute(name))) >= 2


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
        label = "age of the lead"
        yield _feature("age_days", "age_days", "context", "age", label, {"label": label})
    for part in ("month", "weekday", "hour"):
        name, label = f"created_{part}", f"{part} of creation"
        yield _feature(name, name, "context", "calendar", label, {"label": label})


def episode_features(tables: Tables) -> Iterator[Feature]:
    """Yield how often a lead was closed before, how long ago and why, where leads come back.

    `since` (microseconds) is from when on closes are known: before, how often is missing, not 0.
    """
    if tables.episodes is None or not (tables.episodes.number > 1).any():
        return
    since = tables.episodes.closes_from
    reach = f"known since {show(since)[:10]}"
    for name, label in (
        ("times_closed", "times closed before"),
        ("days_since_closed", "days since it was closed"),
        ("closed_because", "why it was closed before"),
    ):
        whole = f"{label}, {reach}"
        yield _feature(
            name, name, "engagement", "closed_before", whole, {"label": whole, "since": since}
        )


def event_features(tables: Tables, project: Project) -> Iterator[Feature]:
    """Yield the columns of each event type, then those of all types together."""
    if len(tables.events) == 0 or project.leads.converted is not None:
        return  # where only a flag tells who converted, nothing tells what came before it
    scope = Scope(tables.events, windows_of(project))
    types, pooled = own_types(tables, project, len(scope.windows) + 2)
    who = who_acts(tables.events)
    for name in types:
        by = who.get(name, "")
        own = project.report.acts.get(name)
        act = ACTS.get(own if isinstance(own, str) else act_of(name, by))
        direction = 0 if act is None else act.direction
        for feature in _type_features(name, scope, by):
            yield replace(feature, monotone=direction * TEMPLATES[feature.template].sign)
    if pooled:
        yield from _type_features(POOLED, scope, pooled=True)
    for template in OF_ALL:
        if template.needs is None or template.needs(tables.events):
            yield from _columns(template, scope)


def _type_features(
    name: str, scope: Scope, by: str = "", *, pooled: bool = False
) -> Iterator[Feature]:
    """Yield the columns of one event type, done `by` lead or sales; together one factor."""
    base: Params = {"event": name, "label": words(name)}
    if pooled:
        base["pooled"] = 1
    elif by:
        base["by"] = by
    for template in BY_TYPE:
        yield from _columns(template, scope, base)


def who_acts(events: Events) -> dict[str, str]:
    """Say by event type who acts, "lead" or "sales", where nine of ten events agree."""
    kinds = len(events.type_names)
    ways = np.bincount(events.type * 3 + events.direction + 1, minlength=kinds * 3)
    shares = ways.reshape(kinds, 3) / np.maximum(ways.reshape(kinds, 3).sum(axis=1), 1)[:, None]
    who = {"lead": shares[:, INBOUND + 1] >= 0.9, "sales": shares[:, OUTBOUND + 1] >= 0.9}
    return {
        events.type_names[code]: name
        for name, sure in who.items()
        for code in np.flatnonzero(sure).tolist()
    }


def _columns(template: Template, scope: Scope, base: Params | None = None) -> Iterator[Feature]:
    """Yield the columns of a template, of the event type in `base` where there is one.

    Whole numbers among the parameters become int.
    """
    columns = template.columns
    assert columns is not None  # BY_TYPE and OF_ALL hold only such templates
    for params in columns.over(scope):
        days = params.get("days", params.get("half_life"))
        places = dict(params) | ({} if days is None else {"span": span(float(days))})
        if base is not None:
            places |= {"key": slug(str(base["event"])), "type": base["label"]}
        label = columns.label.format(**places)
        whole: Params = (base or {}) | {
            key: int(value) if isinstance(value, float) and value.is_integer() else value
            for key, value in params.items()
        }
        if base is None:
            whole["label"] = columns.about or label
        factor = columns.factor if base is None else str(places["key"])
        name = columns.name.format(**places)
        yield _feature(template.name, name, "engagement", factor, label, whole)


def _feature(
    template: str, name: str, family: Family, factor: str, label: str, params: Params
) -> Feature:
    """Make a column whose kind and unit are those of its template."""
    row = TEMPLATES[template]
    return Feature(name, row.kind, family, factor, label, template, params, row.unit)


def _unique(features: list[Feature]) -> Iterator[Feature]:
    """Number the names that two texts share, so that a column has one meaning."""
    seen: dict[str, int] = {}
    for feature in features:
        times = seen[feature.name] = seen.get(feature.name, 0) + 1
        yield feature if times == 1 else replace(feature, name=f"{feature.name}_{times}")
