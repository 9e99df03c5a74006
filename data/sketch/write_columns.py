"""The columns of a table -> their roles; those without one as `fixed` or `exclude`."""

from __future__ import annotations

import re

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from tomlkit.items import Table

from data.reading.review import ends_among, guess_in_time, guess_of
from data.sketch.commented_toml import propose_key, remark, set_key
from data.sketch.guess import ExportGuess, guess_column
from data.sketch.looks import ColumnLook, FileLook, share_of
from data.sketch.outcomes import lead_outcomes
from data.sketch.questions import Answers
from data.sketch.table_links import named
from data.sketch.vocabulary import (
    COMPANIES_NAME,
    COMPANY_NAME,
    FIRST_NAME,
    LAST_NAME,
    PERSON_NAME,
    ROLES,
    TEAM_NAME,
    VALUE_NAME,
    speaks_of,
)


def write_columns(
    table: Table,
    look: FileLook,
    taken: set[str],
    *,
    static: bool,
    answers: Answers,
    won: NDArray[np.bool_] | None = None,
) -> None:
    """Propose `fixed` and `exclude`; `won` marks the rows that converted, where it is known."""
    rest = [
        c for c in look.columns.values() if c.name not in taken and c.kind not in ("time", "empty")
    ]
    guesses = {c.name: guess_now(c, look, won, static=static) for c in rest}
    doubtful = {name: guess for name, guess in guesses.items() if guess != "fixed"}
    if static:
        table.add(
            remark("Every column but the excluded ones is a feature. By their names suspicious:")
        )
        for name, guess in doubtful.items():
            table.add(remark(f"  {name}: {guess}"))
        _write_excluded(table, list(doubtful), answers)
        return
    fixed = [name for name in guesses if name not in doubtful]
    _write_fixed(table, look, fixed, answers)
    for name, guess in doubtful.items():
        table.add(remark(f"  {name}: {guess}? then it needs known_at or a history"))


def _write_excluded(table: Table, doubtful: list[str], answers: Answers) -> None:
    """Leave out the suspicious columns where a person says so; else propose it in a comment."""
    asked = f"Leave out what may have been filled in later: {', '.join(doubtful)}?"
    yes = answers.accept
    if doubtful and answers.ask is not None:
        yes = answers.choose(asked, ["yes, leave them out", "no, they were known before"]) == 0
    if yes and doubtful:
        words = answers.mark("take out of it what was known before the outcome")
        set_key(table, "exclude", doubtful, words)
        return
    propose_key(table, "exclude", doubtful)


def _write_fixed(table: Table, look: FileLook, fixed: list[str], answers: Answers) -> None:
    """Declare the columns where a person says so; else propose them in a comment."""
    asked = (
        f"Were these of {look.path.name} known at creation, unchanged since: {', '.join(fixed)}?"
    )
    yes = answers.accept
    if fixed and answers.ask is not None:
        yes = answers.choose(asked, ["yes, learn from them", "no, leave them out"]) == 0
    table.add(remark("A column is a feature only if it is declared: fixed at creation, or dated."))
    if yes and fixed:
        words = answers.mark("keep what was known at creation and never changed since")
        set_key(table, "fixed", fixed, words)
        return
    words = "Uncomment what was known when the lead was created and never changed since:"
    table.add(remark(words if answers.ask is not None or not fixed else f"CHOOSE: {words}"))
    propose_key(table, "fixed", fixed)


def guess_now(
    column: ColumnLook, look: FileLook, won: NDArray[np.bool_] | None, *, static: bool
) -> str:
    """Guess what a column is: by its name, and by which rows have it."""
    if static:
        return guess_of(column.name)[0]
    guess = guess_column(column, look)
    if guess != "fixed":
        return guess
    if won is not None and won.any() and _gives_away(column, won):
        return "outcome, as the rows that converted have it and few others"
    named = guess_in_time(column.name)[0]
    if named != "fixed":
        return named
    if column.kind == "text" and ends_among(column.values):
        return "outcome"
    if speaks_of(column.name, VALUE_NAME):
        return "mutable, as amounts are filled in while a deal is worked"
    if _other_spelling(column):
        return "a number in another spelling: export plain numbers"
    return guess


