"""Deliberately broken builds: each takes one safeguard away, and the proofs must notice.

They are patches of the product inside a forked process; the product has no such switches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import serving.writeback.send as send
import serving.writeback.write_back as product
from serving.crm.http import results
from serving.crm.interface import CrmError, Refused, Remote, Unsure, Update, WriteAnswer
from serving.crm.rest.writer import RestCrm
from serving.writeback.ledger import AcknowledgedUpdate, Ledger


def acknowledge_before_send() -> None:
    """Record the answer before there is one."""
    write = send.Sender._write

    def early(self: send.Sender, rows: Any, *rest: Any) -> Any:
        self._record([AcknowledgedUpdate(row, None, row.values) for row in rows])
        return write(self, rows, *rest)

    send.Sender._write = early  # type: ignore[method-assign]


def trust_a_timeout() -> None:
    """Take a request without an answer for done."""
    upsert = RestCrm.upsert

    def hopeful(self: RestCrm, batch: Sequence[Update]) -> list[WriteAnswer]:
        try:
            return upsert(self, batch)
        except Unsure:
            return [WriteAnswer(each.lead, "written", echo=each.values) for each in batch]

    RestCrm.upsert = hopeful  # type: ignore[method-assign]


def believe_in_order() -> None:
    """Read results by position, not by id."""
    upsert = RestCrm.upsert

    def by_position(self: RestCrm, batch: Sequence[Update]) -> list[WriteAnswer]:
        answers = upsert(self, batch)
        return [a._replace(lead=u.lead) for a, u in zip(answers, batch, strict=False)]

    RestCrm.upsert = by_position  # type: ignore[method-assign]


def missing_means_done() -> None:
    """Take rows that a 207 does not mention for written."""
    upsert = RestCrm.upsert

    def filled(self: RestCrm, batch: Sequence[Update]) -> list[WriteAnswer]:
        answers = {answer.lead: answer for answer in upsert(self, batch)}
        return [
            answers.get(each.lead) or WriteAnswer(each.lead, "written", echo=each.values)
            for each in batch
        ]

    RestCrm.upsert = filled  # type: ignore[method-assign]


def ignore_row_errors() -> None:
    """Take every row of a 200 for written, whatever its status says."""
    upsert = RestCrm.upsert

    def blind(self: RestCrm, batch: Sequence[Update]) -> list[WriteAnswer]:
        written = {each.lead: each.values for each in batch}
        return [
            answer._replace(status="written", echo=written[answer.lead])
            for answer in upsert(self, batch)
            if answer.lead in written
        ]

    RestCrm.upsert = blind  # type: ignore[method-assign]


def no_fence() -> None:
    """Let a run that lost its lease write on, unbound to what it read."""

    @contextmanager
    def open_gate(self: Ledger, lease: Any) -> Any:
        del lease
        with self.store.transaction():
            yield

    Ledger.fenced = open_gate  # type: ignore[method-assign,assignment]


def no_lease() -> None:
    """Let every run in at once, each with a token of its own."""
    Ledger.acquire = lambda self, *_: self._take(1, self.store.seconds())  # type: ignore[method-assign]


def blind_retry() -> None:
    """Send again after a time-out, without looking and without the version."""
    upsert = RestCrm.upsert

    def stubborn(self: RestCrm, batch: Sequence[Update]) -> list[WriteAnswer]:
        loose = [replace(each, version=None) for each in batch]
        for _ in range(3):
            try:
                return upsert(self, loose)
            except Unsure:
                continue
        return upsert(self, loose)

    RestCrm.upsert = stubborn  # type: ignore[method-assign]


def no_key() -> None:
    """Make a record instead of writing the one that is there."""

    def create(self: RestCrm, batch: Sequence[Update]) -> list[WriteAnswer]:
        leads = [{"id": each.lead, "values": self._renamed(each.values)} for each in batch]
        made = results(self._http.post("/leads/create", {"leads": leads}))
        return [WriteAnswer(str(each["id"]), "written", echo=batch[0].values) for each in made]

    RestCrm.upsert = create  # type: ignore[method-assign]


def overwrite_people() -> None:
    """Write over what a person set, and over closed leads."""
    decide = send.decide

    def rude(row: Any, remote: Remote | None, *rest: Any, **more: Any) -> Any:
        if remote is None:
            return decide(row, remote, *rest, **more)
        return "send"

    send.decide = rude  # type: ignore[assignment]


def overwrite_newer() -> None:
    """Let an older run finish last."""
    decide, worth = send.decide, product.worth_sending

    def forgetful(row: Any, *rest: Any, **more: Any) -> Any:
        action = decide(row, *rest, **more)
        return "send" if action == "stale" else action

    def eager(*rest: Any) -> Any:
        verdict = worth(*rest)
        return "send" if verdict == "stale" else verdict

    send.decide, product.worth_sending = forgetful, eager  # type: ignore[assignment]


def no_bisect() -> None:
    """Give up a whole batch for the sake of one row."""

    def give_up(self: send.Sender, rows: Any) -> None:
        try:
            self._with_retries(lambda: self._round(rows))
        except Refused as error:
            self._record([], rejected={row.lead: str(error) for row in rows})

    send.Sender._send = give_up  # type: ignore[method-assign]


def swallow_failures() -> None:
    """Report success although a batch failed, and drop it from the queue."""

    def careless(self: send.Sender, rows: Any) -> None:
        try:
            self._round(rows)
        except CrmError:
            with self.ledger.fenced(self.lease):
                self.ledger.drop([row.lead for row in rows])

    send.Sender._send = careless  # type: ignore[method-assign]


def send_everything() -> None:
    """Send all rows every night, changed or not, without looking."""
    decide = send.decide
    product.worth_sending = lambda *_: "send"  # type: ignore[assignment]

    def always(row: Any, remote: Remote | None, *rest: Any, **more: Any) -> Any:
        action = decide(row, remote, *rest, **more)
        return "send" if action == "already" else action

    send.decide = always  # type: ignore[assignment]


BUILDS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        acknowledge_before_send,
        trust_a_timeout,
        believe_in_order,
        missing_means_done,
        ignore_row_errors,
        no_fence,
        no_lease,
        blind_retry,
        no_key,
        overwrite_people,
        overwrite_newer,
        no_bisect,
        swallow_failures,
        send_everything,
    )
}
