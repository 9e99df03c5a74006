"""The rows of a request -> the tables that the reader takes in place of a project's sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from data.errors import InputError
from data.reading.event_columns import columns_of
from data.reading.plain_columns import table_of_rows
from data.schema import Project
from data.schema_tables import History
from serving.http.api import Lead


def request_tables(project: Project, leads: Sequence[Lead]) -> dict[str, pa.Table]:
    """Lay rows out by source; sources that the request leaves out stay empty.

    InputError where a lead has no id or occurs twice, or rows belong to no source of the project.
    """
    joins = project.leads.join
    changes = [f"{i}.{j}" for i, join in enumerate(joins) for j in range(len(join.history))]
    for lead in leads:
        _declared("events", lead.events, _numbers(project.events))
        _declared("joined", lead.joined, _numbers(joins))
        _declared("history", lead.history, _numbers(project.leads.history))
        _declared("joined_history", lead.joined_history, changes)
    ids = [lead_id(project, lead) for lead in leads]
    if len(set(ids)) < len(ids):
        raise InputError("a lead is there twice", column=project.leads.id)
    tables = {"leads": table_of_rows([lead.attributes for lead in leads])}
    for i, section in enumerate(project.events):
        rows = [
            {**event, section.lead: own}
            for own, lead in zip(ids, leads, strict=True)
            for event in lead.events.get(str(i), ())
        ]
        tables[f"events.{i}"] = table_of_rows(rows, columns_of(section))
    for i, history in enumerate(project.leads.history):
        rows = [
            {**change, history.lead: own}
            for own, lead in zip(ids, leads, strict=True)
            for change in lead.history.get(str(i), ())
        ]
        tables[f"history.{i}"] = table_of_rows(rows, _history_columns(history))
    for i, join in enumerate(joins):
        given = [lead.joined[str(i)] for lead in leads if str(i) in lead.joined]
        tables[f"join.{i}"] = table_of_rows(_different(given), [join.key or join.on])
        for j, history in enumerate(join.history):
            sent = [row for lead in leads for row in lead.joined_history.get(f"{i}.{j}", ())]
            columns = _history_columns(history)
            tables[f"join.{i}.history.{j}"] = table_of_rows(_different(sent), columns)
    return tables


def lead_id(project: Project, lead: Lead) -> str:
    """Return the id of a lead; InputError where it is missing or no text."""
    value = lead.attributes.get(project.leads.id)
    if not isinstance(value, str):
        raise InputError("is no id: send it as text", column=project.leads.id)
    return value


def sent_tables(lead: Lead) -> set[str]:
    """Name the tables of a lead that a request holds, as `read_tables` calls them."""
    changes = [f"join.{each.replace('.', '.history.')}" for each in lead.joined_history]
    whole = [*(f"events.{i}" for i in lead.events), *(f"history.{i}" for i in lead.history)]
    return {*whole, *changes, *(f"join.{i}" for i in lead.joined)}


def _numbers(sections: Sequence[object]) -> list[str]:
    return [str(i) for i in range(len(sections))]


def _history_columns(history: History) -> list[str]:
    return [history.lead, history.field, history.old, history.new, history.at]


def _declared(field: str, given: Mapping[str, object], known: Sequence[str]) -> None:
    """Refuse rows that would be ignored: a score without them would be wrong."""
    for place in given:
        if place not in known:
            expected = f"{field} {known[0]} to {known[-1]}" if known else f"no {field}"
            raise InputError(f"the project file has {expected}, not {place}", column=field)


def _different(rows: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Keep one of equal rows: all leads of one account bring the same account row."""
    known = [{key: value for key, value in row.items() if value is not None} for row in rows]
    return [row for i, row in enumerate(known) if row not in known[:i]]
