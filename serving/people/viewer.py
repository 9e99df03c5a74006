"""Whoever looks at a page: name, role, and the owners whose leads may be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["manager", "lead", "rep", "reader"]
"""A manager sees all leads, the lead of a team those of its owners, a rep the own ones; a reader
sees all leads and writes nothing."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is signed in, or who holds a card's token.

    `owners` are those whose leads may be seen, None for all. `csrf` is the token that every write
    must bring; it is "" without a session.
    """

    name: str
    role: Role
    owners: frozenset[str] | None
    language: str
    csrf: str

    @property
    def writes(self) -> bool:
        """Tell whether answers may be given: never by a reader, nor without a session."""
        return self.role != "reader" and bool(self.csrf)
