"""Rules -> phrases: a template of signs with {placeholders}, and its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from typing import Final

from data.rules.expressions import Expression
from data.rules.grammar import Node
from serving.worklist.phrase import Phrase, Scalar

CRITERION_TEMPLATES: Final = {
    "known": "{fact} ✓",
    "unknown": "{fact} –",
    ">=": "{fact} ≥ {value}",
    ">": "{fact} > {value}",
    "<=": "{fact} ≤ {value}",
    "<": "{fact} < {value}",
    "=": "{fact}: {value}",
    "<>": "{fact} ≠ {value}",
    "in": "{fact}: {value}",
    "between": "{fact}: {low} – {high}",
    "contains": "{fact}: “{value}”",
    "yes": "{fact} ✓",
    "no": "{fact} –",
    "or": "{left} / {right}",
    "and": "{left} + {right}",
    "other": "{rule}",
}
"""How a criterion is shown: signs, not words, so that it reads the same in every language."""

_COUNT: Final = re.compile(r"n_(\w+)_(\d+)d")
_EVER: Final = re.compile(r"n_(\w+?)(?:_ever)?")
_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def word_criterion(clause: Expression, labels: Mapping[str, str]) -> Phrase:
    """Put one clause into words; what has no simple form is shown as it is written."""
    if clause.tree.kind == "or":
        return _word_choice(clause.tree, labels)
    if clause.tree.operator == "between":
        return _word_between(clause, labels)
    return _word_simple(clause.tree, labels, otherwise=clause.text)


def _word_simple(node: Node, labels: Mapping[str, str], otherwise: str) -> Phrase:
    """Word `fact operator value`; anything else as `otherwise`."""
    kind, fact, value = _shape(node)
    if fact is None:
        return Phrase(CRITERION_TEMPLATES["other"], {"rule": otherwise})
    known = re.fullmatch(r"(need|budget|authority|timing)_known", fact)
    if known is not None and kind in ("yes", "no"):
        kind, fact = ("known" if kind == "yes" else "unknown"), known[1]
    params: dict[str, Scalar] = {} if value is None else {"value": value}
    return _phrase(kind, fact, params, labels)


def _phrase(
    kind: str, fact: str, params: Mapping[str, Scalar], labels: Mapping[str, str]
) -> Phrase:
    """Word a criterion; the fact's own name is kept, for a label in another language."""
    named: dict[str, Scalar]
    text, count, ever = CRITERION_TEMPLATES[kind], _COUNT.fullmatch(fact), _EVER.fullmatch(fact)
    if fact in labels or not (count or ever):
        named = {"fact": word_fact(fact, labels), "column": fact}
    elif count:
        text = text.replace("{fact}", "{fact} ({days} d)")
        named = {"fact": word_fact(f"n_{count[1]}", labels), "event": count[1]}
        named["days"] = int(count[2])
    else:
        named = {"fact": word_fact(fact, labels), "event": ever[1] if ever else fact}
    return Phrase(text, {**named, **params})


def _word_choice(node: Node, labels: Mapping[str, str]) -> Phrase:
    """Put alternatives, and what each asks for together, side by side; each is translated."""
    if node.kind in ("or", "and") and node.operator != "between":
        sides = [_word_choice(part, labels) for part in node.parts]
        joined = CRITERION_TEMPLATES[node.kind]
        return reduce(lambda left, right: Phrase(joined, {"left": left, "right": right}), sides)
    return _word_simple(node, labels, otherwise="…")


def _word_between(clause: Expression, labels: Mapping[str, str]) -> Phrase:
    """Word `fact between low and high`."""
    (_, fact, low), (_, _, high) = (_shape(part) for part in clause.tree.parts)
    if fact is None or low is None or high is None:
        return Phrase(CRITERION_TEMPLATES["other"], {"rule": clause.text})
    return _phrase("between", fact, {"low": low, "high": high}, labels)


def word_fact(name: str, labels: Mapping[str, str]) -> str:
    """Name a fact in words: a label of the project, or plain words of the name.

    >>> word_fact("n_demo_request_90d", {"demo_request": "asked for a demo"})
    'asked for a demo (90 d)'
    """
    if name in labels:
        return labels[name]
    count, ever = _COUNT.fullmatch(name), _EVER.fullmatch(name)
    if count is not None:
        return f"{labels.get(count[1], count[1].replace('_', ' '))} ({count[2]} d)"
    if ever is not None:
        return labels.get(ever[1], ever[1].replace("_", " "))
    return name.replace("_", " ")


def _shape(node: Node) -> tuple[str, str | None, Scalar | None]:
    """Recognise `fact operator value`: (kind, fact, value), fact None where it is not that."""
    if node.kind == "name":
        return "yes", str(node.value), None
    if node.kind == "not":
        kind, fact, value = _shape(node.parts[0])
        turned = {"known": "unknown", "yes": "no", "unknown": "known"}.get(kind)
        return (turned or "other", fact if turned else None, value)
    if node.kind == "known" and node.parts[0].kind == "name":
        return "known", str(node.parts[0].value), None
    if node.kind == "compare":
        return _comparison(node)
    if node.kind == "like" and node.parts[0].kind == "name":
        pattern = str(node.parts[1].value)
        inner = pattern.strip("%")
        plain = pattern == f"%{inner}%" and not set(inner) & {"%", "_"}
        return ("contains", str(node.parts[0].value), inner) if plain else ("other", None, None)
    if node.kind == "in" and node.parts[0].kind == "name":
        values = " / ".join(str(_plain(part)) for part in node.parts[1:])
        return "in", str(node.parts[0].value), values
    return "other", None, None


def _comparison(node: Node) -> tuple[str, str | None, Scalar | None]:
    left, right = node.parts
    if left.kind == "name" and right.kind == "value":
        fact, constant, operator = left, right, node.operator
    elif left.kind == "value" and right.kind == "name":
        fact, constant, operator = right, left, _FLIPPED[node.operator]
    else:
        return "other", None, None
    if isinstance(constant.value, bool):
        positive = constant.value == (operator == "=")
        return ("yes" if positive else "no"), str(fact.value), None
    value = _plain(constant)
    return (operator, str(fact.value), value) if value is not None else ("other", None, None)


def _plain(node: Node) -> Scalar | None:
    """Show a number without a needless decimal point."""
    value = node.value
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value
