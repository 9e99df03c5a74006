"""The list of forgotten leads, as salted hashes, so that no pull brings one back unnoticed.

A pull may meet a forgotten lead again: in the CRM's recycle bin, or because it was not erased
there. Only a lead that the CRM still has comes back, and the pull says so. Ids are never stored.
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
from serving.crm.crm_rows import ENDS, Kind, Page, Row

NAME: Final = "forgotten.json"


@dataclass(slots=True)
class Forgotten:
    """The forgotten leads of one folder; `met` are the rows of them that a pull has read."""

    path: Path
    salt: str
    hashes: set[str]
    met: dict[str, list[tuple[Kind, Row]]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> Forgotten:
        """Read the list of a folder; empty where no lead was forgotten."""
        path = folder / NAME
        if not path.exists():
            return cls(path, secrets.token_hex(16), set())
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, str(stored["salt"]), {str(each) for each in stored["leads"]})
        except (ValueError, RecursionError, TypeError, KeyError):
            raise InputError(
                "is no list of forgotten leads",
                file=path.name,
                cure="restore it from a backup; without it, pulls may bring leads back unnoticed",
            ) from None

    def add(self, lead: str) -> None:
        """Put a lead on the list, on disk at once."""
        self.hashes.add(self._hash_of(lead))
        self._write()

    def sift(self, page: Page) -> Iterable[Row]:
        """Return a page's rows without those of forgotten leads, which are put into `met`."""
        if not self.hashes:
            return page.rows
        passed = []
        for row in page.rows:
            lead = str(row.get("lead_id"))
            if self._hash_of(lead) in self.hashes:
                self.met.setdefault(lead, []).append((page.kind, row))
            else:
                passed.append(row)
        return passed

    def back(self) -> dict[str, list[tuple[Kind, Row]]]:
        """Return the rows of forgotten leads that the CRM still has: neither deleted nor merged."""
        return {lead: rows for lead, rows in sorted(self.met.items()) if _still_in_crm(rows)}

    def drop(self, leads: Iterable[str]) -> None:
        """Take leads that are back off the list: their rows are kept from now on."""
        hashes_back = {self._hash_of(lead) for lead in leads}
        if hashes_back:
            self.hashes -= hashes_back
            self._write()

    def _hash_of(self, lead: str) -> str:
        return hmac.new(self.salt.encode(), lead.encode(), hashlib.sha256).hexdigest()

    def _write(self) -> None:
        write_text(self.path, json.dumps({"salt": self.salt, "leads": sorted(self.hashes)}))


def _still_in_crm(rows: Iterable[tuple[Kind, Row]]) -> bool:
    kinds = {kind for kind, _ in rows}
    return "leads" in kinds and not any(row.get("type") in ENDS for _, row in rows)
