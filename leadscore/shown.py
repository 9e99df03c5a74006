"""A result -> what a notebook shows of it: plain values, a template, HTML without a script."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES: Final = Path(__file__).parent / "templates"
MOST_ROWS: Final = 60
"""Rows of a table that are shown; the frame has them all."""


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table of a page: `numbers` are the positions of columns that align to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: Collection[int] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a notebook shows of a result, as plain values; `figures` are our own SVG."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[tuple[str, Markup], ...] = ()
    tables: tuple[ShownTable, ...] = ()


class Showable(ABC):
    """A result that shows itself: one line where text is asked for, a page in a notebook."""

    __slots__ = ()

    @abstractmethod
    def _shown(self) -> Shown:
        """Sum the result up in plain values."""

    def __repr__(self) -> str:
        shown = self._shown()
        return f"<{_one_line(f'{shown.title}: {shown.summary}')}>"

    def _repr_html_(self) -> str:
        return render(self._shown())


def render(shown: Shown) -> str:
    """Fill the template; whatever is not our own markup is escaped."""
    template = _environment().get_template("result.html")
    page = template.render(shown=shown, css=Markup(_style()))  # our own file
    return page.encode("utf-8", "replace").decode()  # a lone surrogate is no text


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    return (TEMPLATES / "result.css").read_text(encoding="utf-8")


def table_of(frame: pd.DataFrame, caption: str = "", *, index: str | None = None) -> ShownTable:
    """Lay a frame out as a table; `index` names its index where that is to be shown."""
    if index is not None:
        frame = frame.rename_axis(index).reset_index()
    kinds = [pd.api.types.is_numeric_dtype(frame.iloc[:, i].dtype) for i in range(frame.shape[1])]
    head = frame.iloc[:MOST_ROWS]
    return ShownTable(
        caption,
        tuple(str(name).replace("_", " ") for name in frame.columns),
        tuple(tuple(cell(value) for value in row) for row in head.itertuples(index=False)),
        tuple(i for i, numeric in enumerate(kinds) if numeric),
        len(frame) - len(head),
    )


def cell(value: object) -> str:
    """Write a value for a person.

    >>> [cell(1234), cell(0.123456), cell(None), cell(True), cell(float("nan"))]
    ['1,234', '0.1235', '–', 'yes', '–']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(cell(each) for each in value)
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return "–"
    if isinstance(value, float):
        shown = f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        return shown if "e" not in shown else f"{value:.6f}"
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _one_line(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 300 else folded[:299] + "…"
