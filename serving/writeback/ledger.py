"""The ledger: what each CRM acknowledged, what is queued or unconfirmed, and who may write.

One row per (CRM, lead, episode) in `acknowledged` (the last value that the CRM confirmed) and at
most one per (CRM, lead) in `outbox` (the value to be sent): a CRM has one score for a lead, that of
its newest episode, and no message of an earlier one replaces it. `inflight` holds what is
unconfirmed, sent without a trusted answer. Every write is fenced: a run that lost its lease to
another one cannot record anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple
from zlib import crc32

from data.errors import OutsideError
from serving.crm.interface import DISPOSITION, Value
from serving.writeback.audit_log import append
from serving.writeback.ledger_store import Store, damaged
from serving.writeback.ledger_tables import lay_out
from serving.writeback.owner import is_dead, this_process
from serving.writeback.payload import LeadPayload, content_hash

_PER_QUERY: Final = 500


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to one CRM, until another run takes it over with a higher token."""

    crm: str
    token: int
    owner: str


class LastAcknowledged(NamedTuple):
    """What the CRM acknowledged last for one lead: enough to tell whether the score changed."""

    hash: str
    score: int
    band: str
    as_of: int
    written_at: int
    episode: int = 1


@dataclass(frozen=True, slots=True)
class AcknowledgedValues:
    """What the CRM acknowledged last for one lead: its as_of, and our fields as read back."""

    as_of: int
    remote: str  # JSON of our fields
    episode: int = 1
    old_override: bool = False  # a person set the override field in an earlier episode

    @property
    def values(self) -> dict[str, Value]:
        """Our fields as the CRM keeps them."""
        return dict(json.loads(self.remote))


@dataclass(frozen=True, slots=True)
class AcknowledgedUpdate:
    """One acknowledged update: the payload, and our fields as the CRM keeps them."""

    row: LeadPayload
    version: str | None
    remote: Mapping[str, Value]
    old_override: bool = False  # set before, and of an earlier episode


class LeaseLost(OutsideError):  # noqa: N818
    """Another run took the lease over: this one must not write any more."""


