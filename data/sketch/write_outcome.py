"""The chosen outcome -> the keys that say it: in [leads], an [[events]] table, or [conversion]."""

from __future__ import annotations

from typing import Final

import tomlkit
from tomlkit.items import Table

from data.schema_tables import LeadsSection
from data.sketch.commented_toml import propose_key, remark, set_key
from data.sketch.date_looks import same_form
from data.sketch.delays import propose_ages, propose_horizon, propose_recorded_from
from data.sketch.guess import (
    EventOutcome,
    ExportGuess,
    Outcome,
    TableOutcome,
)
from data.sketch.looks import ColumnLook, share_of
from data.sketch.outcomes import DateOutcome, StageOutcome
from data.sketch.questions import Answers
from data.sketch.source_table import add_source, rule_name, rule_values, source_table
from data.sketch.table_links import event_type

_SHOWN: Final = 5
_NEARLY_ALL: Final = 0.98
_USUAL_YES: Final = frozenset(LeadsSection.model_fields["converted_values"].default)


def write_lead_outcome(
    table: Table, outcome: Outcome | None, export: ExportGuess, why: str
) -> None:
    """Add to [leads] what it says of the outcome: a date, a flag, or when a lead was closed."""
    match outcome:
        case DateOutcome() if reads_with_leads(outcome.column, export):
            set_key(table, "converted_at", outcome.column.name, why)
            if (
                outcome.lost is not None
                and export.created
                and reads_with_leads(outcome.lost, export)
            ):
                set_key(table, "disqualified_at", outcome.lost.name, "check: when it was lost")
        case StageOutcome() if not export.created or outcome.closed is None:
            set_key(table, "converted", outcome.column.name, why)
            if not {word.strip().lower() for word in outcome.won} <= _USUAL_YES:
                set_key(table, "converted_values", list(outcome.won), "check: what says converted")
        case StageOutcome() if outcome.closed is not None and _closes_leads(outcome, export):
            words = "check: when it was closed, won or lost; open ones have none"
            set_key(table, "disqualified_at", outcome.closed.name, words)
        case None:
            times = [c.name for c in export.leads.of_kind("time", "flag", "text")][:12]
            set_key(
                table,
                "converted",
                "CHOOSE",
                "CHOOSE: no column looks like an outcome; name one with yes and no, or set "
                f"converted_at to a date: {', '.join(times)}",
            )


def reads_with_leads(column: ColumnLook, export: ExportGuess) -> bool:
    """Tell whether a date of the leads is written as their creation is: they share a format."""
    created = export.created[0] if export.created else column
    return same_form(column.date_format, created.date_format)


def _closes_leads(outcome: StageOutcome, export: ExportGuess) -> bool:
    """Tell whether a date says of each lead when it was closed: of lost ones as well."""
    closed = outcome.closed
    if closed is None or not outcome.closed_alone or not reads_with_leads(closed, export):
        return False
    return share_of(outcome.rows(), closed.known()) < _NEARLY_ALL


def closing_events(outcome: Outcome | None, export: ExportGuess) -> Table | None:
    """Make the [[events]] of being won or lost, where open leads have a closing date as well."""
    if not (isinstance(outcome, StageOutcome) and outcome.closed is not None and export.created):
        return None
    if not outcome.lost or (outcome.closed_alone and reads_with_leads(outcome.closed, export)):
        return None
    table = source_table(export.leads, export.folder, outcome.closed)
    ends = rule_values([*outcome.won, *outcome.lost])
    set_key(table, "where", f"{rule_name(outcome.column.name)} {ends}", "closed leads only")
    set_key(table, "lead", export.ids.name)
    set_key(table, "at", outcome.closed.name, "check: when it was won or lost")
    set_key(table, "type", [outcome.column.name])
    set_key(table, "outcome", list(outcome.lost), "check: what ends a lead without converting it")
    return table


def conversion_table(
    outcome: Outcome | None, export: ExportGuess, answers: Answers, why: str
) -> Table:
    """Write [conversion]: where it is read from, the horizon and the ages to learn from."""
    table = tomlkit.table()
    match outcome:
        case TableOutcome():
            add_source(table, outcome.file, export.folder, outcome.at)
            set_key(table, "lead", outcome.lead.name)
            set_key(table, "at", outcome.at.name, why)
            if outcome.stage is not None:
                won = f"{rule_name(outcome.stage.name)} {rule_values(outcome.won)}"
                set_key(table, "where", won, "check: what says won")
        case EventOutcome():
            kind = event_type(outcome.file, export.ids)
            listed = sorted(set(kind.words() if kind else ()))
            more = f" and {len(listed) - 40} more" if len(listed) > 40 else ""
            words = answers.mark(f"of {', '.join(listed[:40])}{more}")
            set_key(table, "event", outcome.word, words)
        case DateOutcome() if not reads_with_leads(outcome.column, export):
            add_source(table, export.leads, export.folder, outcome.column)
            set_key(table, "lead", export.ids.name)
            set_key(table, "at", outcome.column.name, why)
        case StageOutcome() if outcome.closed is not None and export.created:
            _won_rows(table, outcome, export, why)
    if not export.created:
        table.add(
            remark("The flag leads.converted is the outcome; without dates there is no horizon.")
        )
        return table
    _horizon(table, outcome, export, answers)
    return table


def _won_rows(table: Table, outcome: StageOutcome, export: ExportGuess, why: str) -> None:
    """Say that being won is the conversion: as an event, or as rows of the leads themselves."""
    if closing_events(outcome, export) is not None:
        set_key(table, "event", list(outcome.won), why)
        return
    add_source(table, export.leads, export.folder, outcome.closed)
    set_key(table, "lead", export.ids.name)
    assert outcome.closed is not None
    set_key(table, "at", outcome.closed.name, "check: when it was won")
    set_key(table, "where", f"{rule_name(outcome.column.name)} {rule_values(outcome.won)}", why)


def _horizon(table: Table, outcome: Outcome | None, export: ExportGuess, answers: Answers) -> None:
    """Add the horizon, and the ages of leads where it is known when they converted."""
    days, reason = propose_horizon(outcome, export)
    options = [f"{days} days: {reason.removeprefix('CHOOSE: ')}"]
    options += [f"{other} days" for other in (30, 60, 90, 180, 365) if other != days]
    chosen = answers.choose("Within how long after a day must a lead convert to count?", options)
    horizon = options[chosen].split(" ")[0]
    set_key(table, "horizon", f"{horizon}d", reason if answers.ask is None else "chosen")
    undated = outcome is None or (isinstance(outcome, StageOutcome) and outcome.closed is None)
    if undated:
        table.add(remark("It is not known when leads converted: they are learnt from at creation."))
        return
    if since := propose_recorded_from(outcome, export):
        set_key(table, "recorded_from", *since)
    ages = "ages of leads to learn from: as old as open leads get"
    set_key(table, "snapshots", propose_ages(outcome, export, int(horizon)), ages)
    propose_key(table, "snapshots", "weekly", "or all open leads on Mondays, or monthly")


def alternatives(outcomes: tuple[Outcome, ...], chosen: int) -> str:
    """List the other guesses, for the comment beside the outcome."""
    others = [o for place, o in enumerate(outcomes) if place != chosen and o.points >= 1.0]
    shown = "; or ".join(f"{o.label} ({o.reason})" for o in others[:_SHOWN])
    return f"; or {shown}" if shown else ""
