"""Outbox -> CRM in batches: read, decide, record the intent, send, record the answer.

A crash at any point loses nothing: the next run reads back what may have been applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from data.errors import OutsideError
from serving.crm.interface import (
    Busy,
    Crm,
    Denied,
    Refused,
    Remote,
    Unsure,
    Update,
    Value,
    WriteAnswer,
)
from serving.crm.retries import RateLimit, RetryPolicy
from serving.writeback.decide import (
    Action,
    decide,
    dropped_field,
    holds,
    is_as_sent,
    is_old_override,
)
from serving.writeback.ledger import AcknowledgedUpdate, AcknowledgedValues, Lease, Ledger
from serving.writeback.payload import LeadPayload

_T = TypeVar("_T")
_CONFLICTS: Final = 4  # reads of a lead that keeps changing, before it is left for the next run


def _update(
    row: LeadPayload,
    remote: Remote,
    acknowledged: AcknowledgedValues | None,
    values: Mapping[str, Value],
) -> AcknowledgedUpdate:
    """Note what the CRM holds, and whether an override in it is one of an earlier episode."""
    old = remote.override and is_old_override(acknowledged, row)
    return AcknowledgedUpdate(row, remote.version, values, old)


@dataclass(slots=True)
class Tally:
    """What a run did, counted once per lead."""

    sent: int = 0
    cleared: int = 0  # of those sent: scores that an experiment holds back
    shown: list[str] = field(default_factory=list)  # leads whose score the CRM took
    requests: int = 0
    kept: dict[str, Action] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)

    def count(self, action: Action) -> int:
        """Count the leads that were left for this reason."""
        return sum(each == action for each in self.kept.values())

    @property
    def seen(self) -> int:
        """Count the leads that were written or rejected."""
        return self.sent + len(self.rejected)


class Sender:
    """Sends one outbox to one CRM under one lease."""

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        crm: Crm,
        *,
        now: int,
        run_id: str,
        rate_limit: RateLimit,
        retry_policy: RetryPolicy,
        sleep: Callable[[float], None],
        stopping: Callable[[], bool],
        compare: bool = False,
        permanent: bool = False,
    ) -> None:
        self.ledger, self.lease, self.crm = ledger, lease, crm
        self.now, self.run_id = now, run_id
        self.rate_limit, self.retry_policy = rate_limit, retry_policy
        self.sleep, self.stopping, self.compare = sleep, stopping, compare
        self.permanent = permanent
        self.tally = Tally()

    def resolve_unconfirmed(self) -> None:
        """Read back what was sent without an answer, so that nothing is sent twice unseen."""
        unconfirmed = self.ledger.unconfirmed()
        leads = sorted(unconfirmed)
        for start in range(0, len(leads), self.crm.batch_limit):
            some = leads[start : start + self.crm.batch_limit]
            remote = self._read_back(some)
            acknowledged = self.ledger.acknowledged_values(some)
            done = [
                _update(each, remote[lead], acknowledged.get(lead), remote[lead].values)
                for lead in some
                if lead in remote
                for each in unconfirmed[lead]
                if holds(remote[lead].values, each.values)
            ]
            self._record(done)
        if unconfirmed:
            self.ledger.forget_unconfirmed(self.lease)

    def drifted(self, leads: Sequence[str]) -> set[str]:
        """Find unchanged leads that the CRM does not hold as confirmed: a restored backup."""
        leads_drifted: set[str] = set()
        for start in range(0, len(leads), self.crm.batch_limit):
            some = leads[start : start + self.crm.batch_limit]
            remote = self._read_back(some)
            acknowledged = self.ledger.acknowledged_values(some)
            leads_drifted |= {
                lead
                for lead, each in remote.items()
                if not is_as_sent(each.values, acknowledged[lead].values)
            }
        return leads_drifted

    def send_all(
        self, batch: int, *, on_sent: Callable[[int, int], None] = lambda _, __: None
    ) -> None:
        """Send what waits, in order of lead ids; stops between batches when asked to."""
        after, done, total = "", 0, self.ledger.count_waiting()
        size = min(batch, self.crm.batch_limit)
        while not self.stopping():
            rows = self.ledger.next_batch(size, after)
            if not rows:
                return
            after = rows[-1].lead
            self._send(rows, len(rows))
            self._check_breaker()
            done += len(rows)
            on_sent(min(done, total), total)

    # -- one batch -------------------------------------------------------------------------

    def _send(self, rows: Sequence[LeadPayload], of: int) -> None:
        """Send rows; halve a batch that the CRM refuses whole, until the invalid row is found.

        They are of a batch of `of`: so many rejected that all of these can't make up for them stop
        the run.
        """
        left = list(rows)
        for _ in range(_CONFLICTS):
            try:
                left = self._with_retries(lambda left=left: self._round(left))  # type: ignore[misc]
            except Refused as refusal:
                if len(left) == 1:
                    self._record([], rejected={left[0].lead: str(refusal)})
                    self._check_breaker(of)
                    return
                middle = len(left) // 2
                self._send(left[:middle], of)
                self._send(left[middle:], of)
                return
            if not left:
                return

    def _round(self, rows: Sequence[LeadPayload]) -> list[LeadPayload]:
        """Read, decide, record, send, record; return the rows that changed in between."""
        remote = self._read([row.lead for row in rows])
        acknowledged = self.ledger.acknowledged_values([row.lead for row in rows])
        unconfirmed = self.ledger.unconfirmed([row.lead for row in rows])
        to_send: list[LeadPayload] = []
        already: list[AcknowledgedUpdate] = []
        kept: dict[str, str] = {}
        for row in rows:
            in_crm = remote.get(row.lead)
            action = decide(
                row,
                in_crm,
                acknowledged.get(row.lead),
                unconfirmed.get(row.lead, ()),
                inserts=self.crm.inserts,
                compare=self.compare,
                permanent=self.permanent,
            )
            if action == "send":
                to_send.append(row)
            elif action == "already" and in_crm is not None:
                already.append(_update(row, in_crm, acknowledged.get(row.lead), in_crm.values))
                self.tally.kept[row.lead] = action
            else:
                kept[row.lead] = action
                self.tally.kept[row.lead] = action
        self._record(already, dropped=kept)
        self.tally.shown += [each.row.lead for each in already if not each.row.clears]
        return self._write(to_send, remote, acknowledged) if to_send else []

    def _write(
        self,
        rows: Sequence[LeadPayload],
        remote: Mapping[str, Remote],
        acknowledged: Mapping[str, AcknowledgedValues],
    ) -> list[LeadPayload]:
        self.ledger.mark_sending(self.lease, rows)
        updates = [
            Update(row.lead, row.values, remote[row.lead].version if row.lead in remote else None)
            for row in rows
        ]
        self._count_request()
        answers = {answer.lead: answer for answer in self.crm.upsert(updates)}
        echoes = self._echoes(answers)
        done: list[AcknowledgedUpdate] = []
        rejected: dict[str, str] = {}
        moved: list[LeadPayload] = []
        deleted: dict[str, str] = {}
        for row in rows:
            answer = answers.get(row.lead)
            if answer is None or answer.status == "conflict":
                moved.append(row)  # unanswered rows are read again like those that changed
            elif answer.status == "gone":
                deleted[row.lead] = "gone"
            elif answer.status == "rejected":
                rejected[row.lead] = answer.error or "rejected without a reason"
            else:
                stored = echoes.get(row.lead, row.values)
                lost = dropped_field(stored, row.values)
                if lost:
                    rejected[row.lead] = f"the CRM did not keep the field {lost}"
                else:
                    kept_values = stored if holds(stored, row.values) else row.values
                    before = remote.get(row.lead, Remote({}))
                    update = _update(row, before, acknowledged.get(row.lead), kept_values)
                    done.append(replace(update, version=answer.version))
        self._record(done, rejected=rejected, dropped=deleted)
        self.tally.sent += len(done)
        self.tally.cleared += sum(each.row.clears for each in done)
        self.tally.shown += [each.row.lead for each in done if not each.row.clears]
        self.tally.kept.update(dict.fromkeys(deleted, "gone"))
        return moved

    def _echoes(self, answers: Mapping[str, WriteAnswer]) -> dict[str, Mapping[str, Value]]:
        """Find how the CRM keeps what was written: from its answers, else by reading back."""
        echoes = {lead: each.echo for lead, each in answers.items() if each.echo is not None}
        silent = [
            lead for lead, each in answers.items() if each.status == "written" and each.echo is None
        ]
        if silent:
            back = self._with_retries(lambda: self._read(silent))
            echoes.update({lead: each.values for lead, each in back.items()})
        return dict(echoes)

    def _record(
        self,
        done: Sequence[AcknowledgedUpdate],
        *,
        rejected: Mapping[str, str] | None = None,
        dropped: Mapping[str, str] | None = None,
    ) -> None:
        self.ledger.record_answers(
            self.lease,
            done,
            rejected=rejected or {},
            dropped=dropped or {},
            now=self.now,
            run_id=self.run_id,
        )
        self.tally.rejected.update(rejected or {})

    # -- requests --------------------------------------------------------------------------

    def _read(self, leads: Sequence[str]) -> dict[str, Remote]:
        self._count_request()
        return self.crm.read_scores(leads)

    def _read_back(self, leads: Sequence[str]) -> dict[str, Remote]:
        try:
            return self._with_retries(lambda: self._read(leads))
        except Refused as error:
            raise OutsideError(
                f"{self.crm.name} refuses to be read: {error}",
                cure="look at `entity` and `fields` of [write_back]",
            ) from None

    def _count_request(self) -> None:
        self.rate_limit.wait()
        self.tally.requests += 1

    def _with_retries(self, request: Callable[[], _T]) -> _T:
        """Repeat a request after an exponential, jittered wait, or as long as the CRM says."""
        try:
            return Retrying(
                retry=retry_if_exception_type((Busy, Unsure)),
                stop=self._enough,
                wait=self.retry_policy.wait,
                sleep=self.sleep,
                reraise=True,
            )(request)
        except Denied as error:
            raise OutsideError(
                f"{self.crm.name} refuses access: {error}", cure="check the credentials and rights"
            ) from None
        except (Busy, Unsure) as error:
            raise OutsideError(
                f"{self.crm.name} does not answer after {self.retry_policy.tries} tries: {error}",
                cure="run again: what was not sent waits in the outbox",
            ) from None

    def _enough(self, state: RetryCallState) -> bool:
        return state.attempt_number >= self.retry_policy.tries or self.stopping()

    def _check_breaker(self, more: int = 0) -> None:
        """Stop when the CRM rejects so many rows that the cause must be on our side.

        At most `more` rows are still on their way.
        """
        rejected, seen = len(self.tally.rejected), self.tally.seen + more
        limit = max(self.retry_policy.breaker_share * seen, self.retry_policy.breaker_least)
        if rejected > limit:
            cause = next(iter(self.tally.rejected.values()))
            raise OutsideError(
                f"{self.crm.name} rejects {rejected} of {self.tally.seen} rows, first: {cause}",
                cure="mend the cause and run again: the rest waits in the outbox",
            )
