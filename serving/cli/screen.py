"""Results -> what a person reads on the terminal, or JSON where a machine asked for it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.printable import printable, printable_json
from serving.cli import json_log, progress
from serving.cli.progress import StageCounter

if TYPE_CHECKING:
    from pathlib import Path

    from data.sketch.questions import Question
    from training.audit.column_table import ColumnTable

WIDTH = 120
"""Columns of output that is piped into a file, where no terminal gives a width."""
ABSENT = "–"
"""What stands in a table for a figure that could not be measured."""


def _console() -> Console:
    plain = Console(emoji=False)  # an id may read ":100:"
    sized = plain.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return plain if sized else Console(width=WIDTH, emoji=False)


out = _console()
err = Console(stderr=True, emoji=False)


def shown(text: str) -> str:
    """Write text from the data so that it is neither markup nor obeyed by the terminal."""
    return escape(printable(text))


def say(text: str) -> None:
    """Print one line for a person; text from the data is never read as markup."""
    out.print(shown(text), highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print one line on standard error, beside an answer for a machine."""
    if json_log.begun():
        json_log.say(text)
        return
    err.print(shown(text), highlight=False, soft_wrap=True)


def say_next(*commands: str, state: Path | None = None) -> None:
    """Print the commands that come next, with the state folder that this one was given."""
    there = "" if state is None else f" --state {state}"
    for command in commands:
        say(f"next: {command}{there}")


def say_json(value: Mapping[str, object]) -> None:
    """Print one JSON document on standard output, nothing else."""
    out.print(
        printable_json(
            json.dumps(_finite(value), ensure_ascii=False, default=str, allow_nan=False)
        ),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _finite(value: object) -> object:
    """Write what is no finite number as null: JSON knows no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table whose cells stay on one line; first column left, the others right.

    Where the terminal is too narrow, the columns that do not fit follow in a table below, the
    first column repeated.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    out.print(shown(title), style="italic", highlight=False, soft_wrap=True)
    for part in _that_fit(columns, cells):
        drawn = Table(header_style="bold", box=None)
        for place in part:
            drawn.add_column(
                shown(columns[place]), justify="left" if place == 0 else "right", no_wrap=True
            )
        for row in cells:
            drawn.add_row(*(shown(row[place]) for place in part))
        out.print(drawn)


def _that_fit(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[list[int]]:
    """Deal the columns out to tables as wide as the terminal: their positions."""
    widths = [
        max(len(name), *(len(row[place]) for row in rows), 1) + 2
        for place, name in enumerate(columns)
    ]
    part = [0]
    for place in range(1, len(columns)):
        if len(part) > 1 and sum(widths[p] for p in part) + widths[place] > out.width:
            yield part
            part = [0]
        part.append(place)
    yield part


def figure(value: float, low: float, high: float, digits: int) -> str:
    """Write a figure with its interval, on one line.

    >>> figure(0.5, 0.4, 0.6, 2), figure(0.5, math.nan, math.nan, 2), figure(math.nan, 0, 0, 2)
    ('0.50 (0.40 to 0.60)', '0.50', '–')
    """
    if not math.isfinite(value):
        return ABSENT
    shown = f"{value:.{digits}f}"
    if not (math.isfinite(low) and math.isfinite(high)):
        return shown
    return f"{shown} ({low:.{digits}f} to {high:.{digits}f})"


def wrapped_table(columns: Mapping[str, int], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of words, which go on in the next line where a column is too narrow.

    `columns` gives each one its share of the width.
    """
    drawn = _wrapping(columns)
    for row in rows:
        drawn.add_row(*map(shown, row))
    out.print(drawn, highlight=False)


def _wrapping(columns: Mapping[str, int]) -> Table:
    drawn = Table(header_style="bold", box=None, pad_edge=False)
    for heading, ratio in columns.items():
        drawn.add_column(heading, overflow="fold", ratio=ratio)
    return drawn


def column_table(found: ColumnTable) -> None:
    """Print every column once, table by table, then the features made of more than one column."""
    drawn = _wrapping({"column": 5, "role": 4, "known since": 4, "verdict": 8, "what to do": 8})
    for name in dict.fromkeys(row.table for row in found.columns):
        drawn.add_row(f"[bold]{shown(name)}[/bold]")
        for row in found.columns:
            if row.table == name:
                cells = (f"  {row.column}", row.role, row.since, row.verdict, row.to_do)
                drawn.add_row(*map(shown, cells))
    out.print(drawn, highlight=False)
    if not found.features:
        return
    wrapped_table(
        {"features of": 4, "": 15, "verdict": 8},
        [(f"  {each.made_of}", ", ".join(each.features), each.verdict) for each in found.features],
    )


def choose(question: Question) -> int:
    """Ask a person to choose an option by its number; Enter takes the first."""
    err.print(shown(question.text), highlight=False, soft_wrap=True)
    for number, option in enumerate(question.options, 1):
        err.print(f"  {number}  {shown(option)}", highlight=False, soft_wrap=True)
    while True:
        number = int(typer.prompt("number", default=1, type=int, err=True))
        if 1 <= number <= len(question.options):
            return number - 1
        err.print(f"a number from 1 to {len(question.options)}", highlight=False)


def stages(plan: Sequence[str], *, quiet: bool) -> AbstractContextManager[StageCounter]:
    """Show progress through the stages of a plan on standard error; silent where `quiet`."""
    return progress.stages(plan, console=err, quiet=quiet or json_log.begun())
