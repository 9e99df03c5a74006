"""Text from outside -> text that a terminal or a log shows and never obeys."""

from __future__ import annotations

import re
from typing import Final

_OBEYED: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of what follows."""


def printable(text: str) -> str:
    r"""Write characters that a terminal would obey as their escapes.

    >>> printable("\x1b]0;owned\x07 Ann")
    '\\x1b]0;owned\\x07 Ann'
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def printable_json(document: str) -> str:
    r"""Write them in the strings of a JSON document, which knows no \\x.

    >>> printable_json('{"name": "Ann\x92s"}')
    '{"name": "Ann\\u0092s"}'
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
