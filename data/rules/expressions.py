"""A rule written by a person -> a checked tree -> a mask over columns.

The language is the harmless part of SQL's: columns, numbers, 'texts', true, false, null,
`+ - * /`, `= <> < <= > >=`, `in (…)`, `between … and …`, `like '%x%'`, `ilike`, `is null`,
`is known`, `and`, `or`, `not`. There are no calls and no subqueries. A missing value is
unknown, and a rule holds only where it is certainly true (Kleene's three values, as in SQL).
A column whose name is no plain word is written in double quotes: "Lead Source" = 'Web'.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial, reduce
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import InputError
from data.rules.grammar import Node, parse_tree, refuse, walk
from data.rules.rule_columns import (
    call,
    compare,
    constant,
    matches,
    read_column,
    to_number,
    to_truth,
)

MAX_CHARACTERS: Final = 2_000
_ARITHMETIC: Final = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


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
        truth = _Evaluation(self, columns).truth(self.tree)
        holds = pc.coalesce(truth, pa.scalar(value=False))
        return _mask(holds, n_rows), _mask(truth.is_valid(), n_rows)

    def holds(self, columns: Mapping[str, object] | pd.DataFrame, n_rows: int) -> NDArray[np.bool_]:
        """Say for each row whether the rule certainly holds."""
        return self.evaluate(columns, n_rows)[0]


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


class _Evaluation:
    """One rule over some columns; null stands for unknown (Kleene's logic, as in SQL)."""

    def __init__(
        self, expression: Expression, columns: Mapping[str, object] | pd.DataFrame
    ) -> None:
        self.expression, self.columns = expression, columns

    def truth(self, node: Node) -> pa.Array:
        if node.kind in ("and", "or"):
            parts = [self.truth(part) for part in node.parts]
            return reduce(partial(call, f"{node.kind}_kleene"), parts)
        if node.kind == "not":
            return call("invert", self.truth(node.parts[0]))
        return self._located(node, to_truth, self.value(node))

    def value(self, node: Node) -> pa.Array:
        if node.kind in ("and", "or", "not"):
            return self.truth(node)
        if node.kind == "value":
            return constant(node.value)
        if node.kind == "name":
            return self._located(node, read_column, self.columns[str(node.value)])
        return self._located(node, _operate, node, [self.value(part) for part in node.parts])

    def _located(self, node: Node, step: Callable[..., pa.Array], *operands: object) -> pa.Array:
        """Apply a step; a TypeError or ValueError becomes an InputError with the position."""
        try:
            return step(*operands)
        except (TypeError, ValueError) as error:
            refuse(str(error), self.expression.text, node.start, self.expression.where)


def _mask(column: pa.Array, n_rows: int) -> NDArray[np.bool_]:
    """Spread a column of truths without nulls over the rows."""
    return np.broadcast_to(column.to_numpy(zero_copy_only=False), n_rows).copy()


def _operate(node: Node, parts: Sequence[pa.Array]) -> pa.Array:
    """Apply one operation to evaluated operands; a division by zero is unknown."""
    first = parts[0]
    if node.kind == "known":
        return first.is_valid()
    if node.kind == "compare":
        return compare(first, parts[1], node.operator)
    if node.kind == "like":
        return matches(first, str(node.parts[1].value), fold=node.operator == "ilike")
    if node.kind == "in":
        same = [compare(first, option, "=") for option in parts[1:]]
        return reduce(partial(call, "or_kleene"), same)
    numbers = [to_number(part) for part in parts]
    if node.kind == "minus":
        return call("negate", *numbers)
    if node.operator == "/":
        numbers[1] = pc.if_else(pc.equal(numbers[1], 0), None, numbers[1])
    return call(_ARITHMETIC[node.operator], *numbers)
