"""The commands as functions that take a session and return values; nothing is printed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from filelock import FileLock

from data.clock import show
from data.errors import InputError
from data.files import write_text
from data.reading.column_roles import answer_roles, column_roles
from data.reading.read_tables import CrmData
from data.reading.review import undeclared_columns
from features.catalogue import make_catalogue
from models.artifact import load_artifact
from models.explain.change import store_run
from models.winners import is_stand_in
from serving.band_churn import BandChurn, compare_bands
from serving.exposure import Exposures
from serving.loaded_model import LoadedModel, load_model
from serving.lost_inputs import refuse_lost_columns
from serving.newest_scores import read_bands
from serving.night_guard import guard_night
from serving.qualify.engine import refuse_unknown_facts
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.score_changes import FEATURES
from serving.scoring_run import ScoringRun, write_scores
from serving.session import Session
from training.audit import html, leakage_sheet
from training.audit.column_table import column_table
from training.dataset import make_dataset
from training.evaluate import Evaluation
from training.lead_sample import training_memory
from training.publish import Published, learned_fingerprint, publish
from training.registry import ModelVersion
from training.state_format import make_folder, require_writable
from training.train import baselines_of, evaluate_on_test, fit_learner, train
from training.trained_model import TrainedModel
from training.watch.model_watch import watch_model
from training.watch.night_profile import profile_of_night
from training.watch.signal import Signal

Stage = Callable[[str], None]


def train_model(
    session: Session,
    reading: CrmData,
    *,
    fast: bool = False,
    learner: str | None = None,
    memory: int | None = None,
    on_stage: Stage,
) -> tuple[TrainedModel, Published]:
    """Train, evaluate and register; the champion's score card stays in force."""
    require_writable(session.state)  # first: what stops the end stops us before the fits
    champion = session.champion()
    trained = learn(
        session, reading, champion, fast=fast, learner=learner, memory=memory, on_stage=on_stage
    )
    on_stage("registry and gate")
    return trained, register(session, reading, trained)


def learn(
    session: Session,
    reading: CrmData,
    champion: ModelVersion | None,
    *,
    fast: bool = False,
    learner: str | None = None,
    memory: int | None = None,
    on_stage: Stage,
) -> TrainedModel:
    """Train and evaluate, on the score card of a proven champion; nothing is written.

    `memory` is the budget in bytes; None takes the project file's.
    """
    refuse_unknown_facts(reading.tables, session.project)
    scorer = None if champion is None else load_artifact(champion.folder)
    card = None if scorer is None or is_stand_in(scorer.meta) else scorer.card
    return train(
        session.project,
        reading.tables,
        reading.outcomes,
        seed=session.seed,
        threads=session.threads,
        memory=training_memory(session.project) if memory is None else memory,
        card=card,
        fast=fast,
        learner=learner,
        reviews=undeclared_columns(session.project, session.frames),
        feeds=reading.feeds,
        on_stage=on_stage,
    )


def register(session: Session, reading: CrmData, trained: TrainedModel) -> Published:
    """Register a trained model with its leak audit; the gate says whether it is champion.

    One run at a time: a second one is judged against the champion that the first one made.
    """
    make_folder(session.state)
    with FileLock(session.state.publish_lock):
        published = publish(
            trained,
            session.registry,
            session.project,
            reading.tables,
            pages=audit_pages(session, reading, trained),
            tags=session_tags(session, reading),
            threads=session.threads,
            seed=session.seed,
        )
    if published.version is not None:
        write_text(session.state.audit(published.version.version), trained.audit.to_json())
    return published


def band_churn(
    session: Session, reading: CrmData, champion: ModelVersion | None, published: Published
) -> BandChurn | None:
    """Show what the registered model would change, or changes, for the leads that are open now.

    None where nothing was registered, and where there was no champion or it cannot score any more.
    """
    if champion is None or published.version is None:
        return None
    bands = session.project.score.bands
    before, after = (
        load_model(version, threads=session.threads, bands=bands)
        for version in (champion, published.version)
    )
    if before.catalogue.lost_columns(reading.tables):
        return None
    until = reading.tables.observed_until
    shown = read_bands(session.state.scores, until=until, cuts=bands, tables=reading.tables)
    return compare_bands(session, reading, before, after, shown=shown)


def audit_pages(session: Session, reading: CrmData, trained: TrainedModel) -> dict[str, str]:
    """Write the leak audit, with the table that `check` prints, and the leakage sheet as pages."""
    report, project = trained.audit, session.project
    sheet = [asdict(answer) for answer in leakage_sheet(report)]
    roles = [*column_roles(project, session.frames), *answer_roles(reading.tables)]
    table = column_table(roles, report, make_catalogue(reading.tables, project), reading.left_out)
    return {
        "audit/audit.html": html(report, project=project.project.name, table=table),
        "audit/audit.json": report.to_json(),
        "audit/leakage_sheet.json": json.dumps(sheet, indent=1, ensure_ascii=False),
    }


def session_tags(session: Session, reading: CrmData) -> dict[str, str]:
    """Identify what a model was trained from: hashes of data and project file, and the seed."""
    return {
        "data": learned_fingerprint(reading.tables, reading.outcomes),
        "project": session.fingerprint,
        "seed": str(session.seed),
    }


