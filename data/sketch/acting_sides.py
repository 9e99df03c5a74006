"""The types of a log of events -> those that sales does, by their names."""

from __future__ import annotations

from data.sketch.looks import ColumnLook
from data.sketch.vocabulary import CONTACT_TYPES, side_of_type, speaks_of


def outbound_types(kind: ColumnLook) -> tuple[list[str], list[str]]:
    """List the types that sales does, and those that either side may do: (outbound, doubtful).

    All types that are not declared as outbound count as the lead's own, so that a plain "call"
    beside "e-mail sent" is doubtful.
    """
    sides = {word: side_of_type(word) for word in kind.words()}
    sales = [word for word, side in sides.items() if side == "sales"]
    return sales, [w for w, side in sides.items() if not side and speaks_of(w, CONTACT_TYPES)]
