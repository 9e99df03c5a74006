"""`leadscore report`: score, fill the view, write report and model page, one file per language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data.errors import OutsideError
from data.files import open_to_readers_of_its_folder, write_text
from data.reading.read_tables import CrmData
from models.explain.change import StoredRun
from serving.exposure import Exposures
from serving.feedback import list_answers
from serving.loaded_model import LoadedModel
from serving.past_weeks import WEEK
from serving.score import ScoringRun, first_scored
from serving.score_changes import newest_run_before
from serving.session import Session
from serving.verbs import score_run
from serving.worklist.deliver import deliver
from serving.worklist.html import render
from serving.worklist.model_page import render_model_page
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.whole_report import make_view
from training.audit import AuditReport


def write_reports(
    session: Session,
    reading: CrmData,
    model: LoadedModel,
    *,
    as_of: int,
    scored_at: int,
    run_id: str,
    folder: Path,
    languages: Sequence[str],
    per_owner: bool = False,
    on_stage: Callable[[str], None],
) -> list[Path]:
    """Write report-<language>.html for each language; each file whole or not at all."""
    scored = score_run(
        session,
        reading,
        model,
        as_of=as_of,
        scored_at=scored_at,
        run_id=run_id,
        for_report=True,
        on_stage=on_stage,
    )
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

    Where none is that old, the newest run before. None where its model is gone from the registry.
    """
    runs = session.state.runs
    stored = newest_run_before(runs, as_of - WEEK) or newest_run_before(runs, as_of - 1)
    if stored is None or stored.model_version == model.version:
        return None
    try:
        return stored, session.model(stored.model_version)
    except OutsideError:
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
    on_stage: Callable[[str], None],
) -> list[Path]:
    """Write the reports of a run that is scored already, and the data scientist's model pages.

    `per_owner` adds sheets of all leads, and for each owner a report, a sheet and a draft e-mail.
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
    )
    view = make_view(source, on_stage=on_stage)
    listed = [lead.lead_id for lead in view.leads if lead.withheld is None]
    Exposures.of(session.state, session.project).note("report", listed, at=scored.scored_at)
    on_stage("pages")
    if per_owner:
        recipients = session.project.report.recipients
        written = deliver(view, folder, languages=languages, owner_emails=recipients)
    else:
        written = [
            write_text(folder / f"report-{language}.html", render(view, language))
            for language in languages
        ]
    leaks = session.state.audit(model.version)
    audit = AuditReport.from_json(leaks.read_text("utf-8")) if leaks.is_file() else None
    for language in languages:
        page = render_model_page(
            model.card,
            project=view.about.project,
            version=model.version,
            audit=audit,
            language=language,
        )
        written.append(write_text(folder / f"model-{language}.html", page))
    if session.state.folder.resolve() in folder.resolve().parents:
        return written
    return [open_to_readers_of_its_folder(path) for path in written]
