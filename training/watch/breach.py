"""What stops a night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHANCE: Final = 1e-6
"""How unlikely a quiet night must make what is called a breach."""
LEAST: Final = 30
"""Rows, or leads, of which fewer tell nothing."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that stops a night: what was seen, and what to do.

    `subject` is the column or source, where others ask for it.
    """

    check: str
    cause: str
    cure: str
    subject: str = ""
