"""Tables and project -> whether training can go on: one judgement for `check` and `train`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data.clock import HOUR, show
from data.errors import FewOutcomesError, GateError, InputError, LeadScoreError
from data.feeds import CONVERSIONS, Feed
from data.near_names import did_you_mean
from data.reading.review import ColumnReview
from data.schema import Project
from data.tables import Outcomes, Tables
from models.note import Note
from training.audit import WHOLE, AuditReport, audit
from training.audit.audit_page import NAMES
from training.audit.quick import FOLDS
from training.audit.verdict import name_of
from training.dataset import Dataset, make_dataset, make_first_dataset
from training.project_rule import has_rule, names_of_points
from training.small_data import require_outcomes

LEAST_TEST_ROWS = 2
"""Below this the test has no figure: one row is drawn by no bootstrap."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What training would learn from, what the leak audit found, and every reason to stop.

    `refusals` are errors, those of too few outcomes last; training raises the first. Where there
    are no others, `rule_can_score` says whether a rule can in place of a model.
    """

    dataset: Dataset
    report: AuditReport
    refusals: tuple[LeadScoreError, ...]
    notes: tuple[str, ...]
    rule_can_score: bool = False

    def refuse(self) -> None:
        """Raise the first refusal; return where there is none."""
        if self.refusals:
            raise self.refusals[0]

    @property
    def few_outcomes(self) -> FewOutcomesError | None:
        """Say what is missing to learn from, where nothing else stops training."""
        first = self.refusals[0] if self.refusals else None
        return first if isinstance(first, FewOutcomesError) else None

    @property
    def ending(self) -> str:
        """Say in one line whether training goes on, and what then decides."""
        if self.few_outcomes is not None and self.rule_can_score:
            return (
                f"no model can be learned yet: {self.few_outcomes}; `leadscore train` registers "
                "the rule, which scores until then"
            )
        if self.refusals:
            return f"refused: {self.refusals[0]}"
        rows = self.dataset.cut.test
        test, lead = self.dataset.y[rows], self.dataset.labelled.snapshots.lead[rows]
        leads, won = len(np.unique(lead)), len(np.unique(lead[test == 1]))
        converted = f"{won:,} leads, {int(test.sum()):,} snapshots, converted"
        which = "the newest" if self.dataset.cut.in_time else "other"
        ending = (
            f"nothing stops training; the model is then judged on {which} {len(test):,} "
            f"snapshots of {leads:,} leads ({converted})"
        )
        if self.report.figures.get("quick_auc_low", 1.0) <= 0.5:
            ending += ", and a quick one is no better than chance on the others"
        return ending


def judge(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    *,
    threads: int,
    memory: int | None = None,
    reviews: Sequence[ColumnReview] = (),
    feeds: Sequence[Feed] = (),
    on_stage: Callable[[str], None] = lambda _: None,
) -> Judgement:
    """Label, cut, build features and audit; collect all that forbids training.

    `feeds` are the rows of each source by the hour, the leads first: what of them lies after the
    end of observation is noted.

    The seed is the project's, so that the answer is the same whatever seed a fit is given. Where
    not all training rows fit into `memory` bytes, a sample of the leads is judged.
    InputError where there is nothing to judge, or a waiver names what does not exist.
    """
    on_stage("labels, features and the cut in time")
    try:
        dataset = make_dataset(project, tables, outcomes, threads=threads, memory=memory)
        too_little = _too_little(dataset, project)
    except FewOutcomesError as error:
        dataset = make_first_dataset(project, tables, outcomes, threads=threads)
        _require_features(dataset)
        too_little = [error]
    on_stage("leak audit")
    report = audit(
        tables, outcomes, project, seed=project.train.seed, dataset=dataset, reviews=reviews
    )
    refusals = [*too_little, *report.stops(), *_nothing_left(dataset, report)]
    refusals.sort(key=lambda error: isinstance(error, FewOutcomesError))
    notes: list[str] = [] if dataset.sample is None else [dataset.sample.sentence]
    notes += _after_the_end(tables, feeds)
    notes += _unknown_names(project, dataset, tables)
    notes += _idle_waivers(project, report, dataset, tables, reviews)
    few = bool(refusals) and isinstance(refusals[0], FewOutcomesError)
    rule = few and has_rule(project, dataset.without(report.quarantined, tables))
    return Judgement(dataset, report, tuple(refusals), tuple(notes), rule)


def _too_little(dataset: Dataset, project: Project) -> list[LeadScoreError]:
    """List what is missing to learn and to test: columns, outcomes, groups, rows."""
    train, test = dataset.cut.train, dataset.cut.test
    _require_features(dataset)
    found: list[LeadScoreError] = []
    try:
        require_outcomes(dataset.y[train])
        _require_groups(dataset, project)
    except GateError as error:
        found.append(error if len(train) else _no_training_row(dataset, project))
    if len(test) < LEAST_TEST_ROWS:
        found.append(
            FewOutcomesError(
                f"{len(test)} of {len(dataset.labelled):,} mature snapshots are left to test on",
                cure="raise test_share in [train], or wait for more outcomes",
            )
        )
    return found


def _require_features(dataset: Dataset) -> None:
    if not dataset.frame.catalogue.features:
        raise InputError(
            "no column is a feature: there is nothing to learn from",
            column="leads",
            cure="take columns out of exclude, or declare events or fixed columns",
        )


def _require_groups(dataset: Dataset, project: Project) -> None:
    """Refuse fewer accounts than folds: no fold could be judged by what others teach."""
    n = len(np.unique(dataset.groups[dataset.cut.train]))
    if n < FOLDS:
        what = "leads" if project.leads.account is None else "accounts"
        raise InputError(
            f"{n} {what} are there to learn from, at least {FOLDS} are needed: rows of one stay "
            "together",
            column=project.leads.account or project.leads.id,
            cure="wait for more leads"
            if project.leads.account is None
            else "leave leads.account out, or name the column that tells accounts apart",
        )


def _no_training_row(dataset: Dataset, project: Project) -> FewOutcomesError:
    """Say that the history is too short for the horizon: no window closes before the test."""
    days = (project.conversion.horizon or 0) / 86_400_000_000
    return FewOutcomesError(
        f"none of {len(dataset.labelled):,} mature snapshots is known early enough to learn from: "
        f"the horizon of {days:g} days leaves no label window that closes before the newest "
        f"{project.train.test_share:.0%}, on which a model is tested",
        cure="choose a shorter conversion.horizon, or wait for more history",
    )


def _nothing_left(dataset: Dataset, report: AuditReport) -> list[LeadScoreError]:
    """Refuse where every column is in quarantine."""
    names = {feature.name for feature in dataset.frame.catalogue.features}
    if names - report.quarantined:
        return []
    held = [v for v in report.verdicts if v.severity == "quarantine" and v.waived_by is None]
    first = next(v for v in held if v.column != WHOLE)
    return [
        GateError(
            f"every column is in quarantine, nothing is left to learn from: {first.detector} "
            f"says of {name_of(first)} that it {first.reason}",
            cure=f"declare more columns; {first.cure}",
        )
    ]


def _after_the_end(tables: Tables, feeds: Sequence[Feed]) -> list[str]:
    """Note rows from the first whole hour after the end of observation on, which count nowhere."""
    if tables.created_at is None or not feeds:
        return []
    hour = -(-tables.observed_until // HOUR)
    later = [int(feed.counts[max(0, hour - feed.first_hour) :].sum()) for feed in feeds]
    leads = later[0]
    events = sum(
        n for feed, n in zip(feeds[1:], later[1:], strict=True) if feed.name != CONVERSIONS
    )
    if not leads and not events:
        return []
    until = show(tables.observed_until)
    return [
        f"{leads:,} lead{'s' * (leads != 1)} and {events:,} event{'s' * (events != 1)} lie after "
        f"the end of observation, {until}, and count nowhere: where the data reach further now, "
        "move project.observed_until to their end"
    ]


def _unknown_names(project: Project, dataset: Dataset, tables: Tables) -> list[Note]:
    """Note segments and sensitive columns that name nothing; InputError for a near miss."""
    columns = {attribute.name for attribute in tables.attributes}
    segments = columns | {str(name) for name in tables.display.columns}
    features = dataset.frame.catalogue.features
    sensitive = segments | {f.name for f in features} | {f.factor for f in features}
    notes = []
    for key, given, known in (
        ("train.segments", project.train.segments, segments),
        ("train.sensitive", project.train.sensitive, sensitive),
        ("qualification.weights", project.qualification.weights or (), names_of_points(tables)),
    ):
        for name in sorted(set(given) - known):
            near = difflib.get_close_matches(name, known - set(given), 1, cutoff=0.75)
            if near:
                cure = f"did you mean {near[0]!r}?"
                raise InputError(f"there is no {name!r}", column=key, cure=cure)
            notes.append(
                Note("{key} names {name}, of which no feature is made", key=key, name=repr(name))
            )
    return notes


def _idle_waivers(
    project: Project,
    report: AuditReport,
    dataset: Dataset,
    tables: Tables,
    reviews: Sequence[ColumnReview],
) -> list[Note]:
    """Note waivers that lift nothing; InputError where the column or detector does not exist."""
    columns = {attribute.name for attribute in tables.attributes} | {WHOLE}
    columns |= {feature.name for feature in dataset.frame.catalogue.features}
    columns |= {review.name for review in reviews} | {verdict.column for verdict in report.verdicts}
    lifted = {(v.column, v.detector) for v in report.verdicts if v.waived_by is not None}
    found = {(v.column, v.detector) for v in report.verdicts}
    notes = []
    for i, waiver in enumerate(project.waivers):
        for key, value, known in (
            ("detector", waiver.detector, sorted(NAMES)),
            ("column", waiver.column, sorted(columns)),
        ):
            if value not in known:
                some = f"known: {', '.join(known[:20])}"
                cure = did_you_mean(value, known, some, cutoff=0.5)
                raise InputError(
                    f"waives nothing: {value!r} is no {_KIND[key]}",
                    column=f"waivers.{i}.{key}",
                    cure=cure,
                )
        if (waiver.column, waiver.detector) in lifted:
            continue
        names = {"owner": waiver.owner, "column": waiver.column, "detector": waiver.detector}
        notes.append(
            Note(
                "the waiver of {owner} for {column} lifts nothing: {detector} stops training, and "
                "no waiver lifts that",
                **names,
            )
            if (waiver.column, waiver.detector) in found
            else Note(
                "the waiver of {owner} for {column} lifts nothing: {detector} says nothing against "
                "it",
                **names,
            )
        )
    return notes


_KIND = {"detector": "detector of the leak audit", "column": "column that a model could learn from"}
