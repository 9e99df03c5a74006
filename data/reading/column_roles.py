"""A project file and its sources -> every column once: what it is used as, and since when known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from data.private import mask
from data.reading.attributes import no_static_features, prefix_of
from data.reading.database_queries import name_of_query
from data.reading.event_columns import columns_of
from data.reading.object_files import in_database
from data.reading.rep_answers import ANSWER_COLUMNS
from data.reading.review import read_by_conversion, replayed_fields
from data.reading.sources import Given, column_names
from data.schema import Project
from data.schema_tables import Attributes, Join
from data.schema_types import Section
from data.tables import Tables

_LEAD_ROLES: Final = {
    "id": "id of the lead",
    "created_at": "creation",
    "converted_at": "conversion",
    "converted": "conversion",
    "disqualified_at": "disqualification",
    "recorded_at": "when the lead was recorded",
    "account": "account",
    "name": "name",
    "owner": "owner",
    "channel": "channel",
    "email": "e-mail",
    "title": "job title",
    "value": "value",
}
"""The keys of [leads] that name a column, in words."""
_EVENT_ROLES: Final = {
    "lead": "id of the lead",
    "at": "time of the event",
    "recorded_at": "when the event was recorded",
    "type": "type of the event",
    "channel": "channel of the event",
    "value": "amount of the event",
    "campaign": "campaign of the event",
    "person": "person of the event",
    "direction": "who acts",
}
_UNUSED: Final = ("not declared", "not read")


@dataclass(frozen=True, slots=True)
class ColumnRole:
    """One column of one table: its role in the project, and since when its value is known.

    `attribute` is its name as a feature's column ("accounts_industry"), None where it is none.
    """

    table: str
    name: str
    role: str
    since: str
    attribute: str | None = None


def column_roles(
    project: Project, frames: Mapping[str, Given] = MappingProxyType({})
) -> list[ColumnRole]:
    """List the columns of all tables in the order of the project file and of the tables."""
    leads = project.leads
    roles = {column: words for key, words in _LEAD_ROLES.items() for column in _named(leads, key)}
    if project.project.order_by:
        roles.setdefault(project.project.order_by, "order in time")
    for join in leads.join:
        roles.setdefault(join.on, f"key of {_name(join.source)}")
    for name in read_by_conversion(project):
        roles.setdefault(name, "conversion")
    found = list(_of_table(project, leads, "leads", roles, frames))
    for i, join in enumerate(leads.join):
        key = {join.key or join.on: "key"}
        found += _of_table(project, join, f"join.{i}", key, frames)
    found += _of_events(project, frames)
    found += _of_conversions(project, frames)
    found += _of_payments(project, frames)
    return _once(found)


def answer_roles(tables: Tables) -> list[ColumnRole]:
    """List the columns of reps' answers, which come from the state folder, where there are any."""
    return [
        ColumnRole("answers of reps", each.name, "attribute", "each answer", each.name)
        for each in tables.attributes
        if each.name in ANSWER_COLUMNS and each.changes is not None
    ]


def _once(found: list[ColumnRole]) -> list[ColumnRole]:
    """Join the roles of a column whose table is read more than once, as leads and as outcome."""
    by_column: dict[tuple[str, str], list[ColumnRole]] = {}
    for each in found:
        by_column.setdefault((each.table, each.name), []).append(each)
    return [
        ColumnRole(
            table,
            name,
            ", ".join(dict.fromkeys(r.role for r in same if r.role not in _UNUSED)) or same[0].role,
            next((r.since for r in same if r.since), ""),
            next((r.attribute for r in same if r.attribute is not None), None),
        )
        for (table, name), same in by_column.items()
    ]


def _of_table(
    project: Project,
    section: Attributes,
    label: str,
    roles: Mapping[str, str],
    frames: Mapping[str, Given],
) -> Iterator[ColumnRole]:
    """Yield the columns of leads or of a joined table, then fields that only a history has."""
    table = _name(section.source, label, frames)
    prefix = prefix_of(section) if isinstance(section, Join) else ""
    histories = label.replace("leads", "history") if label == "leads" else f"{label}.history"
    fields = replayed_fields(section, histories, project, frames)
    clocks = {clock: f"when {name} became known" for name, clock in section.known_at.items()}
    names = column_names(section, project, frame=frames.get(label))
    out = no_static_features(project) if label == "leads" else roles
    for name in names:
        role, since, attribute = roles.get(name, ""), "", None
        if name in section.exclude:
            role = role or "excluded"
        elif name in section.fixed:
            since, attribute = "creation", prefix + name
        elif name in section.known_at:
            since, attribute = section.known_at[name], prefix + name
        elif name in fields:
            since, attribute = f"each change in {fields[name]}", prefix + name
        elif name in clocks:
            role = role or clocks[name]
        elif project.static and name not in out:
            since, attribute = "not known", prefix + name
        if attribute is not None:
            role = f"{role}, attribute" if role else "attribute"
        yield ColumnRole(table, name, role or "not declared", since, attribute)
    for name in sorted(set(fields) - set(names) - set(section.exclude)):
        yield ColumnRole(
            fields[name], name, "attribute", f"each change in {fields[name]}", prefix + name
        )


def _of_events(project: Project, frames: Mapping[str, Given]) -> Iterator[ColumnRole]:
    """Yield the columns of the event sources; what is not declared there is not read."""
    for i, section in enumerate(project.events):
        label = f"events.{i}"
        roles = {
            column: words for key, words in _EVENT_ROLES.items() for column in _named(section, key)
        }
        if project.value.event and project.value.amount:
            roles.setdefault(project.value.amount, "payment")
        names = column_names(section, project, frame=frames.get(label)) or columns_of(section)
        for name in names:
            role = roles.get(name, "not read")
            since = (section.recorded_at or section.at) if name in roles else ""
            yield ColumnRole(_name(section.source, label, frames), name, role, since)


def _of_conversions(project: Project, frames: Mapping[str, Given]) -> Iterator[ColumnRole]:
    """Yield the columns of the table of opportunities: all of it is outcome."""
    section = project.conversion
    if section.source is None:
        return
    roles = {section.lead: "id of the lead", section.at: "conversion"}
    for name in column_names(section, project, frame=frames.get("conversion")):
        yield ColumnRole(
            _name(section.source, "conversion", frames), name, roles.get(name, "not read"), ""
        )


def _of_payments(project: Project, frames: Mapping[str, Given]) -> Iterator[ColumnRole]:
    """Yield the columns of the table of payments: all of it is outcome."""
    section = project.value
    if section.source is None:
        return
    told = (section.at, section.amount, section.recorded_at, section.type, section.currency)
    roles = {section.lead: "id of the lead", **dict.fromkeys(told, "payment")}
    for name in column_names(section, project, frame=frames.get("value")):
        yield ColumnRole(
            _name(section.source, "value", frames), name, roles.get(name, "not read"), ""
        )


def _named(section: Section, key: str) -> tuple[str, ...]:
    """List the columns that a key names: none, one or several."""
    value = getattr(section, key)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _name(source: str, label: str = "", frames: Mapping[str, Given] = MappingProxyType({})) -> str:
    """Name a table as messages do: its file, or what a frame replaces."""
    if label in frames:
        return label
    if in_database(source):
        address = source.partition("?")[0]
        return name_of_query(address, label) if label else mask(address)
    return PurePath(source).name
