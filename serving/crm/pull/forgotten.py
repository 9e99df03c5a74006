"""Leads that were forgotten -> known again by a salted hash, so that no pull revives one unnoticed.

A pull may meet a forgotten lead again: in the CRM's recycle bin, or because nobody erased it there.
Only a lead that the CRM still has comes back, and the pull says so. No id is kept in the clear.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data.errors import InputError
from data.files import write_text
from serving.crm.readable import ENDS, Kind, Page, Row

NAME: Final = "forgotten.json"


@dataclass(slots=True)
class Forgotten:
    """The forgotten leads of one folder, and what a pull meets of them."""

    path: Path
    salt: str
    marks: set[str]
    met: dict[str, list[tuple[Kind, Row]]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Forgotten:
        """Read the list of a folder; empty where nobody was forgotten."""
        path = folder / NAME
        if not path.exists():
            return cls(path, secrets.token_hex(16), set())
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, str(told["salt"]), {str(mark) for mark in told["leads"]})
        except (ValueError, TypeError, KeyError):
            raise InputError(
                "is no list of forgotten leads",
                file=path.name,
                cure="restore it from a backup; without it, pulls may bring leads back unnoticed",
            ) from None

    def add(self, lead: str) -> None:
        """Put a lead on the list, on disk at once."""
        self.marks.add(self._mark(lead))
        self._write()

    def sift(self, page: Page) -> Iterable[Row]:
        """Give the rows of a page that are of nobody forgotten; hold the others back."""
        if not self.marks:
            return page.rows
        passed = []
        for row in page.rows:
            lead = str(row.get("lead_id"))
            if self._mark(lead) in self.marks:
                self.met.setdefault(lead, []).append((page.kind, row))
            else:
                passed.append(row)
        return passed

    def back(self) -> dict[str, list[tuple[Kind, Row]]]:
        """Give the rows of leads that the CRM still has: it gave the lead, and not its end."""
        return {lead: rows for lead, rows in sorted(self.met.items()) if _is_there(rows)}

    def drop(self, leads: Iterable[str]) -> None:
        """Take leads that are back off the list: all of what comes of them is kept again."""
        gone = {self._mark(lead) for lead in leads}
        if gone:
            self.marks -= gone
            self._write()

    def _mark(self, lead: str) -> str:
        return hmac.new(self.salt.encode(), lead.encode(), hashlib.sha256).hexdigest()

    def _write(self) -> None:
        write_text(self.path, json.dumps({"salt": self.salt, "leads": sorted(self.marks)}))


def _is_there(rows: Iterable[tuple[Kind, Row]]) -> bool:
    kinds = {kind for kind, _ in rows}
    return "leads" in kinds and not any(row.get("type") in ENDS for _, row in rows)
