"""The types of a log of events -> those that sales does, by their names."""

from __future__ import annotations

from data.sketch.looks import ColumnLook
from data.sketch.vocabulary import CONTACT_TYPES, INBOUND_TYPES, OUTBOUND_TYPES, speaks_of


def outbound_types(kind: ColumnLook) -> tuple[list[str], list[str]]:
    """List the types that sales does, and those that either side may do: (outbound, doubtful).

    All types that are not declared as outbound count as the lead's own, so that a plain "call"
    beside "e-mail sent" is doubtful.
    """
    sales, doubtful = [], []
    for word in kind.words():
        if speaks_of(word, INBOUND_TYPES):
            continue
        if speaks_of(word, OUTBOUND_TYPES):
            sales.append(word)
        elif speaks_of(word, CONTACT_TYPES):
            doubtful.append(word)
    return sales, doubtful
