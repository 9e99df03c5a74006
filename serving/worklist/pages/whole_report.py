"""One scoring run -> the whole view of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from data.clock import iso
from data.errors import InputError
from serving.experiment_arms import analyse_experiment
from serving.worklist.pages.experiment_page import make_experiment
from serving.worklist.pages.forecast_page import make_forecast
from serving.worklist.pages.funnel_page import make_funnel
from serving.worklist.pages.lanes import fill_lanes, open_asks
from serving.worklist.pages.lead_history import WonLeads
from serving.worklist.pages.lead_pages import LeadRows, WeekOfLeads, top_of_owners
from serving.worklist.pages.listed_leads import choose_listed
from serving.worklist.pages.movers_page import largest, make_movers
from serving.worklist.pages.next_steps import choose_steps, make_steps
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.trust_page import make_trust
from serving.worklist.pages.value_page import make_value
from serving.worklist.pages.week_changes import find_changes
from serving.worklist.pages.week_page import add_plans, make_week
from serving.worklist.view import About, ReportView, Unlisted
from serving.worklist.view_figures import ExperimentPage
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import NextStep
from serving.worklist.view_week import WeekPage


@dataclass(frozen=True, slots=True)
class PreparedWeek:
    """What is found out once of all leads: the calls, what changed, which lanes and steps."""

    page: WeekPage
    rescored: Mapping[int, NextStep]
    of_leads: WeekOfLeads
    rows: LeadRows

    @classmethod
    def of(cls, source: ReportInput) -> PreparedWeek:
        """Find it out of a scoring run."""
        paged = [row for row in sorted(top_of_owners(source)) if source.shown[row]]
        changes, asks, week = find_changes(source), open_asks(source), make_week(source)
        rescored = make_steps(source, paged)
        lanes = fill_lanes(source, asks, changes, week.cut_off)
        steps = choose_steps(source, asks, rescored)
        of_leads = WeekOfLeads(changes, lanes, steps, WonLeads.of(source))
        return cls(week, rescored, of_leads, LeadRows(source, of_leads))


def make_view(
    source: ReportInput,
    prepared: PreparedWeek | None = None,
    *,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ReportView:
    """Fill every page that the data can fill."""
    on_stage("lead pages")
    week = PreparedWeek.of(source) if prepared is None else prepared
    changes, lanes = week.of_leads.changes, week.of_leads.lanes
    movers = make_movers(source, changes)
    rows, unlisted = choose_listed(source, lanes, changes, largest(movers))
    leads = tuple(week.rows.leads(rows.tolist(), top_of_owners(source), week.rescored))
    on_stage("today, changes, pipeline, forecast")
    return ReportView(
        about=make_about(source),
        leads=leads,
        week=add_plans(source, week.page, leads),
        movers=movers,
        funnel=make_funnel(source),
        forecast=make_forecast(source),
        trust=make_trust(source),
        experiment=_experiment(source),
        value=make_value(source),
        unlisted=unlisted,
    )


@dataclass(frozen=True, slots=True)
class EveryLead:
    """The leads of a run for sheets, and for the files of single owners, made when asked for."""

    source: ReportInput
    week: PreparedWeek

    def lines(self, owner: str | None = None) -> Iterator[ReportLead]:
        """Make the line of every open lead, or of every one of an owner."""
        return self.week.rows.lines(owner)

    def of_owner(self, owner: str) -> tuple[tuple[ReportLead, ...], Unlisted | None]:
        """Make the leads that the file of an owner lists, and count the others."""
        week = self.week.of_leads
        rows, unlisted = choose_listed(self.source, week.lanes, week.changes, owner=owner)
        detailed = set(rows[: self.source.project.report.top_per_owner].tolist())
        detailed |= set(np.flatnonzero(self.source.standing).tolist())
        shown = [row for row in rows.tolist() if row in detailed and self.source.shown[row]]
        rescored = make_steps(self.source, shown)
        return tuple(self.week.rows.leads(rows.tolist(), detailed, rescored)), unlisted


def _experiment(source: ReportInput) -> ExperimentPage | None:
    """Show the experiment that the project file describes, once leads in two arms have matured."""
    section = source.project.experiment
    if source.project.static or not (section.arms or section.arm):
        return None
    try:
        trial = analyse_experiment(source.tables, source.outcomes, source.project)
        return make_experiment(trial, finished=section.arm is not None)
    except InputError:
        return None


def make_about(source: ReportInput) -> About:
    """Say what the file is about."""
    project, card = source.project, source.model.scorer.card
    explanations = source.scored.explanations
    return About(
        project=project.project.name,
        as_of=iso(source.scored.as_of),
        model_version=source.model.version,
        horizon_days=int(source.model.card.horizon_days),
        title=project.report.title,
        currency=project.report.currency,
        bands={str(name): float(least) for name, least in card.bands.items()},
        typical_score=explanations[0].typical if explanations else None,
        points_to_double=float(card.points_to_double),
        top_per_owner=project.report.top_per_owner,
        project_file=source.file,
        crm_link=project.report.crm_link,
        live_link=project.report.live_link,
        timezone=project.project.timezone,
        band_margin=project.score.hysteresis,
        open_leads=len(source.scored.snapshots),
        labels=project.report.words,
        static=project.static,
        promises=source.promises,
        ranked=source.model.card.ranks,
        run_id=str(source.scored.table["run_id"].iat[0]),
    )
