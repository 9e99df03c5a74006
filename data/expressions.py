"""A rule written by a person -> a checked tree -> a mask over columns, or SQL with bound values.

The language is the harmless part of SQL's: columns, numbers, 'texts', true, false, null,
`+ - * /`, `= <> < <= > >=`, `in (…)`, `between … and …`, `like '%x%'`, `ilike`, `is null`,
`is known`, `and`, `or`, `not`. There are no calls, no subqueries, nothing to escape to. What is
missing is unknown, and only what is certainly true holds (Kleene's three values, as in SQL).
A column whose name is no plain word is written in double quotes: "Lead Source" = 'Web'.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.columns import (
    Column,
    Scalar,
    compare,
    constant,
    matches,
    read_column,
    to_number,
    to_truth,
)
from data.errors import InputError
from data.grammar import Node, parse_tree, refuse, walk

MAX_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed rule; `where` names the key of the project file that holds it."""

    text: str
    tree: Node
    where: str = "rule"

    @property
    def names(self) -> frozenset[str]:
        """Name the columns that the rule reads."""
        return frozenset(str(node.value) for node in walk(self.tree) if node.kind == "name")

    def clauses(self) -> tuple[Expression, ...]:
        """Split at the outermost `and`: each clause must hold by itself."""
        parts = (
            Expression(_bare(self.text[part.start : part.end]), part, self.where)
            for part in _conditions(self.tree)
        )
        return tuple(parts)

    def check_names(self, columns: Collection[str]) -> None:
        """Refuse a name that is no column, with the nearest one."""
        for node in walk(self.tree):
            if node.kind == "name" and node.value not in columns:
                near = get_close_matches(str(node.value), list(columns), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}" if near else "see the names that a rule may use"
                refuse(f"there is no {node.value!r}", self.text, node.start, self.where, hint)

    def evaluate(
        self, columns: Mapping[str, object] | pd.DataFrame, n_rows: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Say for each row whether the rule holds, and whether that is known: two (n_rows,) masks.

        A row where the answer is unknown does not hold. InputError names rule and position.
        """
        self.check_names(columns if isinstance(columns, Mapping) else tuple(columns.columns))
        truth = _Reader(self, columns).truth(self.tree)
        known = np.broadcast_to(truth.known, n_rows)
        return np.broadcast_to(truth.values.astype(bool), n_rows) & known, known.copy()

    def holds(self, columns: Mapping[str, object] | pd.DataFrame, n_rows: int) -> NDArray[np.bool_]:
        """Say for each row whether the rule certainly holds."""
        return self.evaluate(columns, n_rows)[0]

    def sql(self) -> tuple[str, list[Scalar]]:
        """Write the rule as a SQL condition with quoted names and bound values."""
        bound: list[Scalar] = []
        return _sql(self.tree, bound), bound


def parse(text: str, *, where: str = "rule", columns: Collection[str] | None = None) -> Expression:
    """Parse a rule; InputError names `where`, the position and the cure.

    >>> parse("employees >= 50 and budget is known").names == {"employees", "budget"}
    True
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"the rule has {len(text):,} characters, at most {MAX_CHARACTERS:,} are allowed",
            file=where,
            cure="split it into several rules",
        )
    expression = Expression(text, parse_tree(text, where), where)
    if columns is not None:
        expression.check_names(columns)
    return expression


def checked(text: str) -> str:
    """Return the text if it parses; ValueError otherwise (for pydantic, which names the key)."""
    try:
        parse(text, where="rule")
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


def _conditions(node: Node) -> list[Node]:
    """Flatten nested `and`, except `between`, which is one condition."""
    if node.kind != "and" or node.operator == "between":
        return [node]
    return [inner for part in node.parts for inner in _conditions(part)]


def _bare(text: str) -> str:
    """Take off one pair of brackets that encloses the whole clause."""
    text = text.strip()
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1].strip()


