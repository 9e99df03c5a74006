"""A small filter ("stage <> 'lost' and amount >= 10") -> the rows that pass; nothing is executed.

Grammar: or, and, not, ( ), = <> != < <= > >=, in ('a', 'b'), is null, is not null. A column stands
bare or in double quotes, a text in single quotes. No calls, no attributes, no arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import InputError

Mask = NDArray[np.bool_]
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<column>"(?:[^"]|"")*")|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[^\W\d]\w*)|(?P<mark><>|!=|<=|>=|[=<>(),]))""",
)
_COMPARE: dict[str, Callable[[pd.Series, object], pd.Series]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def keep(table: pa.Table, where: str, *, file: str) -> Mask:
    """Evaluate the filter on every row: (n,) bool; a comparison with a missing value is false."""
    reader = _Reader(table, where, file, _tokens(where, file))
    found = reader.either()
    if reader.position < len(reader.tokens):
        raise reader.mistake("ends too late")
    return found


def _tokens(where: str, file: str) -> list[tuple[str, str]]:
    """Cut the text into (kind, text) pairs."""
    if len(where) > 2_000:
        raise InputError("filter is longer than 2,000 characters", file=file)
    tokens, position = [], 0
    while where[position:].strip():
        found = _TOKEN.match(where, position)
        if found is None or found.lastgroup is None:
            raise InputError(
                f"filter {where!r} is not understood at position {position + 1}", file=file
            )
        tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


@dataclass
class _Reader:
    """A recursive-descent reader that answers with masks."""

    table: pa.Table
    where: str
    file: str
    tokens: list[tuple[str, str]]
    position: int = 0
    depth: int = field(default=0)

    def mistake(self, cause: str) -> InputError:
        """Make the error at the present token."""
        at = self.tokens[self.position][1] if self.position < len(self.tokens) else "the end"
        return InputError(f"filter {self.where!r} {cause} at {at!r}", file=self.file)

    def either(self) -> Mask:
        """Read `a or b`."""
        found = self.both()
        while self._take("word", "or"):
            found = found | self.both()
        return found

    def both(self) -> Mask:
        """Read `a and b`."""
        found = self.one()
        while self._take("word", "and"):
            found = found & self.one()
        return found

    def one(self) -> Mask:
        """Read `not a`, `( a )` or a comparison."""
        self.depth += 1
        if self.depth > 100:
            raise self.mistake("is nested too deeply")
        if self._take("word", "not"):
            found = ~self.one()
        elif self._take("mark", "("):
            found = self.either()
            if not self._take("mark", ")"):
                raise self.mistake("lacks a closing bracket")
        else:
            found = self._comparison()
        self.depth -= 1
        return found

    def _comparison(self) -> Mask:
        """Read `column = value`, `column in (…)`, `column is [not] null`."""
        series = self._column()
        if self._take("word", "is"):
            absent = not self._take("word", "not")
            if not self._take("word", "null"):
                raise self.mistake("expects null")
            missing = (series.isna() | (series.astype(object) == "")).to_numpy(bool)
            return missing if absent else ~missing
        inverted = self._take("word", "not")
        if self._take("word", "in"):
            values = self._list()
            inside: Mask = np.logical_or.reduce([self._compare(series, "=", v) for v in values])
            return ~inside & series.notna().to_numpy(bool) if inverted else inside
        kind, mark = self.tokens[self.position] if self.position < len(self.tokens) else ("", "")
        if kind != "mark" or mark not in _COMPARE or inverted:
            raise self.mistake("expects a comparison")
        self.position += 1
        return self._compare(series, mark, self._value())

    def _compare(self, series: pd.Series, mark: str, value: str | float) -> Mask:
        """Compare as numbers where a number is given, else as text."""
        left = (
            pd.to_numeric(series, errors="coerce")
            if isinstance(value, float)
            else series.astype("str")
        )
        return (_COMPARE[mark](left, value) & series.notna()).to_numpy(bool, na_value=False)

    def _column(self) -> pd.Series:
        """Read the name of a column."""
        kind, text = self.tokens[self.position] if self.position < len(self.tokens) else ("", "")
        name = text[1:-1].replace('""', '"') if kind == "column" else text
        if kind not in ("column", "word"):
            raise self.mistake("expects a column")
        if name not in self.table.column_names:
            raise self.mistake(
                f"names no column; known: {', '.join(self.table.column_names[:12])};"
            )
        self.position += 1
        series: pd.Series = self.table[name].to_pandas()
        return series

    def _value(self) -> str | float:
        """Read a text or a number."""
        kind, text = self.tokens[self.position] if self.position < len(self.tokens) else ("", "")
        if kind not in ("text", "number"):
            raise self.mistake("expects a value")
        self.position += 1
        return float(text) if kind == "number" else text[1:-1].replace("''", "'")

    def _list(self) -> list[str | float]:
        """Read `( value, value )`."""
        if not self._take("mark", "("):
            raise self.mistake("expects (")
        values = [self._value()]
        while self._take("mark", ","):
            values.append(self._value())
        if not self._take("mark", ")"):
            raise self.mistake("expects )")
        return values

    def _take(self, kind: str, text: str) -> bool:
        """Step over a token if it is this one."""
        if self.position < len(self.tokens):
            found = self.tokens[self.position]
            if found[0] == kind and found[1].lower() == text:
                self.position += 1
                return True
        return False