def _gives_away(column: ColumnLook, won: NDArray[np.bool_]) -> bool:
    """Tell whether a column is filled, or a flag says yes, nearly only where leads converted."""
    known = column.known()
    return share_of(known, won) > 0.9 and share_of(known, ~won) < 0.2


def _other_spelling(column: ColumnLook) -> bool:
    """Tell whether a column of texts holds numbers with signs that are not read."""
    if column.kind != "text" or column.distinct <= 5:
        return False
    pattern = r"^\s*[€$£¥]?\s*[+-]?\d[\d.,'\s]*\s*(%|€|\$|£|¥|[A-Z]{3})?\s*$"
    values = column.values[:1_000]
    looks = pc.match_substring_regex(values, pattern)
    return float(pc.mean(looks.cast("float64")).as_py()) > 0.5


def other_stages(export: ExportGuess, used: set[str]) -> set[str]:
    """Name the columns that could be the outcome as well: stages and flags that tell it."""
    return {
        outcome.column.name
        for outcome in lead_outcomes(export.leads)
        if outcome.points > 3.5 and outcome.column.name not in used
    }


def write_roles(table: Table, export: ExportGuess, taken: set[str]) -> set[str]:
    """Write what a report shows: name, owner, channel and the like; returns the columns used up."""
    leads, used = export.leads, set[str]()
    columns = [c for c in leads.of_kind("text", "number") if c.name not in taken]
    first, last = named(columns, FIRST_NAME), named(columns, LAST_NAME)
    for role, pattern in ROLES.items():
        column = named([c for c in columns if c.name not in used], pattern)
        if role == "account" and column is None:
            column = _company_key(export)
        if role == "name" and first and last:
            set_key(table, "name", [first.name, last.name], "check")
            used |= {first.name, last.name}
        elif column and not (not export.created and role in ("account", "name")):
            set_key(table, role, column.name, "check")
            if role not in ("channel", "title"):
                used.add(column.name)
    used |= _write_people(table, columns, first, last)
    amounts = [
        c
        for c in leads.of_kind("number")
        if c.name not in {*taken, *used} and guess_of(c.name)[0] != "outcome"
    ]
    if value := named(amounts, VALUE_NAME):
        propose_key(table, "value", value.name, "what a lead is worth, for value and return")
    return used


def _company_key(export: ExportGuess) -> ColumnLook | None:
    """Find by which column of the leads a table of companies is joined."""
    keys = (
        on
        for look, on, _ in export.joins
        if on is not export.ids and any(speaks_of(n, COMPANIES_NAME) for n in (look.stem, on.name))
    )
    return next(keys, None)


def _write_people(
    table: Table, columns: list[ColumnLook], first: ColumnLook | None, last: ColumnLook | None
) -> set[str]:
    """Write whom to call, of which company, and the team of the owner; returns the columns used."""
    used = set[str]()
    if first and last:
        set_key(table, "person", [first.name, last.name], "check")
    elif person := named(columns, PERSON_NAME):
        set_key(table, "person", person.name, "check")
        used.add(person.name)
    if company := named(columns, COMPANY_NAME):
        set_key(table, "company", company.name, "check")
        used.add(company.name)
    if team := named(columns, TEAM_NAME):
        set_key(table, "team", team.name, "check")
    return used


def currency_of(look: FileLook) -> str | None:
    """Find the currency of the amounts: a column of one code, or a sign in a name or a value."""
    for column in look.columns.values():
        words = column.words()[:20] if column.kind == "text" else []
        if (
            "currenc" in column.name.lower()
            and len(words) == 1
            and re.fullmatch("[A-Z]{3}", words[0])
        ):
            return words[0]
    signs = {"€": "EUR", "$": "USD", "£": "GBP"}
    for column in look.columns.values():
        if column.kind in ("number", "text") and speaks_of(column.name, VALUE_NAME):
            text = column.name + " ".join(column.words()[:5])
            for sign, code in signs.items():
                if sign in text or code in text:
                    return code
    return None