class Ledger:
    """What write-back records about one CRM, in one store."""

    def __init__(self, store: Store, crm: str, *, lease_s: float = 30.0) -> None:
        self.store, self.crm, self.lease_s = store, crm, lease_s
        lay_out(store)

    def copy(self, store: Store) -> Ledger:
        """Copy this CRM's rows into another store, for a dry run on the same path."""
        other = Ledger(store, self.crm, lease_s=self.lease_s)
        for table in ("acknowledged", "outbox", "inflight"):
            rows = self.store.execute(f"SELECT * FROM {table} WHERE crm = ?", (self.crm,))  # noqa: S608
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                store.many(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
        return other

    # -- who may write ---------------------------------------------------------------------

    def acquire(self, wait_s: float, sleep: Callable[[float], None]) -> Lease:
        """Take the lease, waiting up to `wait_s` for another run that is alive."""
        deadline = self.store.seconds() + wait_s
        while True:
            with self.store.transaction():
                leases = self.store.execute(
                    "SELECT token, owner, until FROM lease WHERE crm = ?", (self.crm,)
                )
                token, owner, until = leases[0] if leases else (0, "", 0.0)
                now = self.store.seconds()
                # An `until` later than any lease can last was written before the machine restarted.
                if not now < until <= now + self.lease_s or is_dead(owner):
                    return self._take(token + 1, now)
            if now >= deadline:
                raise OutsideError(
                    f"another write-back to {self.crm} is running ({owner})",
                    cure="wait for it, or stop it, and run again",
                )
            sleep(0.05)

    def _take(self, token: int, now: float) -> Lease:
        owner = this_process()
        self.store.execute(
            "INSERT INTO lease VALUES (?, ?, ?, ?) ON CONFLICT (crm) DO UPDATE SET"
            " token = excluded.token, owner = excluded.owner, until = excluded.until",
            (self.crm, token, owner, now + self.lease_s),
        )
        return Lease(self.crm, token, owner)

    def release(self, lease: Lease) -> None:
        """Give the lease back; the token stays, so that it is never used again."""
        with self.store.transaction():
            self.store.execute(
                "UPDATE lease SET until = 0, owner = '' WHERE crm = ? AND token = ?",
                (self.crm, lease.token),
            )

    @contextmanager
    def fenced(self, lease: Lease) -> Iterator[None]:
        """Write only while the lease is ours, and renew it; LeaseLost otherwise."""
        with self.store.transaction():
            leases = self.store.execute("SELECT token FROM lease WHERE crm = ?", (self.crm,))
            if leases[0][0] != lease.token:
                raise LeaseLost(
                    "the lease was taken over by another write-back while this one was paused",
                    cure="nothing is lost: the other run sends what was left",
                )
            self.store.execute(
                "UPDATE lease SET until = ? WHERE crm = ?",
                (self.store.seconds() + self.lease_s, self.crm),
            )
            yield

    # -- what was acknowledged, and what is to be sent --------------------------------------

    def last_acknowledged(self, low: str, high: str) -> dict[str, LastAcknowledged]:
        """Read what was acknowledged for the leads from `low` to `high` (bytes of the id)."""
        rows = self.store.execute(
            "SELECT lead, hash, score, band, as_of, written_at, episode, digest FROM acknowledged"
            " WHERE crm = ? AND lead BETWEEN ? AND ? ORDER BY lead, episode",
            (self.crm, low, high),
        )
        if any(_digest(*row[:6]) != row[-1] >> 32 for row in rows):
            raise _changed()
        return {row[0]: LastAcknowledged(*row[1:-1]) for row in rows}  # the newest episode's

    def acknowledged_values(self, leads: Sequence[str]) -> dict[str, AcknowledgedValues]:
        """Read our fields as the CRM keeps them, for these leads."""
        acknowledged: dict[str, AcknowledgedValues] = {}
        for start in range(0, len(leads), _PER_QUERY):
            some = leads[start : start + _PER_QUERY]
            marks = ", ".join("?" * len(some))
            rows = self.store.execute(
                "SELECT lead, hash, score, band, as_of, written_at, remote, digest, episode,"  # noqa: S608
                f" old_override FROM acknowledged WHERE crm = ? AND lead IN ({marks})"
                " ORDER BY lead, episode",
                (self.crm, *some),
            )
            if any(_digests(*row[:7]) != row[7] for row in rows):
                raise _changed()
            acknowledged.update(
                (row[0], AcknowledgedValues(row[4], row[6], row[8], bool(row[9]))) for row in rows
            )
        return acknowledged

    def waiting(self, low: str, high: str) -> dict[str, int]:
        """Read lead -> as_of of what is in the outbox between two ids."""
        rows = self.store.execute(
            "SELECT lead, as_of FROM outbox WHERE crm = ? AND lead BETWEEN ? AND ?",
            (self.crm, low, high),
        )
        return {row[0]: row[1] for row in rows}

    def queue(
        self, lease: Lease, rows: Sequence[LeadPayload], dropped: Sequence[str], run_id: str
    ) -> None:
        """Record what is to be sent before any of it is; `dropped` leads leave the outbox."""
        with self.fenced(lease):
            self.store.many(
                "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, 'pending', 0, '', ?, ?)"
                " ON CONFLICT (crm, lead) DO UPDATE SET hash = excluded.hash,"
                " payload = excluded.payload, as_of = excluded.as_of, state = 'pending',"
                " error = '', run_id = excluded.run_id, episode = excluded.episode"
                " WHERE excluded.episode > outbox.episode"
                " OR (excluded.episode = outbox.episode AND excluded.as_of >= outbox.as_of)",
                [
                    (
                        self.crm,
                        row.lead,
                        row.hash,
                        _json(row.values),
                        row.as_of,
                        run_id,
                        row.episode,
                    )
                    for row in rows
                ],
            )
            self.drop(dropped)

    def retry_rejected(self, lease: Lease) -> None:
        """Put rejected rows back into the queue: every run tries them again."""
        with self.fenced(lease):
            self.store.execute(
                "UPDATE outbox SET state = 'pending' WHERE crm = ? AND state = 'rejected'",
                (self.crm,),
            )

    def next_batch(self, size: int, after: str) -> list[LeadPayload]:
        """Read up to `size` pending rows with ids above `after`, in order."""
        rows = self.store.execute(
            "SELECT lead, hash, payload, as_of, episode FROM outbox WHERE crm = ?"
            " AND state = 'pending' AND lead > ? ORDER BY lead LIMIT ?",
            (self.crm, after, size),
        )
        return [_payload(*row) for row in rows]

    def unconfirmed(self, leads: Sequence[str] | None = None) -> dict[str, list[LeadPayload]]:
        """Read what was sent without a trusted answer, for these leads or for all."""
        rows = self.store.execute(
            "SELECT lead, hash, payload, as_of, episode FROM inflight WHERE crm = ?", (self.crm,)
        )
        wanted = None if leads is None else set(leads)
        by_lead: dict[str, list[LeadPayload]] = {}
        for row in rows:
            if wanted is None or row[0] in wanted:
                by_lead.setdefault(row[0], []).append(_payload(*row))
        return by_lead

    def count_waiting(self) -> int:
        """Count what is still to be sent, without rejected rows."""
        return int(
            self.store.execute(
                "SELECT count(*) FROM outbox WHERE crm = ? AND state = 'pending'", (self.crm,)
            )[0][0]
        )

    def dead_letters(self) -> list[tuple[str, str, int, str]]:
        """Read (lead, cause, attempts, payload) of what the CRM rejects."""
        rows = self.store.execute(
            "SELECT lead, error, attempts, payload FROM outbox WHERE crm = ? AND"
            " state = 'rejected' ORDER BY lead",
            (self.crm,),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    # -- sending ---------------------------------------------------------------------------

    def mark_sending(self, lease: Lease, rows: Sequence[LeadPayload]) -> None:
        """Record, before the request leaves, that the CRM may hold these payloads."""
        with self.fenced(lease):
            self.store.many(
                "INSERT INTO inflight VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (self.crm, row.lead, row.hash, row.as_of, _json(row.values), row.episode)
                    for row in rows
                ],
            )

    def forget_unconfirmed(self, lease: Lease) -> None:
        """Forget what was read back, is not what the CRM holds, and is not to be sent any more."""
        with self.fenced(lease):
            self.store.execute(
                "DELETE FROM inflight WHERE crm = ? AND lead NOT IN"
                " (SELECT lead FROM outbox WHERE crm = ?)",
                (self.crm, self.crm),
            )

    def record_answers(
        self,
        lease: Lease,
        done: Sequence[AcknowledgedUpdate],
        *,
        rejected: Mapping[str, str],
        dropped: Mapping[str, str],
        now: int,
        run_id: str,
    ) -> None:
        """Record answers, rejected rows and what is not sent, with one entry of the audit log."""
        if not (done or rejected or dropped):
            return
        with self.fenced(lease):
            self._acknowledge(done, now)
            self.store.many(
                "UPDATE outbox SET state = 'rejected', attempts = attempts + 1, error = ?"
                " WHERE crm = ? AND lead = ?",
                [(error, self.crm, lead) for lead, error in rejected.items()],
            )
            self.drop([*dropped])
            self._forget_inflight([*rejected])
            entry = {
                "at": now,
                "crm": self.crm,
                "run": run_id,
                "token": lease.token,
                "written": [[each.row.lead, each.row.score, each.row.hash] for each in done],
                "rejected": dict(rejected),
                "kept": dict(dropped),
            }
            append(self.store, entry)

    def _acknowledge(self, done: Sequence[AcknowledgedUpdate], now: int) -> None:
        self.store.many(
            "INSERT INTO acknowledged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (crm, lead, episode)"
            " DO UPDATE SET hash = excluded.hash, score = excluded.score, band = excluded.band,"
            " as_of = excluded.as_of, model_version = excluded.model_version,"
            " written_at = excluded.written_at, version = excluded.version,"
            " remote = excluded.remote, digest = excluded.digest,"
            " old_override = excluded.old_override",
            [self._acknowledged(each, now) for each in done],
        )
        # What was queued later than what is acknowledged now stays in the queue.
        self.store.many(
            "DELETE FROM outbox WHERE crm = ? AND lead = ? AND hash = ? AND as_of <= ?"
            " AND episode = ?",
            [
                (self.crm, each.row.lead, each.row.hash, each.row.as_of, each.row.episode)
                for each in done
            ],
        )
        self._forget_inflight([each.row.lead for each in done])

    def _acknowledged(self, each: AcknowledgedUpdate, now: int) -> tuple[object, ...]:
        row, remote = each.row, _json(each.remote)
        version = str(row.values["model_version"])
        digest = _digests(row.lead, row.hash, row.score, row.band, row.as_of, now, remote)
        columns = (row.lead, row.hash, row.score, row.band, row.as_of, version, now)
        episode = (row.episode, int(each.old_override))
        return (self.crm, *columns, each.version, remote, digest, *episode)

    def drop(self, leads: Sequence[str]) -> None:
        """Take leads out of the outbox; call inside `fenced`."""
        self.store.many(
            "DELETE FROM outbox WHERE crm = ? AND lead = ?", [(self.crm, lead) for lead in leads]
        )

    def _forget_inflight(self, leads: Sequence[str]) -> None:
        self.store.many(
            "DELETE FROM inflight WHERE crm = ? AND lead = ?", [(self.crm, lead) for lead in leads]
        )


def _json(values: Mapping[str, Value]) -> str:
    return json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))


