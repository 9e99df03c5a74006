"""Files without a project file -> a commented project file that loads, for a person to correct."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from data.clock import NEVER
from data.errors import InputError
from data.sketch.acting_sides import outbound_types
from data.sketch.commented_toml import list_tables, propose_key, put_beside, remark, set_key
from data.sketch.delays import MAX_NAMED, converted_at, early_rows
from data.sketch.endings import ending_types
from data.sketch.event_units import amount_of, units_of
from data.sketch.guess import (
    ExportGuess,
    HistoryLook,
    Outcome,
    TableOutcome,
    find_dated,
    guess_export,
)
from data.sketch.looks import ColumnLook, FileLook, look_at_all
from data.sketch.outcomes import DateOutcome, StageOutcome
from data.sketch.payment_looks import value_table
from data.sketch.questions import Answers
from data.sketch.source_table import rule_name, rule_values, source_table
from data.sketch.table_links import child_time, event_type, lead_column, named
from data.sketch.vocabulary import (
    EVENT_ROLES,
    ID_NAME,
    RECORDED,
)
from data.sketch.write_columns import currency_of, other_stages, write_columns, write_roles
from data.sketch.write_outcome import (
    alternatives,
    closing_events,
    conversion_table,
    reads_with_leads,
    write_lead_outcome,
)

_EXAMPLES = """
# A column that the leak audit holds back is let through by a person who signs for it:
# [[waivers]]
# column = "…"
# detector = "S1"                            # as `leadscore check` prints it
# owner = "your name"
# reason = "why it was known before the conversion"
# date = "2026-01-31"
"""


def sketch_project(
    files: Sequence[str | Path],
    *,
    folder: str | Path = ".",
    name: str = "",
    answers: Answers | None = None,
    looking: AbstractContextManager[Callable[[str], None]] | None = None,
) -> str:
    """Write a project file for these files: TOML text with CHOOSE where it had to guess.

    Paths are written relative to `folder` (where the file will stand). `answers` says who chooses;
    left out, the likeliest guess is taken; `looking` shows progress, and ends before a question is
    asked. InputError only where a file cannot be read.
    """
    if not files:
        raise InputError("no file given", cure="leadscore init leads.csv touches.csv")
    answers = answers or Answers()
    with looking or nullcontext(lambda _: None) as stage:
        looks = look_at_all([Path(file) for file in files], on_stage=stage)
        stage("guessing what each column is")
        export = guess_export(looks, Path(folder))
    outcome, why = _choose_outcome(export, answers)
    export = _choose_created(export, outcome, answers)
    document = tomlkit.document()
    document.add(
        tomlkit.comment(
            "Written by `leadscore init` from the columns. Every guess is marked: check them, "
            "CHOOSE first."
        )
    )
    document.add("project", _project_table(export, looks, name or export.leads.stem, answers))
    document.add("leads", _leads_table(export, outcome, answers, why))
    units = _add_events(document, export, outcome, answers)
    document.add("conversion", conversion_table(outcome, export, answers, why))
    for look in export.unknown:
        document.add(remark(f"{look.path.name} is not used: {_why_unused(look, export)}."))
    money = value_table(export.payments, export.paid, export.folder) if export.created else None
    if money is not None:
        document.add("value", money)
    _add_report(document, export, units, paid=money is not None)
    return tomlkit.dumps(document) + _EXAMPLES


def _add_report(
    document: tomlkit.TOMLDocument, export: ExportGuess, units: dict[str, str], *, paid: bool
) -> None:
    """Add [report] with the currency in which customers pay and the units of event values."""
    files = [*(each.file for each in export.payments), *(each.file for each in export.paid)]
    currency = (currency_of(files[0]) if paid else None) or currency_of(export.leads)
    table = tomlkit.table()
    if currency and paid:
        set_key(table, "currency", currency, "check: as the amounts are written")
    elif currency:
        document.add(remark(f'[report]: currency = "{currency}", as the amounts are written'))
    if units:
        of_types = tomlkit.table()
        for name, unit in units.items():
            set_key(of_types, name, unit)
        table.add("units", of_types)
    if len(table):
        document.add("report", table)


def _choose_outcome(export: ExportGuess, answers: Answers) -> tuple[Outcome | None, str]:
    """Choose what a conversion is: (outcome, the comment beside it)."""
    found = export.outcomes
    if not found:
        return None, ""
    options = [f"{each.label} ({each.reason})" for each in found[:8]]
    chosen = answers.choose("What says that a lead converted?", options)
    outcome = found[chosen]
    sure = len(found) == 1 or outcome.points - found[1].points >= 4.0
    words = f"{outcome.reason}{alternatives(found, chosen)}"
    return outcome, f"check: {words}" if sure else answers.mark(words)


def _choose_created(export: ExportGuess, outcome: Outcome | None, answers: Answers) -> ExportGuess:
    """Choose when leads were created, and put it first; a date of the outcome it is not."""
    used = outcome.columns if isinstance(outcome, DateOutcome | StageOutcome) else set()
    found = tuple(column for column in export.created if column.name not in used)
    chosen = answers.choose("When was a lead entered?", [column.name for column in found])
    if not chosen:
        return replace(export, created=found)
    ordered = (found[chosen], *(c for place, c in enumerate(found) if place != chosen))
    return replace(export, created=ordered)


def _project_table(
    export: ExportGuess, looks: list[FileLook], name: str, answers: Answers
) -> Table:
    """Write [project]."""
    table = tomlkit.table()
    set_key(table, "name", re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.-")[:64] or "leads")
    set_key(table, "timezone", "UTC", "of times without an offset: check")
    _write_missing(table, looks, answers)
    if not export.created and export.ids.name == "#row":
        propose_key(table, "order_by", "#row", "if rows stand in time order")
    elif not export.created:
        propose_key(table, "order_by", "…", "a column that grows with time, if there is one")
    return table


def _write_missing(table: Table, looks: list[FileLook], answers: Answers) -> None:
    """Write the words that mean missing; of one that may be a value, a person says what it is."""
    missing = {word for look in looks for word in look.missing}
    for look in looks:
        for each in look.doubtful:
            if each.word in missing:
                continue
            share = f"{each.rows:,} rows, {each.rows / look.rows:.0%}"
            asked = f"Is {each.word!r} of {each.column} ({share}) a value, or does it mean missing?"
            if answers.choose(asked, ["a value", "it means missing"]):
                missing.add(each.word)
            elif answers.ask is None:
                table.add(remark(f"CHOOSE: {asked} Then add it to `missing`."))
    if missing:
        set_key(table, "missing", ["", *sorted(missing)], "words that mean missing: check")


def _leads_table(export: ExportGuess, outcome: Outcome | None, answers: Answers, why: str) -> Table:
    """Write [leads] with its filter, roles, dates, histories and joins."""
    leads, ids = export.leads, export.ids
    mine = outcome.columns if isinstance(outcome, DateOutcome | StageOutcome) else set()
    times = [leads.columns[name] for name in mine if leads.columns[name].kind == "time"]
    times = [column for column in times if reads_with_leads(column, export)]
    dated = {} if not export.created else find_dated(leads, {ids.name})
    clocks = [leads.columns[clock] for clock in dated.values()]
    table = source_table(leads, export.folder, *export.created[:1], *times, *clocks)
    _write_filter(table, export, outcome)
    set_key(table, "id", ids.name, _say_id(export))
    if export.alone:
        set_key(table, "repeated", "first", "the first event of each is its creation")
    elif export.repeated:
        words = f"{export.repeated:,} rows repeat an id: check which row of an id counts, or last"
        set_key(table, "repeated", "first", words)
    taken = {ids.name, *mine, *dated.values()}
    if export.created:
        created = export.created[0]
        others = "".join(f", or {c.name}" for c in export.created[1:4])
        words = f"the moment when the lead was entered{others}"
        set_key(
            table, "created_at", created.name, answers.mark(words) if others else f"check: {words}"
        )
        taken.add(created.name)
    else:
        table.add(remark("No creation time was found: static mode, no claim about time is made."))
    write_lead_outcome(table, outcome, export, why)
    _other_dates(table, export, taken)
    if not export.alone:
        taken |= write_roles(table, export, taken)
    replayed = {name for history in export.histories for name in history.fields}
    taken |= {*dated, *replayed}
    at = converted_at(outcome, export) if export.created else None
    won = outcome.rows() if isinstance(outcome, StageOutcome) else None
    if won is None and at is not None and len(at) == leads.rows:
        won = at != NEVER
    if export.created:
        taken |= other_stages(export, taken)
    if not export.alone:
        write_columns(table, leads, taken, static=not export.created, answers=answers, won=won)
    _add_dated(table, dated)
    if export.histories:
        table.add("history", list_tables([_history_table(h, export) for h in export.histories]))
    if export.joins:
        joins = [_join_table(*join, export, answers) for join in export.joins]
        table.add("join", list_tables(joins))
    return table


def _say_id(export: ExportGuess) -> str:
    """Say why this column is the id."""
    if export.ids.name == "#row":
        return "CHOOSE: no column tells leads apart, so rows are counted; name one if there is one"
    if re.search(ID_NAME, export.ids.name.lower()):
        return ""
    return "check: no column is called an id; this one differs from row to row"


def _why_unused(look: FileLook, export: ExportGuess) -> str:
    """Say what a file lacks."""
    lead = lead_column(look, export.ids)
    if lead is None:
        return "no column was found that names leads"
    if export.alone and look.of_kind("time"):
        return (
            f"as no file has one row for each lead, leads begin with {export.leads.path.name}; "
            "add its events as [[events]]"
        )
    return f"{lead.name} names leads, but no column was read as a date"


def _write_filter(table: Table, export: ExportGuess, outcome: Outcome | None) -> None:
    """Write `where` for rows that cannot be read: without a creation, or converted before it."""
    rules, reasons = [], []
    created = export.created[0] if export.created else None
    if export.ids.filled < 1.0:
        rules.append(f"{rule_name(export.ids.name)} is known")
        reasons.append(f"{1 - export.ids.filled:.1%} of the rows have no {export.ids.name}")
    if created is not None and created.filled < 1.0:
        rules.append(f"{rule_name(created.name)} is known")
        blank = export.leads.rows - int(created.known().sum())
        reasons.append(f"{blank:,} rows ({1 - created.filled:.0%}) have no {created.name}")
    stage = outcome if isinstance(outcome, StageOutcome) else None
    if stage and not (stage.closed and export.created) and not stage.blank_is_no:
        flag = stage.column
        if flag.filled < 1.0:
            rules.append(f"{rule_name(flag.name)} is known")
            reasons.append(f"{1 - flag.filled:.0%} of the rows have no {flag.name}")
    early = early_rows(outcome, export)
    if early is not None and 0 < early.sum() <= MAX_NAMED:
        odd = [str(word) for word in export.ids.texts()[early]]
        rules.append(f"not ({rule_name(export.ids.name)} {rule_values(odd)})")
        reasons.append(f"{len(odd):,} convert before they are created")
    elif early is not None:
        table.add(remark(f"{int(early.sum()):,} rows convert before they are created: see dates"))
    if rules:
        words = f"check: left out, as {' and '.join(reasons)}"
        set_key(table, "where", " and ".join(rules), words)


def _other_dates(table: Table, export: ExportGuess, taken: set[str]) -> None:
    """List the dates of some leads only, among which another outcome may be."""
    dates = [c for c in export.leads.of_kind("time") if c.filled < 1 and c.name not in taken]
    if dates and export.created:
        table.add(remark("Dates of some leads only: converted_at or disqualified_at among them?"))
        for column in dates:
            table.add(remark(f"  {column.name}: in {column.filled:.0%} of the rows"))


def _add_dated(table: Table, dated: dict[str, str]) -> None:
    """Add [leads.known_at]."""
    if dated:
        clocks = tomlkit.table()
        put_beside(clocks, "[leads.known_at]", "column = the column that says when it became known")
        for name, clock in dated.items():
            set_key(clocks, name, clock)
        table.add("known_at", clocks)


def _history_table(history: HistoryLook, export: ExportGuess) -> Table:
    """Write [[leads.history]]."""
    table = source_table(history.file, export.folder, history.at)
    put_beside(table, "[[leads.history]]", "value at any moment is replayed from it")
    for role in ("lead", "field", "old", "new", "at"):
        set_key(table, role, getattr(history, role).name)
    return table


def _join_table(
    look: FileLook, on: ColumnLook, key: ColumnLook, export: ExportGuess, answers: Answers
) -> Table:
    """Write [[leads.join]]."""
    table = source_table(look, export.folder)
    put_beside(table, "[[leads.join]]", "attributes by key")
    set_key(table, "on", on.name)
    if key.name != on.name:
        set_key(table, "key", key.name)
    write_columns(table, look, {key.name}, static=not export.created, answers=answers)
    return table


def _add_events(
    document: tomlkit.TOMLDocument, export: ExportGuess, outcome: Outcome | None, answers: Answers
) -> dict[str, str]:
    """Add [[events]]: files of events, and tables of opportunities that are not the outcome.

    Gives the units of the events' values by event type.
    """
    used = outcome.file if isinstance(outcome, TableOutcome) else None
    files = [look for look in (*export.events, *export.deals) if look is not used]
    if not export.created:
        for look in files:
            document.add(remark(f"{look.path.name} is not used: leads have no creation time."))
        return {}
    events = [_event_table(look, export, answers) for look in files]
    closing = closing_events(outcome, export)
    tables = [*events, *([] if closing is None else [closing])]
    if tables:
        document.add("events", list_tables(tables))
    return units_of(files, export)


def _event_table(look: FileLook, export: ExportGuess, answers: Answers) -> Table:
    """Write [[events]]."""
    lead, kind = lead_column(look, export.ids), event_type(look, export.ids)
    lead = export.ids if lead is None else lead
    at = child_time(look)
    recorded = named([c for c in look.of_kind("time") if c is not at], RECORDED)
    table = source_table(look, export.folder, at, recorded)
    set_key(table, "lead", lead.name)
    set_key(table, "at", at.name)
    if recorded:
        set_key(table, "recorded_at", recorded.name, "second clock: when it was entered")
    set_key(table, "type", [kind.name] if kind else [f"={look.stem}"], "check")
    rest = [c for c in look.of_kind("text", "number") if c is not lead and c is not kind]
    for role, pattern in EVENT_ROLES.items():
        if column := named(rest, pattern):
            set_key(table, role, column.name)
    if kind and not named(rest, EVENT_ROLES["direction"]):
        _write_outbound(table, kind, answers)
    amount = amount_of(look, [c for c in (lead, kind) if c is not None])
    if amount:
        set_key(table, "value", amount[0].name, f"{amount[1]}: sums of it become features")
    if kind:
        sure, doubtful = ending_types(lead, kind, at)
        if sure:
            set_key(table, "outcome", sure, "check: these end a lead, nothing follows them")
        else:
            propose_key(table, "outcome", doubtful[:8], "types that end a lead: check")
    return table


def _write_outbound(table: Table, kind: ColumnLook, answers: Answers) -> None:
    """Write which types sales does by their names; where others may be either's, a person says."""
    sales, doubtful = outbound_types(kind)
    if not sales:
        return
    words = "check: what sales does; the other types are the leads' own"
    if doubtful:
        either = ", ".join(doubtful[:5])
        asked = f"Sales does {', '.join(sales[:5])}. Are these the leads' own: {either}?"
        sales += doubtful * answers.choose(asked, ["yes", "no, sales does them"])
        words = answers.mark(f"what sales does; add {either} if sales does it")
    set_key(table, "outbound", sales, words)


def count_choices(text: str) -> int:
    """Count the lines that ask to CHOOSE, but for the one that explains them."""
    return sum("CHOOSE:" in line for line in text.splitlines())
