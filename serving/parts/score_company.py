"""`leadscore score`: the whole company, one part of it, or parts that others scored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from data.buckets import Part
from data.errors import InputError
from data.files import replacing
from serving.lead_ages import count_far_older
from serving.loaded_model import LoadedModel
from serving.parts.gather_parts import ScoredNight
from serving.parts.part_job import AskedRun, PartJob
from serving.parts.part_manifest import PartManifest
from serving.parts.run_parts import PartsPlan, score_in_parts
from serving.session import Session
from serving.verbs import guarded_run


def score_company(
    session: Session,
    model: LoadedModel,
    plan: PartsPlan,
    asked: AskedRun,
    *,
    accept: bool,
    on_stage: Callable[[str], None],
    on_part: Callable[[int, int], None],
) -> ScoredNight:
    """Score every open lead, whole or in parts, guard the night and keep the run."""
    if not plan.whole:
        return score_in_parts(
            session, model, plan, asked, accept=accept, on_stage=on_stage, on_part=on_part
        )
    on_stage("reading the sources")
    reading = asked.read(session, model)
    scored, accepted = guarded_run(
        session,
        reading,
        model,
        asked.moment(session, reading),
        accept=accept,
        on_stage=on_stage,
    )
    older = count_far_older(session.project, reading.tables.created_at, scored.snapshots)
    return ScoredNight.of(scored, accepted, older)


def score_one_part(
    session: Session,
    model: LoadedModel,
    part: Part,
    folder: Path,
    asked: AskedRun,
    *,
    on_stage: Callable[[str], None],
) -> PartManifest:
    """Score one part into a folder; nothing in the state folder changes."""
    job = PartJob.of(session, model, folder, asked)
    on_stage("reading the sources")
    reading = job.read(part, model)
    on_stage("scores and reasons")
    return job.score(part, job.give(reading, model), model).write(folder)


def copy_scores(scores: Path, out: Path) -> Path:
    """Copy the scores of the newest run, whole or not at all."""
    with replacing(out) as copy:
        shutil.copyfile(scores, copy)
    return out


def refuse_together(**given: object) -> None:
    """Refuse options of which one alone can be meant."""
    named = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} can't be given together", cure="give one of them")
