"""One scoring run -> the whole view of the report."""

from __future__ import annotations

from collections.abc import Callable

from data.clock import iso
from data.errors import InputError
from serving.experiment_arms import analyse_experiment
from serving.worklist.pages.experiment_page import make_experiment
from serving.worklist.pages.forecast_page import make_forecast
from serving.worklist.pages.funnel_page import make_funnel
from serving.worklist.pages.lead_pages import make_leads, top_of_owners
from serving.worklist.pages.movers_page import make_movers
from serving.worklist.pages.next_steps import make_steps
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.trust_page import make_trust
from serving.worklist.pages.value_page import make_value
from serving.worklist.pages.week_page import make_week
from serving.worklist.view import About, ExperimentPage, ReportView


def make_view(
    source: ReportInput, *, on_stage: Callable[[str], None] = lambda _: None
) -> ReportView:
    """Fill every page that the data can fill."""
    on_stage("lead pages")
    paged = [row for row in sorted(top_of_owners(source)) if source.scored.shown[row]]
    leads = make_leads(source, make_steps(source, paged))
    on_stage("week, movers, funnel, forecast")
    return ReportView(
        about=make_about(source),
        leads=leads,
        week=make_week(source),
        movers=make_movers(source),
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
        labels=project.report.words,
        static=project.static,
        promises=source.promises,
        run_id=str(source.scored.table["run_id"].iat[0]),
    )
