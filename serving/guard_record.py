"""guard.json in the state folder: the last good night, what stopped the newest, what was accepted.

It holds counts alone and no lead, so there is nothing in it to erase. A night that was stopped is
not sent to the CRM until it is scored again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from data.errors import GateError, OutsideError
from data.files import write_text
from data.private import without_contacts

GUARD_FILE: Final = "guard.json"
MOST_ACCEPTED: Final = 200
UNREADABLE: Final = (
    "restore it from a backup, or remove it: the next night is then compared with the training data"
)


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """What guard.json says: the last good night, the breach that stops now, what was accepted."""

    night: Mapping[str, Any] | None = None
    stopped: Mapping[str, Any] | None = None
    accepted: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def read(cls, folder: Path) -> GuardRecord:
        """Read the record of a state folder; an empty one where there is none."""
        path = folder / GUARD_FILE
        if not path.is_file():
            return cls()
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(raw["night"], raw["stopped"], tuple(raw["accepted"]))
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            raise OutsideError(f"{path} can't be read", cure=UNREADABLE) from None

    def write(self, folder: Path) -> None:
        """Write guard.json whole or not at all."""
        whole = {
            "night": self.night,
            "stopped": self.stopped,
            "accepted": list(self.accepted[-MOST_ACCEPTED:]),
        }
        text = without_contacts(json.dumps(whole, ensure_ascii=False))  # a level may be an address
        write_text(folder / GUARD_FILE, text + "\n")


def refuse_stopped(folder: Path) -> None:
    """Raise GateError where the newest night was stopped and nobody accepted it."""
    stopped = GuardRecord.read(folder).stopped
    if stopped is not None:
        words = "; ".join(str(word) for word in stopped.get("breaches", ())[:1])
        raise GateError(
            f"nothing is sent: the guard stopped the last scoring ({stopped.get('at')}): {words}",
            cure="score again with good data, or leadscore score --accept; "
            "--scores FILE sends an earlier file",
        )
