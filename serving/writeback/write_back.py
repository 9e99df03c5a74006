"""One write-back run: reads scores, sends only what changed to the CRM, records everything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from data.errors import OutsideError
from data.files import write_text
from serving.crm.connectors import connect, is_embedded
from serving.crm.interface import DISPOSITION, Crm, Remote, Unsure, Update, WriteAnswer
from serving.crm.retries import RateLimit, RetryPolicy
from serving.crm.sqlite import embedded
from serving.exposure import Exposures
from serving.guard_record import refuse_stopped
from serving.writeback.decide import SendRules, worth_sending
from serving.writeback.ledger import Ledger
from serving.writeback.ledger_place import crm_name, ledger_place, open_ledger
from serving.writeback.ledger_store import open_store
from serving.writeback.payload import RULE, SayRule, in_english, read_leads, read_scores
from serving.writeback.send import Sender
from serving.writeback.stop import Stop
from training.state import StatePaths
from training.state_format import make_folder

if TYPE_CHECKING:
    from data.schema import Project


@dataclass(frozen=True, slots=True)
class WriteBackResult:
    """What a run did, lead by lead; every lead of the score file is in exactly one count."""

    run_id: str
    crm: str
    leads: int
    sent: int
    cleared: int  # scores taken out of the CRM, because an experiment holds them back
    already_there: int  # the CRM held the value: acknowledged without a write
    unchanged: int
    rejected: int
    kept_overrides: int
    stale: int
    closed: int
    gone: int
    waiting: int  # left in the outbox: a signal came, or a lead kept changing
    requests: int
    dead_letter: str | None
    dry_run: bool

    @property
    def exit_code(self) -> int:
        """4 where something was not sent: running again tries it again."""
        return 4 if self.rejected or self.waiting else 0

    @property
    def summary(self) -> str:
        """Sum up the run in one line."""
        sent = "would be sent" if self.dry_run else "sent"
        words = {
            sent: self.sent,
            "cleared": self.cleared,
            "already there": self.already_there,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "kept by a person": self.kept_overrides,
            "newer in the CRM": self.stale,
            "closed": self.closed,
            "not in the CRM": self.gone,
            "waiting": self.waiting,
        }
        counts = ", ".join(f"{n:,} {word}" for word, n in words.items() if n or word == sent)
        return f"{self.crm}: {counts}{' (dry run: nothing was written)' if self.dry_run else ''}"

    @property
    def warning(self) -> str:
        """Say what a person should look at; empty where there is nothing."""
        if self.stale < max(10, 0.2 * self.leads):
            return ""
        return (
            f"yellow: {self.stale:,} of {self.leads:,} leads hold a newer score in the CRM and "
            "keep it: an earlier run was of a later moment; look for a clock that ran ahead "
            "in its data"
        )


class StoppedBySignal(OutsideError):  # noqa: N818
    """A signal asked the run to stop: what was not sent waits in the outbox."""

    def __init__(self, result: WriteBackResult) -> None:
        self.result = result
        super().__init__(
            f"stopped by a signal after {result.sent} rows; {result.waiting} wait in the outbox",
            cure="run again",
        )


def write_back(
    scores_path: Path | None,
    project: Project,
    state: Path,
    *,
    now: int,
    run_id: str,
    dry_run: bool = False,
    retry_policy: RetryPolicy | None = None,
    crm: Crm | None = None,
    stop: Stop | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
    on_sent: Callable[[int, int], None] = lambda _, __: None,
) -> WriteBackResult:
    """Send what changed in `scores_path` to the CRM of the project; `now` in microseconds UTC.

    `on_sent` is told after each batch how many leads are done, and of how many.
    Without scores, only the outbox and the rejected rows are sent (a replay by hand).
    InputError where the score file or the project file is wrong, OutsideError where the CRM or the
    disk fails: then everything that was not sent waits in the outbox, and the next run sends it.
    StoppedBySignal after a signal where something waits; `stop` is a caller's own ear for signals.
    GateError where the guard stopped the newest night (serving/guard_record.py).
    """
    if scores_path is not None and scores_path == StatePaths(state).scores:
        refuse_stopped(state)
    section, retry_policy = project.write_back, retry_policy or RetryPolicy()
    leads = [] if scores_path is None else read_leads(scores_path)  # all right, or nothing is made
    if not dry_run:
        make_folder(StatePaths(state))
        if leads and is_embedded(section) and crm is None:
            embedded.add_leads(embedded.create(state), ((lead, "") for lead in leads))
    with ExitStack() as stack:
        home = state
        if dry_run and is_embedded(section) and not (state / embedded.FILE).is_file():
            home = Path(stack.enter_context(TemporaryDirectory()))
        stop = stop or stack.enter_context(Stop())
        allow, base = project.network.allow, Path(project.folder)
        target = crm or connect(section, home, allow, partial(_wait, stop), base)
        stack.callback(target.close)
        place = ledger_place(project, state)
        store = open_ledger(place) or open_store(None if dry_run else place)
        stack.callback(store.close)
        ledger = Ledger(store, crm_name(section), lease_s=retry_policy.lease_s)
        if dry_run:
            memory = open_store(None)
            stack.callback(memory.close)
            ledger = ledger.copy(memory)
            target = DryRun(target, inserts=target.inserts or is_embedded(section))
        lease = ledger.acquire(retry_policy.lease_wait_s, stop.sleep)
        stack.callback(ledger.release, lease)
        sender = Sender(
            ledger,
            lease,
            target,
            now=now,
            run_id=run_id,
            rate_limit=RateLimit(
                section.requests_per_second if target.metered else None, stop.sleep
            ),
            retry_policy=retry_policy,
            sleep=stop.sleep,
            stopping=stop.asked,
            compare=section.compare_with_crm,
            permanent=section.permanent_overrides,
        )
        batch = section.batch if "batch" in section.model_fields_set else target.batch_limit
        rules = SendRules(section.min_points, section.max_age_days)
        try:
            on_stage("comparing with what was sent")
            counts = _queue(scores_path, sender, rules, project)
            on_stage("sending to the CRM")
            return _send(counts, sender, batch, state, dry_run=dry_run, on_sent=on_sent)
        finally:
            if not dry_run:
                seen = Exposures.of(StatePaths(state), project)
                seen.note("crm", sender.tally.shown, at=now)


def _wait(stop: Stop, seconds: float) -> None:
    """Wait while the CRM works; Unsure where a signal comes, for it may go on without us."""
    stop.sleep(seconds)
    if stop.asked():
        raise Unsure("a signal came while it was working")


def _queue(
    scores_path: Path | None, sender: Sender, rules: SendRules, project: Project
) -> Counter[str]:
    """Fill the outbox; counts what becomes of each score."""
    sender.resolve_unconfirmed()
    counts = Counter[str]()
    if scores_path:
        counts = queue_changes(
            scores_path,
            sender,
            rules,
            _say_rule(project),
            disposition=DISPOSITION in project.write_back.fields,
        )
    sender.ledger.retry_rejected(sender.lease)
    return counts


def _send(
    counts: Counter[str],
    sender: Sender,
    batch: int,
    state: Path,
    *,
    dry_run: bool,
    on_sent: Callable[[int, int], None],
) -> WriteBackResult:
    ledger = sender.ledger
    try:
        sender.send_all(batch, on_sent=on_sent)
    finally:
        letters = None if dry_run else write_dead_letters(ledger, state / "dead_letter.jsonl")
    tally, waiting = sender.tally, ledger.count_waiting()
    result = WriteBackResult(
        run_id=sender.run_id,
        crm=ledger.crm,
        leads=sum(counts.values()),
        sent=tally.sent - tally.cleared,
        cleared=tally.cleared,
        already_there=tally.count("already"),
        unchanged=counts["unchanged"],
        rejected=len(tally.rejected),
        kept_overrides=tally.count("override"),
        stale=counts["stale"] + tally.count("stale"),
        closed=tally.count("closed"),
        gone=tally.count("gone"),
        waiting=waiting,
        requests=tally.requests,
        dead_letter=str(letters) if letters else None,
        dry_run=dry_run,
    )
    if sender.stopping() and waiting:
        raise StoppedBySignal(result)
    return result


def _say_rule(project: Project) -> SayRule:
    """Give the words for a rule or a rep in the project's language; English needs no catalogue."""
    if project.project.language == "en" and not project.report.labels:
        return in_english

    def say(reason: str, message: str = RULE) -> str:
        # only where a rule is said: catalogues bring the model's libraries along
        from serving.worklist.language import words_of

        words = words_of(project.project.language)
        told = words.label(reason, project.report.labels) if message == RULE else reason
        return words.message(message).replace("{reason}", told)

    return say


