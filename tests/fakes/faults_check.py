"""What the CRM and the ledger hold after a schedule -> lost, duplicate, stale: counted."""

from __future__ import annotations

import itertools
import sqlite3
import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from data.errors import OutsideError
from serving.writeback.audit_log import entries
from serving.writeback.ledger_store import SqliteStore

MODEL = "7"  # of all score files that a run starts with
_client = httpx.Client(timeout=30.0, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@dataclass
class Verdict:
    """Counts of what must not be, over any number of schedules."""

    tried: int = 0
    lost: int = 0
    duplicates: int = 0
    stale: int = 0
    overwritten: int = 0  # a person's word, or a closed lead
    second_run: int = 0  # rows sent by a run after the last
    crashes: int = 0  # tracebacks, hangs
    mixed: int = 0  # rows of a model that was promoted while a run was going
    ledger: int = 0  # ledger and CRM disagree, or the audit chain or its fence is broken
    applied: int = 0
    received: int = 0
    recovery_s: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return (
            self.lost
            + self.duplicates
            + self.stale
            + self.overwritten
            + self.second_run
            + self.crashes
            + self.mixed
            + self.ledger
        )

    def add(self, other: Verdict) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def control(url: str, what: str, body: Mapping[str, Any] | None = None) -> Any:
    """Talk to the server's back door."""
    return _client.post(f"{url}/control/{what}", json=dict(body or {})).json()


def judge(dump: Mapping[str, Any], expected: Mapping[str, int], invalid: Sequence[str]) -> Verdict:
    """Compare the CRM with what it should hold; every applied write is in its journal."""
    verdict = Verdict(tried=1, applied=len(dump["journal"]), received=dump["rows"])
    for lead, score in expected.items():
        there = dump["leads"].get(lead)
        excused = there is None or there["human"] or there["override"] or there["closed"]
        if lead in invalid or excused or there["merged_into"]:
            continue
        if there["values"].get("score") != score:
            verdict.lost += 1
            verdict.notes.append(f"{lead}: {there['values'].get('score')} instead of {score}")
    effects = Counter((each["lead"], each["as_of"]) for each in dump["journal"])
    verdict.duplicates = sum(n - 1 for n in effects.values()) + dump["created"]
    for each in dump["journal"]:
        verdict.stale += each["over"] is not None and each["over"] > each["as_of"]
        verdict.overwritten += each["human"] or each["closed"]
        verdict.mixed += each["model"] != MODEL
    return verdict


def judge_ledger(
    state: Path, invalid: Sequence[str], *, damaged: bool = False
) -> tuple[int, list[str]]:
    """Count faults of the ledger: a broken chain, a token that went back, rows left over."""
    path = state / "ledger.sqlite"
    if not path.exists():
        return 0, []
    with closing(sqlite3.connect(path)) as connection:
        left = connection.execute("SELECT lead, state FROM outbox").fetchall()
    odd = [lead for lead, what in left if what != "rejected" or lead not in invalid]
    store = SqliteStore(path)
    try:
        tokens = [int(str(entry["token"])) for entry in entries(store)]
    except OutsideError as error:  # where we damaged the file ourselves, it must be noticed
        return len(odd) + (not damaged), [str(error)]
    finally:
        store.close()
    back = sum(a > b for a, b in itertools.pairwise(tokens))
    notes = [f"outbox holds {odd}"] if odd else []
    return len(odd) + back, notes + ([f"tokens went back {back} times"] if back else [])
