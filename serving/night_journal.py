"""night.json in the state folder: which night ran last, how far it came, when it retrained.

It holds counts and moments and no lead, so there is nothing in it to erase. Lost, the next run
does the whole night again, and the ledger sends nothing twice.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Self

from data.files import write_text
from data.reading.read_tables import CrmData
from serving.session import Session
from training.publish import data_fingerprint


@dataclass(frozen=True, slots=True)
class NightJournal:
    """One night, named by `night`: its run, its model, and what is `done` of it.

    `retrained` is the day up to which days of retraining are done; `retraining` says that this
    night began to train, so that another champion than `model` may be its own. Moments are
    microseconds UTC, 0 for never.
    """

    night: str = ""
    run_id: str = ""
    scored_at: int = 0
    model: str = ""
    done: tuple[str, ...] = ()
    retraining: bool = False
    retrained: str = ""
    last_success: int = 0
    last_scores: int = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the journal; a new one where there is none, or none that can be read."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            known = {field.name: raw[field.name] for field in fields(cls)}
            journal = cls(**{**known, "done": tuple(known["done"])})
            return journal if journal.retrained_on or not journal.retrained else cls()
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Write night.json whole or not at all."""
        write_text(path, json.dumps(asdict(self)) + "\n")

    def is_of(self, night: str, model: str) -> bool:
        """Tell whether this night began already, scored by `model` or by the one before it."""
        return self.night == night and (self.model == model or self.retraining)

    def begin(self, night: str, *, run_id: str, scored_at: int, model: str) -> Self:
        """Begin another night; days and successes of the past stay."""
        return replace(
            self,
            night=night,
            run_id=run_id,
            scored_at=scored_at,
            model=model,
            done=(),
            retraining=False,
        )

    @property
    def retrained_on(self) -> date | None:
        """The day up to which days of retraining are done; None before the first night."""
        return date.fromisoformat(self.retrained) if self.retrained else None


def name_night(session: Session, reading: CrmData, as_of: int, day: date) -> str:
    """Name a night by what makes it: moment, data, project file, and the day it falls on.

    The same data on another day are another night: the guard asks why nothing is new.
    """
    data = data_fingerprint(reading.tables, reading.outcomes)
    text = json.dumps([as_of, data, session.fingerprint, day.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
