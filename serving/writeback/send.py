"""Outbox -> CRM: read, decide, write down, send, record; in batches that survive anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type

from data.errors import OutsideError
from serving.crm.asking import Budget, Patience
from serving.crm.seam import Answer, Busy, Crm, Denied, Refused, Remote, Unsure, Update, Value
from serving.writeback.decide import Action, decide, dropped_field, holds
from serving.writeback.ledger import Lease, Ledger, Settled
from serving.writeback.payload import Scored

_T = TypeVar("_T")
_CONFLICTS: Final = 4  # reads of a lead that keeps moving, before it is left for the next run


@dataclass(slots=True)
class Tally:
    """What a run did, counted once per lead."""

    sent: int = 0
    requests: int = 0
    kept: dict[str, Action] = field(default_factory=dict)
    rejected: dict[str, str] = field(default_factory=dict)

    def count(self, action: Action) -> int:
        """Count the leads that were left for this reason."""
        return sum(each == action for each in self.kept.values())

    @property
    def seen(self) -> int:
        """Count the leads that were answered one way or another."""
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
        budget: Budget,
        patience: Patience,
        sleep: Callable[[float], None],
        stopping: Callable[[], bool],
        compare: bool = False,
    ) -> None:
        self.ledger, self.lease, self.crm = ledger, lease, crm
        self.now, self.run_id = now, run_id
        self.budget, self.patience = budget, patience
        self.sleep, self.stopping, self.compare = sleep, stopping, compare
        self.tally = Tally()

    def settle_doubts(self) -> None:
        """Ask the CRM what became of requests without an answer: nothing is sent twice blindly."""
        doubts = self.ledger.doubts()
        leads = sorted(doubts)
        for start in range(0, len(leads), self.crm.batch_limit):
            some = leads[start : start + self.crm.batch_limit]
            remote = self._patiently(lambda some=some: self._read(some))  # type: ignore[misc]
            done = [
                Settled(each, remote[lead].version, remote[lead].values)
                for lead in some
                if lead in remote
                for each in doubts[lead]
                if holds(remote[lead].values, each.values)
            ]
            self._record(done)

    def drifted(self, leads: Sequence[str]) -> set[str]:
        """Find unchanged leads that the CRM does not hold as confirmed: a restored backup."""
        found: set[str] = set()
        for start in range(0, len(leads), self.crm.batch_limit):
            some = leads[start : start + self.crm.batch_limit]
            remote = self._patiently(lambda some=some: self._read(some))  # type: ignore[misc]
            known = self.ledger.known(some)
            found |= {lead for lead, each in remote.items() if each.values != known[lead].values}
        return found

    def send_all(self, batch: int) -> None:
        """Send what waits, in order of lead ids; stops between batches when asked to."""
        after = ""
        size = min(batch, self.crm.batch_limit)
        while not self.stopping():
            rows = self.ledger.next_batch(size, after)
            if not rows:
                return
            after = rows[-1].lead
            self._send(rows)
            self._check_breaker()

    # -- one batch -------------------------------------------------------------------------

    def _send(self, rows: Sequence[Scored]) -> None:
        """Send rows; halve the batch where the CRM refuses all of it for the sake of one."""
        left = list(rows)
        for _ in range(_CONFLICTS):
            try:
                left = self._patiently(lambda left=left: self._round(left))  # type: ignore[misc]
            except Refused as refusal:
                if len(left) == 1:
                    self._record([], rejected={left[0].lead: str(refusal)})
                    return
                middle = len(left) // 2
                self._send(left[:middle])
                self._send(left[middle:])
                return
            if not left:
                return

    def _round(self, rows: Sequence[Scored]) -> list[Scored]:
        """Read, decide, write down, send, record; give back the rows that moved in between."""
        remote = self._read([row.lead for row in rows])
        known = self.ledger.known([row.lead for row in rows])
        doubts = self.ledger.doubts([row.lead for row in rows])
        going: list[Scored] = []
        already: list[Settled] = []
        kept: dict[str, str] = {}
        for row in rows:
            there = remote.get(row.lead)
            action = decide(
                row,
                there,
                known.get(row.lead),
                doubts.get(row.lead, ()),
                inserts=self.crm.inserts,
                compare=self.compare,
            )
            if action == "send":
                going.append(row)
            elif action == "already" and there is not None:
                already.append(Settled(row, there.version, there.values))
                self.tally.kept[row.lead] = action
            else:
                kept[row.lead] = action
                self.tally.kept[row.lead] = action
        self._record(already, dropped=kept)
        return self._write(going, remote) if going else []

    def _write(self, rows: Sequence[Scored], remote: Mapping[str, Remote]) -> list[Scored]:
        self.ledger.mark_sending(self.lease, rows)
        updates = [
            Update(row.lead, row.values, remote[row.lead].version if row.lead in remote else None)
            for row in rows
        ]
        self._count_request()
        answers = {answer.lead: answer for answer in self.crm.upsert(updates)}
        echoes = self._echoes(answers)
        done: list[Settled] = []
        rejected: dict[str, str] = {}
        moved: list[Scored] = []
        gone: dict[str, str] = {}
        for row in rows:
            answer = answers.get(row.lead)
            if answer is None or answer.status == "conflict":
                moved.append(row)  # unanswered rows are read again like those that moved
            elif answer.status == "gone":
                gone[row.lead] = "gone"
            elif answer.status == "rejected":
                rejected[row.lead] = answer.error or "rejected without a reason"
            else:
                there = echoes.get(row.lead, row.values)
                lost = dropped_field(there, row.values)
                if lost:
                    rejected[row.lead] = f"the CRM did not keep the field {lost}"
                else:
                    ours = there if holds(there, row.values) else row.values
                    done.append(Settled(row, answer.version, ours))
        self._record(done, rejected=rejected, dropped=gone)
        self.tally.sent += len(done)
        self.tally.kept.update(dict.fromkeys(gone, "gone"))
        return moved

    def _echoes(self, answers: Mapping[str, Answer]) -> dict[str, Mapping[str, Value]]:
        """Find how the CRM keeps what was written: from its answers, else by reading back."""
        told = {lead: each.echo for lead, each in answers.items() if each.echo is not None}
        silent = [
            lead for lead, each in answers.items() if each.status == "written" and each.echo is None
        ]
        if silent:
            back = self._patiently(lambda: self._read(silent))
            told.update({lead: each.values for lead, each in back.items()})
        return dict(told)

    def _record(
        self,
        done: Sequence[Settled],
        *,
        rejected: Mapping[str, str] | None = None,
        dropped: Mapping[str, str] | None = None,
    ) -> None:
        self.ledger.settle(
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

    def _count_request(self) -> None:
        self.budget.wait()
        self.tally.requests += 1

    def _patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask again after an exponential, jittered wait, or as long as the CRM says."""
        try:
            return Retrying(
                retry=retry_if_exception_type((Busy, Unsure)),
                stop=self._enough,
                wait=self.patience.wait,
                sleep=self.sleep,
                reraise=True,
            )(ask)
        except Denied as error:
            raise OutsideError(
                f"{self.crm.name} refuses us: {error}", cure="check the credentials and rights"
            ) from None
        except (Busy, Unsure) as error:
            raise OutsideError(
                f"{self.crm.name} does not answer after {self.patience.tries} tries: {error}",
                cure="run again: what was not sent waits in the outbox",
            ) from None

    def _enough(self, state: RetryCallState) -> bool:
        return state.attempt_number >= self.patience.tries or self.stopping()

    def _check_breaker(self) -> None:
        """Stop when the CRM rejects so much that the cause must be on our side."""
        rejected = len(self.tally.rejected)
        limit = max(self.patience.breaker_share * self.tally.seen, self.patience.breaker_least)
        if rejected > limit:
            cause = next(iter(self.tally.rejected.values()))
            raise OutsideError(
                f"{self.crm.name} rejects {rejected} of {self.tally.seen} rows, first: {cause}",
                cure="mend the cause and run again: the rest waits in the outbox",
            )
