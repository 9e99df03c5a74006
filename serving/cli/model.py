"""The verbs about models: train, retrain, evaluate, promote, rollback, export, monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from serving.cli import progress, screen
from serving.cli.options import (
    AsOf,
    Cluster,
    EventFiles,
    Json,
    Leads,
    Memory,
    Model,
    Out,
    ProjectFile,
    Seed,
    StateFolder,
    Threads,
    Tracking,
)
from serving.cli.show_training import say_what_next, show_figures, show_training, write_frames


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the console command, in the order of the help."""
    for verb in (train, retrain, evaluate, promote, rollback, export, monitor):
        app.command()(verb)


Fast = Annotated[
    bool,
    typer.Option("--fast", help="A fit of seconds at a little less quality: for a first look."),
]
Learner = Annotated[
    Literal["auto", "logistic"] | None,
    typer.Option(
        "--learner",
        help="logistic trains the regularised logistic regression alone, with the same "
        "artifact, reasons and calibration; default: the project file's, else auto.",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Train even if nothing changed since the champion.")
]


def train(
    file: ProjectFile,
    seed: Seed = None,
    threads: Threads = None,
    fast: Fast = False,
    learner: Learner = None,
    memory: Memory = None,
    cluster: Cluster = None,
    state: StateFolder = None,
    tracking: Tracking = None,
    leads: Leads = None,
    events: EventFiles = None,
    as_json: Json = False,
) -> None:
    """Train, audit, evaluate beside the baselines, register; the gate says whether it is champion.

    A first model that does not beat its baselines is refused (exit code 3), and the rule of the
    project file, logistic regression, the time since the last event or the base rate scores in its
    place; the rule also where outcomes are too few to learn from.

    Example: leadscore train examples/software_trial.toml
    """
    from serving.cli.clock import now
    from serving.end_of_observation import say_ahead
    from serving.fits_on_cluster import fits_on
    from serving.session import open_session
    from serving.verbs import band_churn, train_model
    from training.lead_sample import training_memory

    session = open_session(file, state=state, tracking=tracking, seed=seed, threads=threads)
    budget = training_memory(session.project, memory)
    champion = session.champion()
    with screen.stages(progress.TRAIN, quiet=as_json) as stage:
        stage("reading the sources")
        reading = session.read(leads, events)
        allow = session.project.network.allow
        with fits_on(cluster, workers=session.threads, allow=allow):
            trained, published = train_model(
                session, reading, fast=fast, learner=learner, memory=budget, on_stage=stage
            )
        churn = band_churn(session, reading, champion, published)
    if (ahead := say_ahead(reading.tables, now())) is not None:
        screen.note(f"note: {ahead}")
    show_training(trained, published, churn, as_json=as_json)
    if not as_json:
        say_what_next(file, published, state)
    if published.refused is not None:
        raise typer.Exit(3)


def retrain(
    file: ProjectFile,
    seed: Seed = None,
    threads: Threads = None,
    fast: Fast = False,
    learner: Learner = None,
    memory: Memory = None,
    cluster: Cluster = None,
    force: Force = False,
    state: StateFolder = None,
    tracking: Tracking = None,
    as_json: Json = False,
) -> None:
    """Train on what is known now and promote where that lowers the expected log loss.

    Says which open leads change band, by how many points and why. Exit code 3: not promoted.

    Example: leadscore retrain acme.toml
    """
    from serving.fits_on_cluster import fits_on
    from serving.session import open_session
    from serving.verbs import band_churn, champion_is_current, train_model
    from training.lead_sample import training_memory

    session = open_session(file, state=state, tracking=tracking, seed=seed, threads=threads)
    budget = training_memory(session.project, memory)
    champion = session.champion()
    with screen.stages(progress.READ, quiet=as_json) as stage:
        stage("reading the sources")
        reading = session.read()
    if not force and champion_is_current(session, reading):
        answer = "nothing changed since the champion was trained"
        screen.say_json({"retrained": False, "reason": answer}) if as_json else screen.say(answer)
        return
    with screen.stages(progress.TRAIN[1:], quiet=as_json) as stage:
        allow = session.project.network.allow
        with fits_on(cluster, workers=session.threads, allow=allow):
            trained, published = train_model(
                session, reading, fast=fast, learner=learner, memory=budget, on_stage=stage
            )
        churn = band_churn(session, reading, champion, published)
    show_training(trained, published, churn, as_json=as_json)
    if not as_json:
        say_what_next(file, published, state)
    if published.refused is not None or not published.decision.promote:
        raise typer.Exit(3)


def evaluate(
    file: ProjectFile,
    model: Model = "champion",
    seed: Seed = None,
    threads: Threads = None,
    state: StateFolder = None,
    tracking: Tracking = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Evaluate a registered model on the newest mature leads, beside the baselines.

    Example: leadscore evaluate acme.toml --model 3 --out figures/
    """
    from dataclasses import asdict

    from serving.answers.answer_store import list_answers
    from serving.figures.reps_against_model import compare_reps, say_reps
    from serving.session import open_session
    from serving.verbs import evaluate_registered

    session = open_session(file, state=state, tracking=tracking, seed=seed, threads=threads)
    with screen.stages(progress.EVALUATE, quiet=as_json) as stage:
        stage("model")
        loaded = session.model(model)
        stage("reading the sources")
        reading = session.read(kinds=loaded.kinds)
        evaluation = evaluate_registered(session, reading, loaded, on_stage=stage)
        reps = compare_reps(
            list_answers(session.state.feedback),
            reading.tables,
            reading.outcomes,
            session.project,
            loaded.scorer.card,
        )
    if out is not None:
        write_frames(evaluation, out)
    if as_json:
        screen.say_json(
            {
                "metrics": evaluation.metrics.to_dict("records"),
                "verdicts": evaluation.verdicts.to_dict("records"),
                "notes": list(evaluation.notes),
                "reps": None if reps is None else asdict(reps),
            }
        )
        return
    show_figures(evaluation.metrics, evaluation.verdicts)
    for note in evaluation.notes:
        screen.say(f"note: {note}")
    for line in [] if reps is None else say_reps(reps):
        screen.say(line)
    if out is not None:
        screen.say(f"{out}: figures and curves as CSV files")


def promote(
    file: ProjectFile,
    version: Annotated[str, typer.Argument(help="The version to make champion.")],
    state: StateFolder = None,
    tracking: Tracking = None,
) -> None:
    """Make a version the champion by hand; the one before stays ready for rollback.

    Example: leadscore promote acme.toml 4
    """
    from serving.session import open_session

    session = open_session(file, state=state, tracking=tracking)
    promoted = session.registry.find(version)
    session.registry.promote(promoted.version)
    screen.say(
        f"version {promoted.version} is champion; its gate said: "
        f"{promoted.tags.get('decision', 'nothing')}"
    )


def rollback(file: ProjectFile, state: StateFolder = None, tracking: Tracking = None) -> None:
    """Go back to the champion before; scores are byte for byte what they were.

    Example: leadscore rollback acme.toml
    """
    from serving.session import open_session

    version = open_session(file, state=state, tracking=tracking).registry.rollback()
    screen.say(f"version {version} is champion again")


def export(
    file: ProjectFile,
    out: Annotated[Path, typer.Option("--out", help="A new folder for the MLflow model.")],
    model: Model = "champion",
    state: StateFolder = None,
    tracking: Tracking = None,
) -> None:
    """Write an MLflow model that scores raw leads and events, for another program to load.

    Example: leadscore export acme.toml --out acme-model
    """
    from serving.kept_run import KeptRun
    from serving.raw_scorer import export_raw
    from serving.session import open_session

    session = open_session(file, state=state, tracking=tracking, threads=1)
    version = session.registry.find(model)
    path = export_raw(session.project, version, KeptRun.read(session.state.scores), out)
    screen.say(str(path))
    screen.say(f"version {version.version}; where it is loaded, leadscore must be installed")


def monitor(
    file: ProjectFile,
    as_of: AsOf = None,
    model: Model = "champion",
    threads: Threads = None,
    state: StateFolder = None,
    tracking: Tracking = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with data and model, causes first, and what to do; exit 3 on red.

    Example: leadscore monitor acme.toml
    """
    from serving.session import open_session
    from serving.verbs import monitor_model

    session = open_session(file, state=state, tracking=tracking, threads=threads)
    with screen.stages(progress.MONITOR, quiet=as_json) as stage:
        stage("model")
        loaded = session.model(model)
        stage("reading the sources")
        reading = session.read()
        at = session.moment(as_of, reading)
        signals = monitor_model(session, reading, loaded, as_of=at, on_stage=stage)
    if as_json:
        screen.say_json({"signals": [signal.to_dict() for signal in signals]})
    else:
        for signal in signals:
            if signal.state != "green":
                screen.say(f"{signal.state}: {signal.line}")
        screen.wrapped_table(
            {"signal": 5, "state": 2, "figure": 5, "bar": 4},
            [(s.name, s.state, s.figure, s.bar) for s in signals],
        )
    if any(signal.state == "red" for signal in signals):
        raise typer.Exit(3)
