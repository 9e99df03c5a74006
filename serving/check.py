"""`leadscore check`: the data read, their dates and the leak audit, as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import isnan

import numpy as np

from data.clock import show
from data.delay import DelayCurve, delay_curve
from data.labels import open_snapshots
from data.reading.column_roles import answer_roles, column_roles
from data.reading.read_tables import CrmData
from data.reading.review import ColumnReview, undeclared_columns
from serving.end_of_observation import say_ahead
from serving.lead_ages import say_older
from serving.qualify.engine import refuse_unknown_facts
from serving.session import Session
from training.audit import AuditReport, html
from training.audit.column_table import ColumnTable, column_table
from training.audit.verdict import name_of
from training.dataset import Dataset
from training.judgement import Judgement, judge
from training.lead_sample import training_memory

SUSPECT_CONVERSION_RATE = 0.5
"""Share of conversions above which the conversion event is probably the wrong one."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What the check found; `judgement` is what `train` stops by."""

    reading: CrmData
    judgement: Judgement
    table: ColumnTable
    reviews: tuple[ColumnReview, ...]
    delay: DelayCurve | None
    older: str | None
    page: str
    end_declared: bool
    now: int | None = None

    @property
    def dataset(self) -> Dataset:
        """The snapshots and features that training would use."""
        return self.judgement.dataset

    @property
    def report(self) -> AuditReport:
        """The leak audit."""
        return self.judgement.report

    @property
    def stops(self) -> bool:
        """Tell whether training would be refused."""
        return bool(self.judgement.refusals)

    @property
    def exit_code(self) -> int:
        """Give the code that `train` would end with for the same reason; 0 where none stops it."""
        return self.judgement.refusals[0].exit_code if self.stops else 0

    def counts(self) -> list[str]:
        """Count what was read."""
        tables, labelled = self.reading.tables, self.dataset.labelled
        n_leads = len(np.unique(labelled.snapshots.lead))
        return [
            f"{len(tables):,} leads, {len(tables.events):,} events before their outcome, "
            f"{len(self.dataset.frame.catalogue.features)} features",
            f"{len(labelled):,} mature snapshots of {n_leads:,} leads, "
            f"{int(labelled.y.sum()):,} snapshots converted ({labelled.y.mean():.1%})",
            *([] if self.observed_until is None else [self._say_end()]),
            *([] if self.horizon_covers is None else [_say_cover(self.horizon_covers)]),
        ]

    @property
    def observed_until(self) -> str | None:
        """The moment up to which the sources are taken to be complete; None without dates."""
        tables = self.reading.tables
        return None if tables.created_at is None else show(self._end())

    def _end(self) -> int:
        """Find the end of observation; undeclared it is a microsecond after the last time."""
        return self.reading.tables.observed_until - (not self.end_declared)

    def _say_end(self) -> str:
        source = "as declared" if self.end_declared else "the last time in the sources"
        return f"observed until {self.observed_until}, {source}"

    @property
    def horizon_covers(self) -> float | None:
        """The share of the conversions seen in the end that come within the horizon."""
        return None if self.delay is None or isnan(self.delay.covered) else self.delay.covered

    def remarks(self) -> Iterator[str]:
        """Say what concerns no single column; the last line is whether training goes on."""
        share = self.dataset.labelled.y.mean()
        if share > SUSPECT_CONVERSION_RATE:
            yield f"note: {share:.0%} convert: is [conversion] what sales would call one?"
        left_out = self.reading.left_out
        of_columns = [f"column {name}: {reason}" for name, reason in left_out.items()]
        notes = [n for n in self.reading.notes if not any(n.endswith(each) for each in of_columns)]
        yield from (f"note: {note}" for note in (*notes, *self.judgement.notes))
        if self.older is not None:
            yield f"note: {self.older}"
        if self.ahead is not None:
            yield f"note: {self.ahead}"
        if self.delay is not None:
            yield from (f"note: {words}" for words in self.delay.warnings)
        fixed: dict[str, list[str]] = {}
        for review in self.reviews:
            if review.line == f"fixed = {json.dumps([review.name], ensure_ascii=False)}":
                fixed.setdefault(review.table, []).append(review.name)
        for table, names in fixed.items():
            if len(names) > 1:
                yield (
                    f"to use these of {table}, if they never change: add "
                    f"{json.dumps(names, ensure_ascii=False)} to its fixed"
                )
        for verdict in self.table.others:
            waived = f" (waived by {verdict.waived_by})" if verdict.waived_by else ""
            yield (
                f"{verdict.severity}: {verdict.detector}: {name_of(verdict)}: {verdict.reason}; "
                f"{verdict.cure}{waived}"
            )
        yield from (f"also: {error}" for error in self.judgement.refusals[1:])
        yield self.judgement.ending

    @property
    def ahead(self) -> str | None:
        """Say that the end of observation lies ahead of the clock; None where it does not."""
        return None if self.now is None else say_ahead(self.reading.tables, self.now)

    def lines(self) -> list[str]:
        """Write the result for a person, line by line, every column and feature once."""
        columns = [
            f"{row.table}: {row.column}: {row.role}"
            + (f", known since {row.since}" if row.since else "")
            + f": {row.verdict}"
            + (f"; {row.to_do}" if row.to_do else "")
            for row in self.table.columns
        ]
        features = [
            f"features of {row.made_of}: {', '.join(row.features)}"
            + (f": {row.verdict}" if row.verdict else "")
            for row in self.table.features
        ]
        return [*self.counts(), *columns, *features, *self.remarks()]

    def to_dict(self) -> dict[str, object]:
        """Write the result for a machine."""
        return {
            "leads": len(self.reading.tables),
            "events": len(self.reading.tables.events),
            "snapshots": len(self.dataset.labelled),
            "conversions": int(self.dataset.labelled.y.sum()),
            **({} if self.observed_until is None else {"observed_until": self.observed_until}),
            **({} if self.horizon_covers is None else {"horizon_covers": self.horizon_covers}),
            "notes": [
                *self.reading.notes,
                *self.judgement.notes,
                *([] if self.ahead is None else [self.ahead]),
            ],
            "columns": [asdict(row) for row in self.table.columns],
            "features": [
                {"name": f.name, "kind": f.kind, "family": f.family, "label": f.label}
                for f in self.dataset.frame.catalogue.features
            ],
            "undeclared": [asdict(review) for review in self.reviews],
            "verdicts": [asdict(verdict) for verdict in self.report.verdicts],
            "stops": self.stops,
            "refusals": [str(error) for error in self.judgement.refusals],
        }


