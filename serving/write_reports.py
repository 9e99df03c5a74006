"""`leadscore report`: score, fill the view, write report and model page, one file per language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.errors import LeadScoreError
from data.files import open_to_readers_of_its_folder, write_text
from data.reading.read_tables import CrmData
from models.explain.change import StoredRun
from serving.answers.answer_store import list_answers
from serving.exposure import Exposures
from serving.figures.drivers import find_drivers
from serving.loaded_model import LoadedModel
from serving.newest_scores import first_scored
from serving.past_weeks import WEEK
from serving.people.people_store import store_teams
from serving.run_moment import RunMoment
from serving.score_changes import newest_run_before
from serving.scoring_run import ScoringRun
from serving.session import Session
from serving.verbs import score_run
from serving.worklist.deliver import deliver
from serving.worklist.html import render
from serving.worklist.model_page import render_model_page
from serving.worklist.pages.last_list import read_stored_list
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.whole_report import EveryLead, PreparedWeek, make_view
from serving.worklist.stored_pages import write_pages
from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead
from serving.worklist.word_catalogues import languages as languages_known
from training.audit import AuditReport


def write_reports(
    session: Session,
    reading: CrmData,
    model: LoadedModel,
    run: RunMoment,
    *,
    folder: Path,
    languages: Sequence[str],
    per_owner: bool = False,
    on_stage: Callable[[str], None],
) -> list[Path]:
    """Write report-<language>.html for each language; each file whole or not at all."""
    scored = score_run(session, reading, model, run, for_report=True, on_stage=on_stage)
    return write_views(
        session,
        reading,
        model,
        scored,
        folder=folder,
        languages=languages,
        per_owner=per_owner,
        on_stage=on_stage,
    )


def _run_by_another_model(
    session: Session, model: LoadedModel, as_of: int
) -> tuple[StoredRun, LoadedModel] | None:
    """Find the run that scores are compared with, a week ago or before, where its model differs.

    Where none is that old, the newest run before. None where its model is gone from the registry,
    or cannot be applied to what is read today.
    """
    runs = session.state.runs
    stored = newest_run_before(runs, as_of - WEEK) or newest_run_before(runs, as_of - 1)
    if stored is None or stored.model_version == model.version:
        return None
    try:
        return stored, session.model(stored.model_version)
    except LeadScoreError:
        return None


def write_views(
    session: Session,
    reading: CrmData,
    model: LoadedModel,
    scored: ScoringRun,
    *,
    folder: Path,
    languages: Sequence[str],
    per_owner: bool = False,
    live: bool = True,
    on_stage: Callable[[str], None],
) -> list[Path]:
    """Write the reports of a run that is scored already, and the data scientist's model pages.

    `per_owner` adds sheets of all leads, and for each owner a report, a sheet and a draft e-mail.
    Unless the run is `live`, the team's own pages stay as they are.
    """
    source = ReportInput(
        session.project,
        reading,
        model,
        scored,
        str(session.file or session.project.project.name),
        session.threads,
        scored_from=first_scored(session.state.runs),
        feedback=list_answers(session.state.feedback),
        other_run=_run_by_another_model(session, model, scored.as_of),
        stored_list=read_stored_list(
            session.state.runs, scored.as_of, session.project, reading.tables
        ),
    )
    week = PreparedWeek.of(source)
    view = make_view(source, week, on_stage=on_stage)
    ids = scored.table["lead_id"].to_numpy(object)
    if live:
        exposures = Exposures.of(session.state, session.project)
        exposures.note("report", map(str, ids[source.shown]), at=scored.scored_at)
    if live and session.project.leads.team and session.project.leads.owner:
        teams = reading.tables.display[["team", "owner"]].dropna()
        store_teams(session.state.people, teams.itertuples(index=False, name=None))
    on_stage("pages")
    if per_owner:
        recipients = {**source.owner_emails, **session.project.report.recipients}
        written = deliver(
            view,
            folder,
            languages=languages,
            owner_emails=recipients,
            every=EveryLead(source, week),
        )
    else:
        written = [
            write_text(folder / f"report-{language}.html", render(view, language))
            for language in languages
        ]
    pages = _model_pages(session, model, scored)
    for language in languages:
        written.append(write_text(folder / f"model-{language}.html", pages[language]))
    if live:
        on_stage("live pages")
        size = write_pages(
            session.state.pages,
            view,
            week.rows.whole(made_already(view, ids)),
            made_at=scored.scored_at,
            texts={f"model-{language}": page for language, page in pages.items()},
        )
        on_stage(str(size))
    if session.state.folder.resolve() in folder.resolve().parents:
        return written
    return [open_to_readers_of_its_folder(path) for path in written]


def made_already(view: ReportView, ids: NDArray[np.object_]) -> dict[int, ReportLead]:
    """Give the leads of a view by their rows in the run, whose ids are (n,)."""
    row_of = {str(lead): row for row, lead in enumerate(ids)}
    return {row_of[lead.lead_id]: lead for lead in view.leads}


def _model_pages(session: Session, model: LoadedModel, scored: ScoringRun) -> dict[str, str]:
    """Render the data scientist's page in every language: whoever signs in reads it in his own."""
    leaks = session.state.audit(model.version)
    audit = AuditReport.from_json(leaks.read_text("utf-8")) if leaks.is_file() else None
    drivers = find_drivers(model, scored, seed=session.seed)
    return {
        language: render_model_page(
            model.card,
            project=session.project.project.name,
            version=model.version,
            audit=audit,
            drivers=drivers,
            labels=session.project.report.words,
            language=language,
            zone=session.project.project.timezone,
        )
        for language in languages_known()
    }
