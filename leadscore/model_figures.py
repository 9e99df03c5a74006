"""A model's figures -> tables and charts that a notebook shows: values, ranges, against whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from leadscore.shown import Showable, Shown, ShownTable
from serving.worklist import charts
from serving.worklist.language import words_of
from serving.worklist.model_page import gains_curves, reliability_points
from serving.worklist.page_names import curve_names
from serving.worklist.view_figures import GainsCurve
from training.evaluate import Evaluation
from training.model_card import ModelCard

FIGURES: Final = {
    "log_loss": "log loss",
    "auc": "AUC",
    "average_precision": "average precision",
    "lift_10": "lift in top 10 %",
    "slope": "slope",
}


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ModelFigures(Showable):
    """A model held against data; made by `LeadModel.evaluate`.

    Attributes
    ----------
    title : str
        The model and its project.
    evaluation : Evaluation
        What the properties are taken from.
    """

    title: str
    evaluation: Evaluation

    @property
    def metrics(self) -> pd.DataFrame:
        """Figures of the model and its baselines: model, metric, value, error, low, high."""
        return self.evaluation.metrics

    @property
    def verdicts(self) -> pd.DataFrame:
        """The model against each baseline, pair by pair."""
        return self.evaluation.verdicts

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know before trusting the figures, a line each."""
        return self.evaluation.notes

    def _shown(self) -> Shown:
        table = figures_table(self.metrics, self.verdicts)
        summary = f"log loss {table.rows[0][1]}, AUC {table.rows[0][2]}"
        return Shown(self.title, summary, notes=self.notes, tables=(table,))


def figures_table(metrics: pd.DataFrame, verdicts: pd.DataFrame) -> ShownTable:
    """Lay out the figures of model and baselines with their ranges, and how the model stands."""
    against = {row["against"]: row["verdict"] for row in verdicts.to_dict("records")}
    rows = []
    for name in metrics["model"].unique():
        mine = metrics[metrics["model"] == name].set_index("metric")
        cells = [_with_range(mine, metric) for metric in FIGURES]
        rows.append((str(name), *cells, str(against.get(name, ""))))
    columns = ("", *FIGURES.values(), "the model is")
    caption = "Test snapshots, 95 % intervals"
    return ShownTable(caption, columns, tuple(rows), tuple(range(1, len(FIGURES) + 1)))


def _with_range(figures: pd.DataFrame, metric: str) -> str:
    ends = figures.loc[[metric], ["value", "low", "high"]].to_numpy(np.float64)[0]
    value, low, high = (f"{each:.3f}" for each in ends)
    return value.replace("nan", "–") if np.isnan(ends[1]) else f"{value} ({low} to {high})"


def headline(card: ModelCard) -> tuple[tuple[str, str], ...]:
    """Give the figures that a title is followed by, each with its range, and the horizon."""
    found = [(FIGURES[name], card.figure(name)) for name in ("auc", "log_loss", "lift_10")]
    facts = [
        (name, f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})")
        for name, each in found
        if each is not None
    ]
    if card.horizon_days:
        facts.append(("horizon", f"{card.horizon_days:g} days"))
    return tuple(facts)


def card_charts(card: ModelCard) -> tuple[tuple[str, Markup], ...]:
    """Draw reliability and gains of the test rows, each under its caption."""
    words = words_of("en")
    curves, names = gains_curves(card), curve_names(words)
    return (
        ("Promised and observed", charts.reliability(reliability_points(card), words)),
        (_legend(curves, names), charts.gains(curves, names, words)),
    )


def _legend(curves: Sequence[GainsCurve], names: Mapping[str, str]) -> Markup:
    lines = [Markup('<span class="k k-{}">{}</span>').format(c.name, names[c.name]) for c in curves]
    return Markup("").join(["Conversions caught", *lines])