def _say_cover(share: float) -> str:
    return f"the horizon covers {share:.0%} of the conversions that come in the end"


def check_project(
    session: Session,
    reading: CrmData,
    *,
    on_stage: Callable[[str], None],
    now: int | None = None,
) -> CheckResult:
    """Judge what was read as `train` does, and look at the dates, also beside the clock (`now`)."""
    project, tables, outcomes = session.project, reading.tables, reading.outcomes
    refuse_unknown_facts(tables, project)
    reviews = tuple(undeclared_columns(project, session.frames))
    judgement = judge(
        project,
        tables,
        outcomes,
        threads=session.threads,
        memory=training_memory(project),
        reviews=reviews,
        feeds=reading.feeds,
        on_stage=on_stage,
    )
    on_stage("delay from creation to conversion")
    delay = delay_curve(tables, outcomes, project) if outcomes.timed else None
    table = column_table(
        [*column_roles(project, session.frames), *answer_roles(tables)],
        judgement.report,
        judgement.dataset.frame.catalogue,
        reading.left_out,
    )
    page = html(judgement.report, project=project.project.name, table=table)
    open_now = open_snapshots(tables, outcomes, outcomes.observed_until)
    older = say_older(project, tables.created_at, open_now)
    declared = project.project.observed_until is not None
    return CheckResult(
        reading, judgement, table, reviews, delay, older, page, end_declared=declared, now=now
    )
