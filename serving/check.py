"""`leadscore check`: the data read, their dates and the leak audit, as values."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from data.delay import DelayCurve, delay_curve
from data.labels import open_snapshots
from data.reading.read_tables import CrmData
from data.reading.review import ColumnReview, undeclared_columns
from serving.lead_ages import say_older
from serving.session import Session
from training.audit import AuditReport, audit, html
from training.audit.verdict import name_of
from training.dataset import Dataset, make_dataset

SUSPECT_CONVERSION_RATE = 0.5
"""Share of conversions above which the conversion event is probably the wrong one."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the check found; `stops` is True where a structural leak forbids training."""

    reading: CrmData
    dataset: Dataset
    report: AuditReport
    reviews: tuple[ColumnReview, ...]
    delay: DelayCurve | None
    older: str | None
    page: str

    @property
    def stops(self) -> bool:
        """Tell whether training would be refused."""
        return bool(self.report.structural)

    def lines(self) -> list[str]:
        """Write the result for a person, line by line."""
        tables, labelled = self.reading.tables, self.dataset.labelled
        lines = [
            f"{len(tables):,} leads, {len(tables.events):,} events before their outcome, "
            f"{len(self.dataset.frame.catalogue.features)} features",
            f"{len(labelled):,} mature snapshots, {int(labelled.y.sum()):,} converted "
            f"({labelled.y.mean():.1%})",
        ]
        if labelled.y.mean() > SUSPECT_CONVERSION_RATE:
            lines.append(
                f"note: {labelled.y.mean():.0%} convert: is [conversion] what sales would call one?"
            )
        lines += [f"note: {note}" for note in self.reading.notes]
        if self.older is not None:
            lines.append(f"note: {self.older}")
        if self.delay is not None:
            lines += [f"note: {words}" for words in self.delay.warnings]
        for review in self.reviews:
            standing = "no feature" if tables.created_at is not None else "for review"
            lines.append(
                f"{standing}: {review.table}.{review.name}: {review.reason}; {review.line}"
            )
        fixed: dict[str, list[str]] = {}
        for review in self.reviews:
            if review.line == f"fixed = {json.dumps([review.name], ensure_ascii=False)}":
                fixed.setdefault(review.table, []).append(review.name)
        lines += [
            f"to use these of {table}, if they never change: add "
            f"{json.dumps(names, ensure_ascii=False)} to its fixed"
            for table, names in fixed.items()
            if len(names) > 1
        ]
        for verdict in self.report.verdicts:
            if verdict.severity == "note" and verdict.detector == "D4":
                continue  # listed above, with the line to add
            waived = f" (waived by {verdict.waived_by})" if verdict.waived_by else ""
            lines.append(
                f"{verdict.severity}: {verdict.detector}: {name_of(verdict)}: {verdict.reason}; "
                f"{verdict.cure}{waived}"
            )
        lines.append(
            "refused: a structural leak stops training" if self.stops else "nothing stops training"
        )
        return lines

    def to_dict(self) -> dict[str, object]:
        """Write the result for a machine."""
        return {
            "leads": len(self.reading.tables),
            "events": len(self.reading.tables.events),
            "snapshots": len(self.dataset.labelled),
            "conversions": int(self.dataset.labelled.y.sum()),
            "notes": list(self.reading.notes),
            "undeclared": [asdict(review) for review in self.reviews],
            "verdicts": [asdict(verdict) for verdict in self.report.verdicts],
            "stops": self.stops,
        }


def check_project(
    session: Session, reading: CrmData, *, on_stage: Callable[[str], None]
) -> CheckResult:
    """Label, split and build features from what was read, and audit it."""
    on_stage("labels and features")
    project, tables, outcomes = session.project, reading.tables, reading.outcomes
    dataset = make_dataset(project, tables, outcomes, threads=session.threads)
    reviews = tuple(undeclared_columns(project, session.frames))
    on_stage("delay from creation to conversion")
    delay = delay_curve(tables, outcomes, project) if outcomes.timed else None
    on_stage("leak audit")
    report = audit(tables, outcomes, project, seed=session.seed, dataset=dataset, reviews=reviews)
    page = html(report, project=project.project.name)
    open_now = open_snapshots(tables, outcomes, outcomes.observed_until)
    older = say_older(project, tables.created_at, open_now)
    return CheckResult(reading, dataset, report, reviews, delay, older, page)