def queue_changes(
    scores_path: Path,
    sender: Sender,
    rules: SendRules,
    say_rule: SayRule | None = None,
    *,
    disposition: bool = False,
) -> Counter[str]:
    """Compare every score with what was acknowledged last, and queue what is worth a write."""
    ledger, counts = sender.ledger, Counter[str]()
    for chunk in read_scores(scores_path, say_rule, disposition=disposition):
        rows = chunk.summaries
        last = ledger.last_acknowledged(rows[0].lead, rows[-1].lead)
        verdicts = [worth_sending(row, last.get(row.lead), rules, sender.now) for row in rows]
        same = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict == "unchanged"]
        drifted = sender.drifted([row.lead for row in same]) if sender.compare else set()
        changed = [
            at
            for at, verdict in enumerate(verdicts)
            if verdict == "send" or rows[at].lead in drifted
        ]
        counts["unchanged"] += len(same) - len(drifted)
        counts["send"] += len(changed)
        counts["stale"] += len(rows) - len(same) + len(drifted) - len(changed)
        waiting = ledger.waiting(rows[0].lead, rows[-1].lead)
        superseded = [
            row.lead
            for row in same
            if row.lead not in drifted and waiting.get(row.lead, row.as_of + 1) <= row.as_of
        ]
        if changed or superseded:
            ledger.queue(sender.lease, chunk.payloads(changed), superseded, sender.run_id)
    return counts


def write_dead_letters(ledger: Ledger, path: Path) -> Path | None:
    """Write what the CRM rejects, with the cause, atomically; None where there is nothing."""
    letters = ledger.dead_letters()
    if not letters:
        path.unlink(missing_ok=True)
        return None
    lines = [
        json.dumps(
            {"lead_id": lead, "cause": cause, "attempts": attempts, "payload": json.loads(payload)},
            ensure_ascii=False,
        )
        for lead, cause, attempts, payload in letters
    ]
    return write_text(path, "\n".join(lines) + "\n")


class DryRun:
    """A CRM that is read, but not written: every write is answered as done."""

    def __init__(self, crm: Crm, *, inserts: bool) -> None:
        self.name, self.batch_limit, self.metered = crm.name, crm.batch_limit, crm.metered
        self.conditional, self.inserts, self._crm = crm.conditional, inserts, crm

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read the real CRM."""
        return self._crm.read_scores(leads)

    def upsert(self, batch: Sequence[Update]) -> Iterable[WriteAnswer]:
        """Answer as a CRM that accepts everything."""
        return [WriteAnswer(each.lead, "written", echo=each.values) for each in batch]

    def close(self) -> None:
        """Close the real CRM."""
        self._crm.close()
