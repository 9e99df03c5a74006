"""What a list of leads is narrowed and ordered by -> the SQL that reads it."""
# ruff: noqa: S608  # conditions are written here, of our own names; every value is bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serving.worklist.stored_pages import CHOICES, folded_words

MOST_WORDS: Final = 8
FILTERS: Final = (*CHOICES, "lane")
ORDERS: Final[Mapping[str, str]] = {
    "chance": "place",
    "value": "by_value",
    "urgency": "by_urgency",
    "change": "by_change",
    "company": "by_company",
    "name": "by_name",
}
"""Ways to order the list: what the address says -> what is read."""


@dataclass(frozen=True, slots=True)
class ListChoice:
    """What a list is narrowed and ordered by: values of columns, words to find, an order."""

    values: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    order: str = "chance"


def list_query(
    choice: ListChoice, tests: Sequence[str], *, whole: bool
) -> tuple[str, str, dict[str, object]]:
    """Write a list as SQL: what it is read from and under which conditions, its order, its values.

    `tests` hold of every lead that may be on it; `whole` tells that all leads may be seen.
    """
    order = ORDERS.get(choice.order, ORDERS["chance"])
    if choice.order == "company" and not whole:
        order = ORDERS["chance"]  # the best lead of a company may be a colleague's
    given: dict[str, object] = {}
    asked = [*tests]
    for kind in FILTERS:
        if kind in choice.values:
            given[kind] = choice.values[kind]
            of_lane = "place in (select place from lanes where lane = :lane)"
            asked.append(of_lane if kind == "lane" else f"{kind} = :{kind}")
    joins, exact = "", []
    for i, word in enumerate(_asked(choice.words)):
        given |= {f"word{i}": word, f"past{i}": word + "\U0010ffff"}
        joins += (
            f" join (select place, max(word = :word{i}) exact from words"
            f" where word >= :word{i} and word < :past{i} group by place) w{i} using (place)"
        )
        exact.append(f"w{i}.exact")
    if exact:
        order = f"{' + '.join(exact)} desc, {order}"
    return f"from leads{joins} where {' and '.join(asked)}", order, given


def _asked(words: str) -> list[str]:
    """Split what is searched: "L-0042" is one word, as it was typed."""
    return [parts[-1] for each in words.split()[:MOST_WORDS] if (parts := folded_words(each))]