def champion_is_current(session: Session, reading: CrmData) -> bool:
    """Tell whether the champion was trained on these data by this project file and seed."""
    champion = session.registry.champion()
    if champion is None:
        return False
    tags = session_tags(session, reading)
    return all(champion.tags.get(key) == value for key, value in tags.items())


def judged_already(session: Session, reading: CrmData) -> bool:
    """Tell whether the gate has judged a model of these data, this project file and seed."""
    tags = session_tags(session, reading)
    return any(
        aliases and all(of_version.get(key) == value for key, value in tags.items())
        for _, of_version, aliases in session.registry.versions()
    )


def evaluate_registered(
    session: Session, reading: CrmData, model: LoadedModel, *, on_stage: Stage
) -> Evaluation:
    """Evaluate a registered model on the newest test rows of the data as they are now."""
    refuse_lost_columns(model.catalogue, reading.tables)
    on_stage("labels and features")
    dataset = make_dataset(
        session.project,
        reading.tables,
        reading.outcomes,
        threads=session.threads,
        catalogue=model.catalogue,
        memory=training_memory(session.project),
    )
    on_stage("figures beside the baselines")
    line = fit_learner(
        session.project,
        dataset,
        seed=session.seed,
        threads=session.threads,
        fast=False,
        learner="logistic",
    )
    _, evaluation = evaluate_on_test(
        session.project,
        reading.tables,
        dataset,
        model.scorer,
        seed=session.seed,
        baselines=baselines_of(dataset, line),
    )
    return evaluation


def score_run(
    session: Session,
    reading: CrmData,
    model: LoadedModel,
    run: RunMoment,
    *,
    for_report: bool = False,
    on_stage: Stage,
) -> ScoringRun:
    """Score all open leads with a pinned model and keep the run, as `guarded_run` does."""
    return guarded_run(session, reading, model, run, for_report=for_report, on_stage=on_stage)[0]


def guarded_run(
    session: Session,
    reading: CrmData,
    model: LoadedModel,
    run: RunMoment,
    *,
    for_report: bool = False,
    accept: bool = False,
    keep: bool = True,
    on_stage: Stage,
) -> tuple[ScoringRun, list[str]]:
    """Score all open leads, guard the night, and keep the run: (the run, what was accepted).

    GateError, with nothing written, where the guard finds something wrong with tonight's data;
    `accept` goes on all the same. Without `keep` nothing is written whatever is found.
    """
    scored = score_now(session, reading, model, run, for_report=for_report, on_stage=on_stage)
    tonight = profile_of_night(
        reading.tables,
        reading.outcomes,
        reading.feeds,
        score=scored.scores.score,
        top=model.top,
        as_of=scored.as_of,
        scored_at=run.scored_at,
        model_version=model.version,
    )
    accepted = guard_night(
        session,
        model,
        tonight,
        as_of_given=run.as_of_given,
        own_sources=run.own_sources,
        accept=accept,
        record_it=keep,
    )
    if keep:
        on_stage("scores.parquet")
        _keep_run(session, model, scored, session.state.runs / run.run_id)
    return scored, accepted


def _keep_run(session: Session, model: LoadedModel, scored: ScoringRun, folder: Path) -> None:
    """Write a run to its folder and as the newest, and note whose score it shows."""
    write_scores(scored, folder / "scores.parquet")
    store_run(
        folder / FEATURES,
        scored.table["lead_id"].tolist(),
        scored.frame.to_pandas(),
        model.scorer,
        model_version=model.version,
        as_of=scored.as_of,
    )
    write_scores(scored, session.state.scores)
    shown = scored.table["lead_id"][scored.shown]
    Exposures.of(session.state, session.project).note("scores", shown, at=scored.scored_at)


def score_now(
    session: Session,
    reading: CrmData,
    model: LoadedModel,
    run: RunMoment,
    *,
    for_report: bool = False,
    on_stage: Stage,
) -> ScoringRun:
    """Score all open leads and write nothing; bands keep their hysteresis from the newest run."""
    as_of = session.moment_of_scores(run.as_of, run.scored_at)
    return score_leads(
        session.project,
        reading.tables,
        reading.outcomes,
        model,
        replace(run, as_of=as_of),
        threads=session.threads,
        previous_bands=read_bands(
            session.state.scores,
            until=as_of,
            cuts=model.scorer.card.bands,
            tables=reading.tables,
        ),
        answered=session.answered(reading, as_of, run.scored_at),
        for_report=for_report,
        on_stage=on_stage,
    )


def monitor_model(
    session: Session, reading: CrmData, model: LoadedModel, *, as_of: int, on_stage: Stage
) -> list[Signal]:
    """Check a registered model against the data as of a moment; InputError where there are none."""
    refuse_lost_columns(model.catalogue, reading.tables)
    created = reading.tables.created_at
    if created is not None and not (created < as_of).any():
        raise InputError(
            f"no lead was created before {show(as_of)}: there is nothing to look at",
            cure="give a later moment (as_of)",
        )
    on_stage("sources, columns, conversions, features")
    return watch_model(
        session.project,
        reading.tables,
        reading.outcomes,
        reading.feeds,
        model.watched,
        as_of=as_of,
        threads=session.threads,
    )
