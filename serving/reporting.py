"""`leadscore report`: score, fill the view, write one HTML file per language and the model page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data.files import write_text
from data.read import Reading
from serving.batch import Scored
from serving.jobs import score_run
from serving.model import LoadedModel
from serving.report.html import render
from serving.session import Session
from serving.views.report import make_view
from serving.views.source import Source


def write_reports(
    session: Session,
    reading: Reading,
    model: LoadedModel,
    *,
    as_of: int,
    scored_at: int,
    run_id: str,
    folder: Path,
    languages: Sequence[str],
    on_stage: Callable[[str], None],
) -> list[Path]:
    """Write report-<language>.html for each language; each file whole or not at all."""
    scored = score_run(
        session, reading, model, as_of=as_of, scored_at=scored_at, run_id=run_id, on_stage=on_stage
    )
    return write_views(
        session, reading, model, scored, folder=folder, languages=languages, on_stage=on_stage
    )


def write_views(
    session: Session,
    reading: Reading,
    model: LoadedModel,
    scored: Scored,
    *,
    folder: Path,
    languages: Sequence[str],
    on_stage: Callable[[str], None],
) -> list[Path]:
    """Write the reports of a run that is scored already."""
    source = Source(session.project, reading, model, scored, str(session.file), session.threads)
    view = make_view(source, on_stage=on_stage)
    on_stage("pages")
    return [
        write_text(folder / f"report-{language}.html", render(view, language))
        for language in languages
    ]
