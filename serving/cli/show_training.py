"""What training and evaluation found, in words and tables on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from serving.cli import screen

if TYPE_CHECKING:
    import pandas as pd

    from serving.band_churn import BandChurn
    from training.advice import Advice
    from training.evaluate import Evaluation
    from training.publish import Published
    from training.trained_model import TrainedModel


def show_training(
    trained: TrainedModel, published: Published, churn: BandChurn | None, *, as_json: bool
) -> None:
    """Print what a training run found, for a person or a machine."""
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
    if len(evaluation.metrics):
        show_model(trained)
    else:
        show_rule(trained)
    for note in evaluation.notes:
        screen.say(f"note: {note}")
    screen.say(published.sentence)
    for line in [] if churn is None else churn.lines():
        screen.say(line)


def show_model(trained: TrainedModel) -> None:
    """Print what was learned from which leads, and how it did on those of the test."""
    from training.audit.verdict import name_of

    card, dataset = trained.card, trained.dataset
    cut = dataset.cut
    screen.say(
        f"trained on {card.train_rows:,} snapshots of {card.train_leads:,} leads "
        f"({dataset.y[cut.train].sum():,.0f} snapshots of {card.train_leads_converted:,} leads "
        f"converted), tested on {'the newest' if cut.in_time else 'other'} {card.test_rows:,} "
        f"snapshots of {card.test_leads:,} leads ({dataset.y[cut.test].sum():,.0f} of "
        f"{card.test_leads_converted:,}); learner: {trained.candidates.get('winner', 'constant')}"
    )
    show_figures(trained.evaluation.metrics, trained.evaluation.verdicts)
    for verdict in trained.audit.verdicts:
        if verdict.severity == "quarantine" and verdict.waived_by is None:
            screen.say(f"quarantined: {name_of(verdict)}: {verdict.reason}")
    show_advice(trained.advice)


def show_rule(trained: TrainedModel) -> None:
    """Print what scores while next to no outcome is known; nothing was tested."""
    rows = len(trained.dataset.labelled)
    what = (
        "mature snapshots" if trained.dataset.known else "open leads, of whom no outcome is known"
    )
    screen.say(
        f"no model is learned: the rule is laid over {rows:,} {what}; "
        f"{trained.candidates['chosen_on']}"
    )


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
        number = published.version.version
        screen.say_next(f"leadscore evaluate {file} --model {number}", state=state)


def write_frames(evaluation: Evaluation, folder: Path) -> None:
    """Write every frame of an evaluation as a CSV file."""
    from dataclasses import fields

    from data.files import write_text

    for field in fields(evaluation):
        if field.name != "notes":
            frame = getattr(evaluation, field.name)
            write_text(folder / f"{field.name}.csv", frame.to_csv(index=False))
