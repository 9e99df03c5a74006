"""A project -> the tables that it names, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from data.schema import Project
from data.schema_tables import ConversionSection, ValueSection
from data.schema_types import Source

Table: TypeAlias = Source | ConversionSection | ValueSection


def declared_tables(project: Project) -> Iterator[tuple[str, Table]]:
    """Yield (label, section) of every table: "leads", "history.0", "join.0.history.0", "value".

    A frame stands in place of a table by its label.
    """
    leads = project.leads
    yield "leads", leads
    for i, history in enumerate(leads.history):
        yield f"history.{i}", history
    for i, join in enumerate(leads.join):
        yield f"join.{i}", join
        for j, history in enumerate(join.history):
            yield f"join.{i}.history.{j}", history
    for i, events in enumerate(project.events):
        yield f"events.{i}", events
    if project.conversion.source:
        yield "conversion", project.conversion
    if project.value.source:
        yield "value", project.value


def place_of(label: str) -> tuple[str | int, ...]:
    """Give the keys of a table's section in the project file.

    >>> place_of("join.0.history.1"), place_of("events.0")
    (('leads', 'join', 0, 'history', 1), ('events', 0))
    """
    keys = tuple(int(key) if key.isdecimal() else key for key in label.split("."))
    return ("leads", *keys) if keys[0] in ("history", "join") else keys
