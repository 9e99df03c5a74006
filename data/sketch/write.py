"""Files without a project file -> a commented project file that loads, for a person to correct."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from data.errors import InputError
from data.reading.review import guess_of
from data.sketch.commented_toml import list_tables, propose_key, put_beside, remark, set_key
from data.sketch.guess import (
    CONVERSION_TYPES,
    EVENT_ROLES,
    LABEL_TIME,
    LOST_TIME,
    OUTCOME_TYPES,
    RECORDED,
    ROLES,
    ExportGuess,
    HistoryLook,
    event_type,
    find_dated,
    guess_column,
    guess_export,
    lead_column,
    named,
    propose_ages,
)
from data.sketch.looks import ColumnLook, FileLook, look_at


def sketch_project(files: Sequence[str | Path], *, folder: str | Path = ".", name: str = "") -> str:
    """Write a project file for these files: TOML text with comments where a person must look.

    Paths are written relative to `folder` (where the file will stand). InputError where no leads
    or nothing that could be a conversion is found.
    """
    if not files:
        raise InputError("no file given", cure="leadscore init leads.csv touches.csv")
    looks = [look_at(Path(file)) for file in files]
    export = guess_export(looks, Path(folder))
    document = tomlkit.document()
    document.add(
        tomlkit.comment(
            "Written by `leadscore init` from the columns. Every guess is marked: check them."
        )
    )
    document.add("project", _project_table(export, looks, name or export.leads.stem))
    document.add("leads", _leads_table(export))
    events = [] if export.created is None else [_event_table(e, export) for e in export.events]
    if events:
        document.add("events", list_tables(events))
    document.add("conversion", _conversion_table(export))
    for look in export.unknown:
        document.add(remark(f"{look.path.name} was not understood: no column refers to a lead."))
    return tomlkit.dumps(document)


def _project_table(export: ExportGuess, looks: list[FileLook], name: str) -> Table:
    """Write [project]."""
    table = tomlkit.table()
    set_key(table, "name", re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")[:64] or "leads")
    set_key(table, "timezone", "UTC", "of times without an offset: check")
    missing = sorted({word for look in looks for word in look.missing})
    if missing:
        set_key(table, "missing", ["", *missing], "words that mean missing: check")
    if export.created is None and export.ids.name == "#row":
        propose_key(table, "order_by", "#row", "if rows stand in time order")
    elif export.created is None:
        propose_key(table, "order_by", "…", "a column that grows with time, if there is one")
    return table


def _source_table(look: FileLook, folder: Path, *times: ColumnLook | None) -> Table:
    """Begin a table with the keys that every source has."""
    table = tomlkit.table()
    set_key(table, "source", _path(look, folder))
    if look.encoding != "utf-8":
        set_key(
            table, "encoding", look.encoding, "the file is not UTF-8: check letters with accents"
        )
    formats = {c.date_format for c in times if c is not None and c.date_format}
    if formats:
        doubtful = any(c.ambiguous for c in times if c is not None)
        comment = "day and month may be exchanged: check" if doubtful else ""
        set_key(table, "date_format", min(formats), comment)
    decimals = [c for c in look.of_kind("number") if _has_comma(c)]
    if decimals:
        set_key(table, "decimal", ",", f"as in {decimals[0].name}")
    return table


def _path(look: FileLook, folder: Path) -> str:
    """Write the path of a file: below LEADSCORE_DATA, below the folder, or absolute."""
    path = look.path.resolve()
    root = os.environ.get("LEADSCORE_DATA")
    if root and path.is_relative_to(Path(root).resolve()):
        return "${LEADSCORE_DATA}/" + path.relative_to(Path(root).resolve()).as_posix()
    if path.is_relative_to(folder.resolve()):
        return path.relative_to(folder.resolve()).as_posix()
    return path.as_posix()


def _has_comma(column: ColumnLook) -> bool:
    """Tell whether numbers are written with a decimal comma."""
    return any("," in str(value) for value in column.values[:50].to_pylist())


def _leads_table(export: ExportGuess) -> Table:
    """Write [leads] with its roles, dates, histories and joins."""
    leads, ids = export.leads, export.ids
    table = _source_table(leads, export.folder, *leads.of_kind("time"))
    repeated = leads.rows - ids.distinct if ids.name in leads.columns else 0
    warning = f"{repeated:,} rows repeat an id: keep one row per lead" if repeated else ""
    set_key(table, "id", ids.name, warning)
    taken = {ids.name}
    if export.created is not None:
        taken |= _write_dates(table, export, export.created)
    elif export.flag is not None:
        table.add(
            remark("No creation time was found: static mode, no claim about time can be made.")
        )
        flags = ", ".join(column.name for column in leads.of_kind("flag"))
        set_key(table, "converted", export.flag.name, f"CHOOSE the outcome: of {flags}")
        taken.add(export.flag.name)
    for role, pattern in ROLES.items():
        column = named([c for c in leads.of_kind("text", "number") if c.name not in taken], pattern)
        if column and not (export.created is None and role in ("account", "name")):
            set_key(table, role, column.name, "check")
            if role not in ("channel", "title"):
                taken.add(column.name)
    dated = {} if export.created is None else find_dated(leads, taken)
    replayed = {name for history in export.histories for name in history.fields}
    _write_columns(table, leads, {*taken, *dated, *replayed}, static=export.created is None)
    if dated:
        clocks = tomlkit.table()
        put_beside(clocks, "[leads.known_at]", "column = the column that says when it became known")
        for name, clock in dated.items():
            set_key(clocks, name, clock)
        table.add("known_at", clocks)
    if export.histories:
        table.add("history", list_tables([_history_table(h, export) for h in export.histories]))
    if export.joins:
        table.add("join", list_tables([_join_table(*join, export) for join in export.joins]))
    return table


def _write_dates(table: Table, export: ExportGuess, created: ColumnLook) -> set[str]:
    """Write the time of creation and what may have become of a lead; returns the columns used."""
    set_key(table, "created_at", created.name, "check: the moment when the lead was entered")
    dates = [c for c in export.leads.of_kind("time") if c.filled < 1]
    used = {created.name}
    for role, pattern in (("converted_at", LABEL_TIME), ("disqualified_at", LOST_TIME)):
        column = named(dates, pattern)
        if column:
            sure = role == "converted_at" and export.deals is None  # else no conversion is known
            write = set_key if sure else propose_key
            write(table, role, column.name, "a guess by its name")
            dates = [date for date in dates if date is not column]
            used.add(column.name)
    if dates:
        table.add(remark("Dates of some leads only: converted_at or disqualified_at among them?"))
    for column in dates:
        table.add(remark(f"  {column.name}: in {column.filled:.0%} of the rows"))
    return used


def _write_columns(table: Table, look: FileLook, taken: set[str], *, static: bool) -> None:
    """Propose `fixed` and `exclude` for the columns without a role."""
    rest = [
        c for c in look.columns.values() if c.name not in taken and c.kind not in ("time", "empty")
    ]
    guesses = {c.name: guess_of(c.name)[0] if static else guess_column(c, look) for c in rest}
    doubtful = {name: guess for name, guess in guesses.items() if guess != "fixed"}
    if static:
        table.add(
            remark("Every column but the excluded ones is a feature. By their names suspicious:")
        )
        for name, guess in doubtful.items():
            table.add(remark(f"  {name}: {guess}"))
        propose_key(table, "exclude", list(doubtful))
        return
    for line in (
        "A column is a feature only if it is declared: fixed at creation, or dated.",
        "Uncomment what was known when the lead was created and never changed since:",
    ):
        table.add(remark(line))
    propose_key(table, "fixed", [name for name in guesses if name not in doubtful])
    for name, guess in doubtful.items():
        table.add(remark(f"  {name}: {guess}? then it needs known_at or a history"))


def _history_table(history: HistoryLook, export: ExportGuess) -> Table:
    """Write [[leads.history]]."""
    table = _source_table(history.file, export.folder, history.at)
    put_beside(table, "[[leads.history]]", "value at any moment is replayed from it")
    for role in ("lead", "field", "old", "new", "at"):
        set_key(table, role, getattr(history, role).name)
    return table


def _join_table(look: FileLook, on: ColumnLook, key: ColumnLook, export: ExportGuess) -> Table:
    """Write [[leads.join]]."""
    table = _source_table(look, export.folder)
    put_beside(table, "[[leads.join]]", "attributes by key")
    set_key(table, "on", on.name)
    if key.name != on.name:
        set_key(table, "key", key.name)
    _write_columns(table, look, {key.name}, static=export.created is None)
    return table


def _event_table(look: FileLook, export: ExportGuess) -> Table:
    """Write [[events]]."""
    lead, kind = lead_column(look, export.ids), event_type(look, export.ids)
    times = look.of_kind("time")
    assert lead is not None
    recorded = named(times, RECORDED)
    at = next((c for c in times if c is not recorded), times[0])
    table = _source_table(look, export.folder, at, recorded)
    set_key(table, "lead", lead.name)
    set_key(table, "at", at.name)
    if recorded and recorded is not at:
        set_key(table, "recorded_at", recorded.name, "second clock: when it was entered")
    set_key(table, "type", [kind.name] if kind else [f"={look.stem}"], "check")
    rest = [c for c in look.of_kind("text", "number") if c is not lead and c is not kind]
    for role, pattern in EVENT_ROLES.items():
        if column := named(rest, pattern):
            set_key(table, role, column.name)
    if kind:
        ends = [w for w in kind.values.to_pylist() if re.search(OUTCOME_TYPES, str(w).lower())]
        propose_key(table, "outcome", ends[:8], "types that end a lead: check")
    return table


def _conversion_table(export: ExportGuess) -> Table:
    """Write [conversion]: a table of deals, a column of leads, or an event; InputError else."""
    if export.created is None:
        if export.flag is None:
            raise InputError(
                "no column could be the outcome",
                file=export.leads.path.name,
                cure="a yes/no column such as `converted` is needed",
            )
        table = tomlkit.table()
        table.add(
            remark("The flag leads.converted is the outcome; without dates there is no horizon.")
        )
        return table
    if export.deals is not None:
        table = _deals_table(export.deals, export)
    elif named([c for c in export.leads.of_kind("time") if c.filled < 1], LABEL_TIME):
        table = tomlkit.table()  # leads.converted_at is the conversion
    else:
        table = _converting_event_table(export)
    covers = "`leadscore check` prints which share of conversions it covers"
    set_key(table, "horizon", "90d", covers)
    ages = "ages of leads to learn from: as old as open leads get"
    set_key(table, "snapshots", propose_ages(export.created), ages)
    return table


def _deals_table(deals: FileLook, export: ExportGuess) -> Table:
    """Begin [conversion] with a file of deals."""
    lead, at = lead_column(deals, export.ids), deals.of_kind("time")[0]
    table = _source_table(deals, export.folder, at)
    set_key(table, "lead", lead.name if lead else export.ids.name)
    set_key(table, "at", at.name, "check: when the opportunity was made")
    return table


def _converting_event_table(export: ExportGuess) -> Table:
    """Begin [conversion] with the likeliest type of event."""
    kinds = [kind for look in export.events if (kind := event_type(look, export.ids))]
    words = [str(word) for kind in kinds for word in kind.values.to_pylist()]
    if not words:
        raise InputError(
            "nothing could be the conversion",
            file=export.leads.path.name,
            cure="a date of conversion, a table of deals, or events are needed",
        )
    likely = [w for pattern in CONVERSION_TYPES for w in words if re.search(pattern, w.lower())]
    listed = sorted(set(words))
    more = f" and {len(listed) - 40} more" if len(listed) > 40 else ""
    table = tomlkit.table()
    choose = f"CHOOSE: of {', '.join(listed[:40])}{more}"
    set_key(table, "event", (likely or words)[0], choose)
    return table
