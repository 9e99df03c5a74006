"""What a night did, step by step -> one exit code, one JSON document, a file for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from data.clock import iso
from serving.night_journal import NightJournal

Outcome = Literal["done", "kept", "skipped", "failed"]
"""`kept` is what an earlier run of the same night did already."""

MATTERS: Final = (
    *("score", "write_back", "pull", "report", "monitor", "retrain", "retention", "metrics"),
)
"""The steps, by what matters most. The first of them with another exit code than 0 gives the
night's."""


@dataclass(frozen=True, slots=True)
class NightStep:
    """One step: its outcome, its exit code, its length, and one line about it."""

    name: str
    outcome: Outcome
    exit_code: int
    seconds: float
    says: str


@dataclass(frozen=True, slots=True)
class NightCounts:
    """Leads scored, and what became of them in the CRM."""

    rows: int = 0
    sent: int = 0
    cleared: int = 0
    rejected: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class NightResult:
    """A night as it ended; `error` says why it did not begin. `as_of` is None where it is unknown.

    `began` is the moment of this run, which `resumed` a night that another run had begun.
    """

    project: str
    began: int
    seconds: float
    run_id: str
    as_of: int | None = None
    model_version: str | None = None
    steps: tuple[NightStep, ...] = ()
    counts: NightCounts = NightCounts()
    resumed: bool = False
    dry_run: bool = False
    error: str | None = None
    refused_with: int = 0

    @property
    def exit_code(self) -> int:
        """The code of the step that matters most among those that did not go well; 0 if all did."""
        codes = {step.name: step.exit_code for step in self.steps}
        return next((codes[name] for name in MATTERS if codes.get(name)), self.refused_with)

    @property
    def scores_in_effect(self) -> bool:
        """Whether tonight's scores are in the CRM."""
        good = {step.name for step in self.steps if step.outcome in ("done", "kept")}
        well = all(step.exit_code == 0 for step in self.steps if step.name == "write_back")
        return {"score", "write_back"} <= good and well and not self.dry_run

    def to_dict(self) -> dict[str, object]:
        """Lay the night out as one JSON document."""
        return {
            "project": self.project,
            "exit_code": self.exit_code,
            "as_of": None if self.as_of is None else iso(self.as_of),
            "run_id": self.run_id,
            "model_version": self.model_version,
            "resumed": self.resumed,
            "dry_run": self.dry_run,
            **asdict(self.counts),
            "seconds": round(self.seconds, 3),
            "steps": {
                step.name: {
                    "outcome": step.outcome,
                    "exit_code": step.exit_code,
                    "seconds": round(step.seconds, 3),
                    "says": step.says,
                }
                for step in self.steps
            },
            "error": self.error,
        }

    def metrics(self, journal: NightJournal) -> str:
        """Write the figures in the text format that Prometheus's node exporter collects."""
        return "".join(self._metrics(journal))

    def _metrics(self, journal: NightJournal) -> Iterator[str]:
        label = f'project="{self.project}"'
        figures = (
            ("last_run_timestamp_seconds", "When the newest night began.", self.began / 1e6),
            (
                "last_success_timestamp_seconds",
                "When the newest night with exit code 0 began.",
                journal.last_success / 1e6,
            ),
            (
                "last_scores_timestamp_seconds",
                "When the newest night began whose scores are in the CRM.",
                journal.last_scores / 1e6,
            ),
            ("exit_code", "Exit code of the newest night.", self.exit_code),
            ("duration_seconds", "How long the newest night took.", round(self.seconds, 3)),
            ("rows", "Leads scored by the newest night.", self.counts.rows),
            ("sent_rows", "Scores that it sent to the CRM.", self.counts.sent),
            ("cleared_rows", "Scores that it took out of the CRM.", self.counts.cleared),
            ("rejected_rows", "Scores that the CRM rejected.", self.counts.rejected),
            ("waiting_rows", "Scores left in the outbox.", self.counts.waiting),
        )
        for name, words, value in figures:
            yield from _metric(name, words, [(label, value)])
        steps = [(f'{label},step="{step.name}"', step) for step in self.steps]
        codes = [(labels, step.exit_code) for labels, step in steps]
        lengths = [(labels, round(step.seconds, 3)) for labels, step in steps]
        yield from _metric("step_exit_code", "Exit code of each step.", codes)
        yield from _metric("step_duration_seconds", "How long each step took.", lengths)


def _metric(name: str, words: str, values: Sequence[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP leadscore_night_{name} {words}\n# TYPE leadscore_night_{name} gauge\n"
    for labels, value in values:
        yield f"leadscore_night_{name}{{{labels}}} {value!r}\n"
