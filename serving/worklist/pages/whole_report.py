"""One scoring run -> the whole view of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from data.clock import iso
from data.errors import InputError
from serving.experiment_arms import analyse_experiment
from serving.worklist.pages.experiment_page import make_experiment
from serving.worklist.pages.forecast_page import make_forecast
from serving.worklist.pages.funnel_page import make_funnel
from serving.worklist.pages.lanes import fill_lanes, open_asks
from serving.worklist.pages.lead_history import WonLeads
from serving.worklist.pages.lead_pages import WeekOfLeads, make_leads, top_of_owners
from serving.worklist.pages.movers_page import make_movers
from serving.worklist.pages.next_steps import choose_steps, make_steps
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.trust_page import make_trust
from serving.worklist.pages.value_page import make_value
from serving.worklist.pages.week_changes import find_changes
from serving.worklist.pages.week_page import add_plans, make_week
from serving.worklist.view import About, ExperimentPage, ReportView, WeekPage
from serving.worklist.view_parts import NextStep


@dataclass(frozen=True, slots=True)
class PreparedWeek:
    """What is found out once of all leads: the calls, what changed, which lanes and steps."""

    page: WeekPage
    rescored: Mapping[int, NextStep]
    of_leads: WeekOfLeads

    @classmethod
    def of(cls, source: ReportInput) -> PreparedWeek:
        """Find it out of a scoring run."""
        paged = [row for row in sorted(top_of_owners(source)) if source.scored.shown[row]]
        changes, asks, week = find_changes(source), open_asks(source), make_week(source)
        rescored = make_steps(source, paged)
        lanes = fill_lanes(source, asks, changes, week.cut_off)
        steps = choose_steps(source, asks, rescored)
        return cls(week, rescored, WeekOfLeads(changes, lanes, steps, WonLeads.of(source)))


def make_view(
    source: ReportInput,
    prepared: PreparedWeek | None = None,
    *,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ReportView:
    """Fill every page that the data can fill."""
    on_stage("lead pages")
    week = PreparedWeek.of(source) if prepared is None else prepared
    leads = make_leads(source, week.rescored, week.of_leads)
    on_stage("today, changes, pipeline, forecast")
    return ReportView(
        about=make_about(source),
        leads=leads,
        week=add_plans(source, week.page, leads),
        movers=make_movers(source, week.of_leads.changes),
        funnel=make_funnel(source),
        forecast=make_forecast(source),
        trust=make_trust(source),
        experiment=_experiment(source),
        value=make_value(source),
    )


def _experiment(source: ReportInput) -> ExperimentPage | None:
    """Show the experiment that the project file describes, once leads in two arms have matured."""
    section = source.project.experiment
    if source.project.static or not (section.arms or section.arm):
        return None
    try:
        return make_experiment(analyse_experiment(source.tables, source.outcomes, source.project))
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
        open_leads=len(source.scored.snapshots),
        labels=project.report.words,
        static=project.static,
        promises=source.promises,
        run_id=str(source.scored.table["run_id"].iat[0]),
    )
