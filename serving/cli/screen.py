"""Results -> what a person reads on the terminal, or JSON where a machine asked for it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from data.sketch.questions import Question

Stage = Callable[[str], None]
"""Called with a few words when the next stage of a long job begins."""

WIDTH = 120
"""Columns of output that is piped into a file, where no terminal gives a width."""

out = Console() if Console().is_terminal else Console(width=WIDTH)
err = Console(stderr=True)


def say(text: str) -> None:
    """Print one line for a person; text from the data is never read as markup."""
    out.print(escape(text), highlight=False, soft_wrap=True)


def say_json(value: Mapping[str, object]) -> None:
    """Print one JSON document on standard output, nothing else."""
    out.print(
        json.dumps(_finite(value), ensure_ascii=False, default=str, allow_nan=False),
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
    """Print a table; first column left, the others right."""
    drawn = Table(title=escape(title), title_justify="left", header_style="bold", box=None)
    for number, column in enumerate(columns):
        drawn.add_column(escape(column), justify="left" if number == 0 else "right")
    for row in rows:
        drawn.add_row(*(escape(str(cell)) for cell in row))
    out.print(drawn)


def choose(question: Question) -> int:
    """Ask a person to choose an option by its number; Enter takes the first."""
    err.print(escape(question.text), highlight=False, soft_wrap=True)
    for number, option in enumerate(question.options, 1):
        err.print(f"  {number}  {escape(option)}", highlight=False, soft_wrap=True)
    while True:
        number = int(typer.prompt("number", default=1, type=int, err=True))
        if 1 <= number <= len(question.options):
            return number - 1
        err.print(f"a number from 1 to {len(question.options)}", highlight=False)


@contextmanager
def stages(total: int, *, quiet: bool) -> Iterator[Stage]:
    """Show a progress bar over `total` stages on standard error; silent where `quiet`."""
    if quiet or not err.is_terminal:
        yield (lambda _: None) if quiet else (lambda name: err.print(f"… {escape(name)}"))
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    ) as progress:
        task = progress.add_task("starting", total=total)

        def next_stage(name: str) -> None:
            progress.update(task, description=escape(name))
            progress.advance(task)

        yield next_stage
