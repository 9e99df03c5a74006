"""Hides e-mail addresses, telephone numbers and passwords in columns, messages and URIs.

In a column each address or number, also one within a longer text, becomes a hash, the same in
training and in scoring: the model loses nothing, and neither its files, nor its reasons, nor the
registry hold contact data. data/reading masks columns, data/errors.py messages and logs.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # every error message needs this module, and few need pyarrow
    import pyarrow as pa

_MAIL: Final = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_PHONE: Final = r"(\+|\(\+?\d{1,5}\))[\d ().\-/]{6,24}"
"""A whole value. A + or a bracket is required, since digits alone are as often a code."""
_MAIL_IN_TEXT: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE_IN_TEXT: Final = re.compile(r"\+\d[\d ().\-/]{6,24}\d")
"""The same within a sentence, without the punctuation around it."""
_WHOLE: Final = re.compile(rf"\s*({_MAIL}|{_PHONE})\s*")
_LONGEST: Final = 400
"""Letters of the longest whole value; a longer text is searched, in a time that grows with it."""
_CONTACT: Final = re.compile(rf"{_MAIL_IN_TEXT.pattern}|{_PHONE_IN_TEXT.pattern}")
_MARKS: Final = frozenset("@+(")
"""Every address or number has one of these: a quick check where there are few texts."""
_SECRET: Final = re.compile(r"(?i)((?:password|passwd|pwd|token|key|secret)=)(?:'[^']*'|[^&#\s]*)")


def mask(uri: str) -> str:
    """Hide the password of a URI, or of a text that holds one URI.

    >>> mask("postgresql://ann:secret@db/crm")
    'postgresql://ann:***@db/crm'
    """
    shown = _SECRET.sub(r"\1***", uri)
    password = password_of(shown)
    return shown if password is None else shown.replace(f":{password}@", ":***@", 1)


def password_of(uri: str) -> str | None:
    """Find the password before the host of a URI, up to the last @; it may hold any character."""
    login, at, _ = uri.partition("://")[2].rpartition("@")
    _, colon, password = login.partition(":")
    return password if at and colon else None


def without_password(text: str, uri: str) -> str:
    """Write a driver's message without the password of the URI that it was given."""
    text, password = text.replace(uri, mask(uri)), password_of(uri)
    return text.replace(password, "***") if password else text


def without_contacts(text: str) -> str:
    """Write a message without the e-mail addresses and telephone numbers in it.

    >>> without_contacts("is no number: 'ann@x.example'")
    "is no number: '(address)'"
    """
    return _PHONE_IN_TEXT.sub("(number)", _MAIL_IN_TEXT.sub("(address)", text))


def hide_contacts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write e-mail addresses and telephone numbers in a text column as hashes.

    >>> import pyarrow as pa
    >>> hide_contacts(pa.chunked_array([["Rome", "ann@x.example", "+39 055 123456"]])).to_pylist()
    ['Rome', 'address ff8cae1e', 'number d21502d3']
    >>> hide_contacts(pa.chunked_array([["mail of ann@x.example"]])).to_pylist()
    ['mail of address ff8cae1e']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pc.unique(column)
    if len(words) <= 64 and not any(set(word or "") & _MARKS for word in words.to_pylist()):
        return column
    some = pc.match_substring_regex(words, rf"{_MAIL}|^\s*{_PHONE}\s*$|{_PHONE_IN_TEXT.pattern}")
    contacts = words.filter(pc.fill_null(some, False)).to_pylist()
    if not contacts:
        return column
    hidden = {word: hide_contact(word) for word in contacts}
    shown = [hidden.get(word, word) for word in words.to_pylist()]
    return pc.take(pa.array(shown, pa.string()), pc.index_in(column, value_set=words))


def hide_contact(word: str) -> str:
    """Write the e-mail addresses and telephone numbers of one text as hashes."""
    if len(word) <= _LONGEST and _WHOLE.fullmatch(word):
        return _hashed(word)
    return _CONTACT.sub(lambda found: _hashed(found[0]), word)


def _hashed(word: str) -> str:
    kind = "address" if "@" in word else "number"
    return f"{kind} {hashlib.sha256(word.strip().encode()).hexdigest()[:8]}"
