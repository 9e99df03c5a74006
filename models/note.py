"""A sentence about a model that keeps its values, so that a page can say it in any language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

Value = str | int | float
KEYS: Final = frozenset({"note", "values"})


class Note(str):
    """An English sentence; `msgid` has {places} with formats, `values` are what fills them.

    It is the filled sentence wherever text is expected. A value may be a note itself.

    >>> note = Note("{won:,} of {n:,} rows ({share:.0%})", won=12, n=1200, share=0.01)
    >>> print(note)
    12 of 1,200 rows (1%)
    >>> Note.of_plain(note.plain()) == note
    True
    """

    msgid: str
    values: Mapping[str, Value]

    def __new__(cls, msgid: str, /, **values: Value) -> Self:
        """Fill the sentence."""
        note = super().__new__(cls, msgid.format(**values))
        note.msgid, note.values = msgid, values
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it whole."""
        return Note.of_plain, (self.plain(),)

    def plain(self) -> dict[str, Any]:
        """Write what `of_plain` reads: what JSON knows."""
        values = {k: v.plain() if isinstance(v, Note) else v for k, v in self.values.items()}
        return {"note": str(self.msgid), "values": values}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Note:
        """Read a note; values that are notes are read too."""
        values = {k: read_note(v) for k, v in plain["values"].items()}
        return cls(plain["note"], **values)


def read_note(value: Any) -> Any:
    """Turn what `plain` wrote back into a note; anything else stays as it is."""
    if isinstance(value, Mapping) and value.keys() == KEYS:
        return Note.of_plain(value)
    return value
