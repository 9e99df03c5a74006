"""The verbs about models: train, retrain, evaluate, promote, rollback, monitor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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

if TYPE_CHECKING:
    import pandas as pd

    from serving.band_churn import BandChurn
    from training.advice import Advice
    from training.evaluate import Evaluation
    from training.publish import Published
    from training.trained_model import TrainedModel


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
    project file, logistic regression or the base rate scores in its place; the rule also where
    outcomes are too few to learn from.

    Example: leadscore train examples/software_trial.toml
    """
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


def say_what_next(file: Path, published: Published, state: Path | None) -> None:
    """Print the commands that come after a training run."""
    if published.version is None:
        screen.say_next(f"leadscore check {file}", state=state)
    elif published.decision.promote:
        screen.say_next(
            f"leadscore score {file}",
            f"leadscore report {file}",
            f"leadscore write-back {file} --dry-run",
            state=state,
        )
    else:
        screen.say_next(
            f"leadscore evaluate {file} --model {published.version.version}",
            f"leadscore promote {file} {published.version.version}",
            state=state,
        )


def write_frames(evaluation: Evaluation, folder: Path) -> None:
    """Write every frame of an evaluation as a CSV file."""
    from dataclasses import fields

    from data.files import write_text

    for field in fields(evaluation):
        if field.name != "notes":
            frame = getattr(evaluation, field.name)
            write_text(folder / f"{field.name}.csv", frame.to_csv(index=False))


def show_training(
    trained: TrainedModel, published: Published, churn: BandChurn | None, *, as_json: bool
) -> None:
    """Print what a training run found, for a person or a machine."""
    from training.audit.verdict import name_of

    evaluation, dataset = trained.evaluation, trained.dataset
    if as_json:
        screen.say_json(
            {
                "version": None if published.version is None else published.version.version,
                "promoted": published.decision.promote,
                "decision": published.sentence,
                "refused": published.refused,
                "stands_in": published.stands_in,
                "churn": None if churn is None else churn.to_dict(),
                "rows": {"train": len(dataset.cut.train), "test": len(dataset.cut.test)},
                "metrics": evaluation.metrics.to_dict("records"),
                "verdicts": evaluation.verdicts.to_dict("records"),
                "quarantined": sorted(trained.audit.quarantined),
                "learning_curve": trained.advice.curve.to_dict("records"),
                "segments": trained.advice.segments.to_dict("records"),
                "notes": list(evaluation.notes),
            }
        )
        return
    card = trained.card
    if not len(evaluation.metrics):
        show_rule(trained, published, churn)
        return
    screen.say(
        f"trained on {card.train_rows:,} snapshots of {card.train_leads:,} leads "
        f"({card.train_leads_converted:,} converted), tested on "
        f"{'the newest' if dataset.cut.in_time else 'other leads:'} {card.test_rows:,} of "
        f"{card.test_leads:,} ({card.test_leads_converted:,}); "
        f"learner: {trained.candidates.get('winner', 'constant')}"
    )
    show_figures(evaluation.metrics, evaluation.verdicts)
    for verdict in trained.audit.verdicts:
        if verdict.severity == "quarantine" and verdict.waived_by is None:
            screen.say(f"quarantined: {name_of(verdict)}: {verdict.reason}")
    show_advice(trained.advice)
    for note in evaluation.notes:
        screen.say(f"note: {note}")
    screen.say(published.sentence)
    for line in [] if churn is None else churn.lines():
        screen.say(line)


def show_rule(trained: TrainedModel, published: Published, churn: BandChurn | None) -> None:
    """Print what scores while next to no outcome is known; nothing was tested."""
    rows = len(trained.dataset.labelled)
    what = (
        "mature snapshots" if trained.dataset.known else "open leads, of whom no outcome is known"
    )
    screen.say(
        f"no model is learned: the rule is laid over {rows:,} {what}; "
        f"{trained.candidates['chosen_on']}"
    )
    for note in trained.evaluation.notes:
        screen.say(f"note: {note}")
    screen.say(published.sentence)
    for line in [] if churn is None else churn.lines():
        screen.say(line)


def show_advice(advice: Advice) -> None:
    """Print how the figures grow with conversions, and how segments differ, where there is any."""
    if len(advice.curve):
        rows = [
            [
                f"{row['conversions']:.0f}",
                f"{row['log_loss']:.4f}",
                f"{row['gain']:+.4f} ± {row['error']:.4f}",
            ]
            for row in advice.curve.to_dict("records")
        ]
        headings = ["conversions", "log loss", "gain over the base rate"]
        screen.table("learning curve of the logistic line, held-out folds", headings, rows)
    if len(advice.segments):
        rows = [
            [
                str(row["slice"]),
                str(row["segment"]),
                f"{row['conversions']:,} of {row['rows']:,}",
                f"{row['raw']:+.2f}",
                f"{row['shift']:+.2f} ± {row['error']:.2f}",
                f"{row['overlap']:.0%}",
            ]
            for row in advice.segments.to_dict("records")
        ]
        headings = ["slice", "segment", "snapshots converted", "raw", "pooled shift", "overlap"]
        screen.table("segments against the model, log-odds", headings, rows)


def show_figures(metrics: pd.DataFrame, verdicts: pd.DataFrame) -> None:
    """Print log loss, AUC and lift of the model beside its baselines, with 95 % intervals."""
    shown = (("log_loss", 4), ("auc", 3), ("average_precision", 3), ("lift_10", 2), ("slope", 2))
    comparison = {row["against"]: row["verdict"] for row in verdicts.to_dict("records")}
    rows = []
    for name in metrics["model"].unique():
        figures = metrics[metrics["model"] == name].set_index("metric")
        cells = [
            screen.figure(each["value"], each["low"], each["high"], digits)
            for each, digits in ((figures.loc[metric], digits) for metric, digits in shown)
        ]
        rows.append([name, *cells, comparison.get(name, "")])
    headings = ["log loss", "AUC", "avg. precision", "lift in top 10 %", "slope"]
    screen.table("test snapshots, 95 % intervals", ["model", *headings, "model is"], rows)