class _Reader:
    """Evaluates a tree over columns; every answer carries the mask of where it is known."""

    def __init__(
        self, expression: Expression, columns: Mapping[str, object] | pd.DataFrame
    ) -> None:
        self.expression, self.columns = expression, columns

    def truth(self, node: Node) -> Column:
        if node.kind in ("and", "or"):
            return self._chain(node)
        if node.kind == "not":
            part = self.truth(node.parts[0])
            return Column("truth", ~part.values.astype(bool), part.known)
        return self._guard(node, lambda: to_truth(self.value(node)))

    def _chain(self, node: Node) -> Column:
        """Join by Kleene's rules: one certain `false` decides `and`, one certain `true` `or`."""
        parts = [self.truth(part) for part in node.parts]
        decides = node.kind == "or"
        certain = [part.known & (part.values.astype(bool) == decides) for part in parts]
        decided = np.logical_or.reduce(np.broadcast_arrays(*certain))
        all_known = np.logical_and.reduce(np.broadcast_arrays(*(part.known for part in parts)))
        return Column("truth", decided if decides else ~decided, decided | all_known)

    def value(self, node: Node) -> Column:
        if node.kind == "value":
            return constant(node.value)
        if node.kind == "name":
            return self._guard(node, lambda: read_column(self.columns[str(node.value)]))
        if node.kind == "known":
            part = self.value(node.parts[0])
            return Column("truth", part.known, np.ones_like(part.known))
        if node.kind in ("and", "or", "not"):
            return self.truth(node)
        parts = [self.value(part) for part in node.parts]
        return self._guard(node, lambda: _operate(node, parts))

    def _guard(self, node: Node, work: object) -> Column:
        """Turn a complaint about kinds into an error that names the place."""
        try:
            result = work()  # type: ignore[operator]
        except (TypeError, ValueError) as error:
            refuse(str(error), self.expression.text, node.start, self.expression.where)
        assert isinstance(result, Column)
        return result


def _operate(node: Node, parts: list[Column]) -> Column:
    """Apply one operation to evaluated operands."""
    if node.kind == "compare":
        return compare(parts[0], parts[1], node.operator)
    if node.kind == "like":
        return matches(parts[0], str(node.parts[1].value), fold=node.operator == "ilike")
    if node.kind == "in":
        hits = [compare(parts[0], option, "=") for option in parts[1:]]
        any_hit = np.logical_or.reduce([hit.values.astype(bool) & hit.known for hit in hits])
        all_known = np.logical_and.reduce([hit.known for hit in hits])
        return Column("truth", any_hit, any_hit | all_known)
    numbers = [to_number(part) for part in parts]
    if node.kind == "minus":
        return Column("number", -numbers[0].values, numbers[0].known)
    return _arithmetic(numbers[0], numbers[1], node.operator)


def _arithmetic(left: Column, right: Column, operator: str) -> Column:
    """Add, subtract, multiply or divide; a division by zero is unknown."""
    known = left.known & right.known
    if operator == "/":
        known = known & (right.values != 0)
        divisor = np.where(right.values != 0, right.values, 1.0)
        return Column("number", left.values / divisor, known)
    apply = {"+": np.add, "-": np.subtract, "*": np.multiply}[operator]
    return Column("number", apply(left.values, right.values), known)


def _sql(node: Node, bound: list[Scalar]) -> str:
    """Write a node as SQL, adding its values to `bound` in reading order."""
    if node.kind == "value":
        bound.append(node.value)
        return "?"
    if node.kind == "name":
        return '"' + str(node.value).replace('"', '""') + '"'
    parts = [_sql(part, bound) for part in node.parts]
    if node.kind in ("and", "or"):
        return "(" + f" {node.kind} ".join(parts) + ")"
    if node.kind == "in":
        return f"({parts[0]} in ({', '.join(parts[1:])}))"
    if node.kind == "sum" and node.operator == "/":
        return f"({parts[0]} / nullif({parts[1]}, 0))"
    if node.kind in ("compare", "sum", "like"):
        return f"({parts[0]} {node.operator} {parts[1]})"
    return {"not": "(not {})", "minus": "(-{})", "known": "({} is not null)"}[node.kind].format(
        *parts
    )
