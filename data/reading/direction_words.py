"""A word of a CRM -> who acts: the lead (inbound) or sales (outbound)."""

from __future__ import annotations

from typing import Final

_INBOUND: Final = (
    "inbound",
    "in",
    "incoming",
    "received",
    "from lead",
    "0",
    "entrata",
    "in entrata",
    "ricevuto",
    "entrant",
    "reçu",
    "ein",
    "eingehend",
    "ورودی",
)
_OUTBOUND: Final = (
    "outbound",
    "out",
    "outgoing",
    "sent",
    "to lead",
    "1",
    "uscita",
    "in uscita",
    "inviato",
    "sortant",
    "envoyé",
    "aus",
    "ausgehend",
    "خروجی",
)


def side_of(word: str) -> int:
    """Tell who acts: 0 the lead, 1 sales, -1 unknown.

    >>> side_of(" Inbound"), side_of("in uscita"), side_of("left")
    (0, 1, -1)
    """
    plain = word.strip().lower()
    return 0 if plain in _INBOUND else 1 if plain in _OUTBOUND else -1
