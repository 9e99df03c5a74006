"""The text of a rule -> a tree of operations with their positions; names are not resolved."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, NoReturn

from data.errors import InputError
from data.rules.rule_columns import Scalar

MAX_TOKENS: Final = 500
MAX_DEPTH: Final = 40
MAX_LIST: Final = 200

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<word>[^\W\d]\w*)
      | (?P<mark><=|>=|<>|!=|==|[-+*/=<>(),])
    )""",
    re.VERBOSE,
)
_KEYWORDS: Final = frozenset(
    {"and", "or", "not", "in", "is", "between", "like", "ilike"}
    | {"null", "true", "false", "known", "missing"}
)
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_SYNONYMS: Final = {"==": "=", "!=": "<>"}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation with its operands and its position in the text (characters, from 0)."""

    kind: Literal[
        "value", "name", "and", "or", "not", "compare", "sum", "minus", "in", "like", "known"
    ]
    start: int
    end: int
    operator: str = ""
    value: Scalar = None
    parts: tuple[Node, ...] = ()


def parse_tree(text: str, where: str) -> Node:
    """Parse the whole text; InputError with the position where it cannot be read."""
    return _Parser(text, where).parse()


def walk(node: Node) -> list[Node]:
    """List a node and everything under it."""
    nodes = [node]
    for part in node.parts:
        nodes += walk(part)
    return nodes


def refuse(cause: str, text: str, position: int, where: str, cure: str | None = None) -> NoReturn:
    """Raise InputError with the position, counted from 1, and the text from that position on."""
    near = text[position : position + 30]
    at = f"at position {position + 1} (`{near}`)" if near.strip() else "at the end"
    raise InputError(f"{cause} {at} of `{text[:120]}`", file=where, cure=cure)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, text, word, keyword, mark, end
    text: str
    start: int
    end: int


def _tokens(text: str, where: str) -> list[_Token]:
    """Cut the text into tokens; InputError where a character is not allowed."""
    tokens: list[_Token] = []
    position, last = 0, len(text.rstrip())
    while position < last:
        match = _TOKEN.match(text, position)
        if match is None:
            place = position + len(text[position:]) - len(text[position:].lstrip())
            cure = "close the quote" if text[place] in "'\"" else None
            refuse("this cannot be read", text, place, where, cure)
        kind = str(match.lastgroup)
        start, raw = match.start(kind), match[kind]
        if kind == "text":
            raw = raw[1:-1].replace("''", "'")
        elif kind == "quoted":
            kind, raw = "word", raw[1:-1].replace('""', '"')
        elif kind == "word" and raw.lower() in _KEYWORDS:
            kind, raw = "keyword", raw.lower()
        elif kind == "mark":
            raw = _SYNONYMS.get(raw, raw)
        tokens.append(_Token(kind, raw, start, match.end()))
        if len(tokens) > MAX_TOKENS:
            refuse(f"the rule is longer than {MAX_TOKENS} words", text, start, where)
        position = match.end()
    return [*tokens, _Token("end", "", last, last)]


class _Parser:
    """Recursive descent, loosest binding first: or, and, not, comparison, sum, product."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.tokens, self.at, self.depth = _tokens(text, where), 0, 0

    def parse(self) -> Node:
        tree = self._or_condition()
        if self.now.kind != "end":
            self._refuse("this does not belong here", cure="join conditions with `and` or `or`")
        return tree

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def _refuse(self, cause: str, cure: str | None = None) -> NoReturn:
        refuse(cause, self.text, self.now.start, self.where, cure)

    def _take(self, *texts: str) -> _Token | None:
        """Take the token if it is one of these keywords or marks."""
        token = self.now
        if token.kind in ("keyword", "mark") and token.text in texts:
            self.at += 1
            return token
        return None

    def _need(self, text: str) -> _Token:
        token = self._take(text)
        if token is None:
            self._refuse(f"`{text}` is missing")
        return token

    def _or_condition(self) -> Node:
        return self._chain("or", self._and_condition)

    def _and_condition(self) -> Node:
        return self._chain("and", self._negation)

    def _chain(self, word: Literal["and", "or"], operand: Callable[[], Node]) -> Node:
        parts = [operand()]
        while self._take(word):
            parts.append(operand())
        if len(parts) == 1:
            return parts[0]
        return Node(word, parts[0].start, parts[-1].end, parts=tuple(parts))

    def _negation(self) -> Node:
        return self._prefixed("not", "not", self._comparison)

    def _signed(self) -> Node:
        return self._prefixed("-", "minus", self._primary)

    def _prefixed(
        self, word: str, kind: Literal["not", "minus"], operand: Callable[[], Node]
    ) -> Node:
        sign = self._take(word)
        if sign is None:
            return operand()
        self._deeper()
        part = self._prefixed(word, kind, operand)
        self.depth -= 1
        return Node(kind, sign.start, part.end, parts=(part,))

    def _comparison(self) -> Node:
        left = self._sum()
        sign = self._take("=", "<>", "<", "<=", ">", ">=")
        if sign is not None:
            right = self._sum()
            return Node("compare", left.start, right.end, sign.text, parts=(left, right))
        if self._take("is"):
            return self._known(left)
        negated = self._take("not")
        word = self._take("in", "between", "like", "ilike")
        if word is None:
            if negated is not None:
                self._refuse("`in`, `between` or `like` is missing")
            return left
        node = self._membership(left, word.text)
        return node if negated is None else Node("not", left.start, node.end, parts=(node,))

    def _known(self, left: Node) -> Node:
        negated = self._take("not") is not None
        word = self._take("null", "missing", "known")
        if word is None:
            self._refuse("`null`, `missing` or `known` is missing")
        node = Node("known", left.start, word.end, parts=(left,))
        asks_for_known = (word.text == "known") != negated
        return node if asks_for_known else Node("not", left.start, word.end, parts=(node,))

    def _membership(self, left: Node, word: str) -> Node:
        if word == "between":
            low = self._sum()
            self._need("and")
            high = self._sum()
            sides = (
                Node("compare", left.start, low.end, ">=", parts=(left, low)),
                Node("compare", left.start, high.end, "<=", parts=(left, high)),
            )
            return Node("and", left.start, high.end, "between", parts=sides)
        if word in ("like", "ilike"):
            if self.now.kind != "text":
                self._refuse("a quoted pattern is missing", cure="write like '%word%'")
            pattern = self._primary()
            return Node("like", left.start, pattern.end, word, parts=(left, pattern))
        self._need("(")
        parts = [left, self._literal()]
        while self._take(","):
            parts.append(self._literal())
            if len(parts) > MAX_LIST:
                self._refuse(f"the list is longer than {MAX_LIST}")
        closing = self._need(")")
        return Node("in", left.start, closing.end, parts=tuple(parts))

    def _literal(self) -> Node:
        node = self._signed()
        if node.kind == "value":
            return node
        if node.kind == "minus" and node.parts[0].kind == "value":
            return Node("value", node.start, node.end, value=-float(node.parts[0].value or 0.0))
        return refuse("only values belong in a list", self.text, node.start, self.where)

    def _sum(self) -> Node:
        return self._terms(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._terms(("*", "/"), self._signed)

    def _terms(self, signs: tuple[str, str], operand: Callable[[], Node]) -> Node:
        left, n_terms = operand(), 1
        while sign := self._take(*signs):
            n_terms += 1
            if n_terms > MAX_DEPTH:
                self._refuse(f"more than {MAX_DEPTH} terms in one sum or product")
            right = operand()
            left = Node("sum", left.start, right.end, sign.text, parts=(left, right))
        return left

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(f"the rule is nested deeper than {MAX_DEPTH}")

    def _primary(self) -> Node:
        token = self.now
        if opening := self._take("("):
            self._deeper()
            inside = self._or_condition()
            closing = self._need(")")
            self.depth -= 1
            return replace(inside, start=opening.start, end=closing.end)
        if word := self._take(*_CONSTANTS):
            return Node("value", token.start, token.end, value=_CONSTANTS[word.text])
        if token.kind not in ("number", "text", "word"):
            self._refuse("a column or a value is missing")
        self.at += 1
        if token.kind != "word":
            value = float(token.text) if token.kind == "number" else token.text
            return Node("value", token.start, token.end, value=value)
        if self.now.text == "(" and self.now.kind == "mark":
            cure = "use columns and features; counts have names such as n_demo_request_90d"
            refuse("calls are not allowed:", self.text, token.start, self.where, cure)
        return Node("name", token.start, token.end, value=token.text)
