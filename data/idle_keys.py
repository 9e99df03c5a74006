"""A project file -> the keys that stand in it and would have no effect, each with the cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from data.declared_tables import declared_tables, place_of
from data.reading.object_files import in_database
from data.schema import Project
from data.schema_tables import Attributes
from data.schema_types import Section

_STATIC = "has no effect in static mode, where no time is known"
_DATED = "declare leads.created_at, or take it out"


@dataclass(frozen=True, slots=True)
class IdleKey:
    """A key by its path in the file, why nothing reads it, and what to do."""

    path: tuple[str | int, ...]
    cause: str
    cure: str


def idle_keys(project: Project) -> Iterator[IdleKey]:
    """Yield every key that is given and read by nothing, in the order of the sections."""
    yield from _without_time(project)
    yield from _of_order(project)
    yield from _of_leads(project)
    yield from _of_conversion(project)
    yield from _of_value(project)
    for label, section in declared_tables(project):
        yield from _of_source(place_of(label), section)
    if not project.static and project.train.split == "random":
        yield IdleKey(
            ("train", "split"),
            '"random" has no effect: with leads.created_at rows are cut in time',
            "take it out, or leave out leads.created_at",
        )
    for key in ("windows", "answers"):
        if project.static and key in project.train.model_fields_set:
            yield IdleKey(("train", key), _STATIC, _DATED)


def _without_time(project: Project) -> Iterator[IdleKey]:
    """Yield leads.created_at where it is left out and dated tables are declared."""
    leads = project.leads
    logs = leads.history or any(join.history for join in leads.join)
    for tables, words in ((project.events, "events are"), (logs, "a history is")):
        if project.static and tables:
            cure = "declare leads.created_at, or take these tables out"
            yield IdleKey(("leads", "created_at"), f"is needed where {words} declared", cure)


def _given(section: Section, *keys: str) -> list[str]:
    """List which of the keys stand in the file, and say something."""
    return [key for key in keys if key in section.model_fields_set and getattr(section, key)]


def _of_order(project: Project) -> Iterator[IdleKey]:
    section = project.project
    if not project.static:
        for key in _given(section, "order_by", "order"):
            cause = "has no effect: with leads.created_at the order is that of creation"
            yield IdleKey(("project", key), cause, "take it out, or leave out leads.created_at")
    elif section.order_by is None and "order" in section.model_fields_set:
        yield IdleKey(("project", "order"), "has no effect without order_by", "declare order_by")


def _of_leads(project: Project) -> Iterator[IdleKey]:
    leads = project.leads
    if leads.converted is None and "converted_values" in leads.model_fields_set:
        yield IdleKey(
            ("leads", "converted_values"),
            "has no effect without leads.converted",
            'declare the flag: converted = "COLUMN"',
        )
    tables: list[tuple[tuple[str | int, ...], Attributes]] = [(("leads",), leads)]
    tables += [(("leads", "join", i), join) for i, join in enumerate(leads.join)]
    for path, section in tables:
        if project.static:
            keys = ("fixed", "known_at", "recorded_at" if section is leads else "fixed")
            for key in dict.fromkeys(_given(section, *keys)):
                cure = f"{_DATED}: every column but those of exclude is a feature"
                yield IdleKey((*path, key), _STATIC, cure)
        for name in sorted({*section.fixed, *section.known_at} & set(section.exclude)):
            yield IdleKey(
                (*path, "exclude"),
                f"takes {name!r} out, which fixed or known_at takes in",
                "name the column once",
            )


def _of_conversion(project: Project) -> Iterator[IdleKey]:
    section = project.conversion
    if project.static:
        keys = ("horizon", "horizon_from", "snapshots", "recorded_from", "event", "source")
        for key in _given(section, *keys):
            yield IdleKey(("conversion", key), _STATIC, _DATED)
    if section.source is None:
        told = ("query", "lead", "at", "where", "date_format", "delimiter", "encoding", "decimal")
        for key in _given(section, *told):
            yield IdleKey(
                ("conversion", key),
                "has no effect: it belongs to a table of opportunities",
                "declare conversion.source, or take it out",
            )


def _of_value(project: Project) -> Iterator[IdleKey]:
    section = project.value
    if section.event:
        told = ("query", "lead", "at", "recorded_at", "where", "date_format", "delimiter")
        for key in _given(section, *told, "encoding", "decimal", "type"):
            yield IdleKey(
                ("value", key),
                "has no effect: it belongs to a table of payments",
                "say it of the source of these events, or declare value.source",
            )


def _of_source(path: tuple[str | int, ...], section: Section) -> Iterator[IdleKey]:
    """Yield keys of another kind of source: a query of a file, a delimiter of a database."""
    source = str(getattr(section, "source", ""))
    asked = in_database(source)
    if not asked:
        for key in _given(section, "query"):
            yield IdleKey((*path, key), "has no effect: the source is a file", "use `where`")
    if asked or PurePath(source).suffix.lower() in (".parquet", ".pq"):
        kind = "a database" if asked else "a Parquet file"
        for key in _given(section, "delimiter", "encoding"):
            yield IdleKey((*path, key), f"has no effect: the source is {kind}", "take it out")