def _digest(lead: str, content: str, score: int, band: str, as_of: int, written_at: int) -> int:
    """Checksum, in 31 bits, of what tells whether a lead changed: a database notices a damaged
    page, but not a damaged value in it."""
    text = f"{lead}\x1f{content}\x1f{score}\x1f{band}\x1f{as_of}\x1f{written_at}"
    return crc32(text.encode()) & 0x7FFFFFFF


def _digests(
    lead: str, content: str, score: int, band: str, as_of: int, written_at: int, remote: str
) -> int:
    """Checksum of a whole row: `_digest` in the upper bits, 32 bits over the CRM's values below."""
    upper = _digest(lead, content, score, band, as_of, written_at)
    return upper << 32 | crc32(remote.encode())


def _changed() -> OutsideError:
    return damaged(None, "a row was changed behind its back")


def _payload(lead: str, digest: str, text: str, as_of: int, episode: int) -> LeadPayload:
    """Read a payload back; one that does not match its hash is never sent."""
    try:
        values = json.loads(text)
        whole = digest == content_hash(
            values["score"],
            values["band"],
            values["reasons"],
            values["model_version"],
            values.get(DISPOSITION),
        )
    except (ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise damaged(None, f"the payload of lead {lead!r} does not match its hash")
    return LeadPayload(lead, digest, values, as_of, episode)
