"""Category values that are somebody's address or number -> a short hash no model can read.

The same value is the same level in training and in scoring, so that nothing is lost to the model;
but neither its text, nor its reasons, nor the registry hold whom one could write to or call.
"""

from __future__ import annotations

import hashlib
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_MAIL: Final = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_PHONE: Final = r"(\+|\(\+?\d{1,5}\))[\d ().\-/]{6,24}"
"""With its + or its bracket; a bare row of digits is as often a code."""
_MARKS: Final = frozenset("@+(")
"""What is no address and no number without one of these; a look that is quick on few words."""


def hide_contacts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write e-mail addresses and telephone numbers in a text column as hashes.

    >>> hide_contacts(pa.chunked_array([["Rome", "ann@x.example", "+39 055 123456"]])).to_pylist()
    ['Rome', 'address ff8cae1e', 'number d21502d3']
    """
    words = pc.unique(column)
    if len(words) <= 64 and not any(set(word or "") & _MARKS for word in words.to_pylist()):
        return column
    found = {word: "address" if "@" in word else "number" for word in _contacts(words)}
    if not found:
        return column
    hidden = [
        word if word not in found else f"{found[word]} {_digest(word.strip())}"
        for word in words.to_pylist()
    ]
    return pc.take(pa.array(hidden, pa.string()), pc.index_in(column, value_set=words))


def _contacts(words: pa.Array) -> list[str]:
    """Pick the words that are wholly an address or a number."""
    whole = pc.match_substring_regex(words, rf"^\s*({_MAIL}|{_PHONE})\s*$")
    return [str(word) for word in words.filter(pc.fill_null(whole, False)).to_pylist()]


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()[:8]
