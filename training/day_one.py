"""Leads of whom next to no outcome is known -> the rule of the project file, as a model.

Nothing is kept for a test and nothing is claimed: the figures of such a model are empty.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from data.clock import DAY
from data.schema import Project
from data.tables import Tables
from models.explain.observed_rates import make_facts
from models.fit.encoders import describe, read_columns
from models.fit.model_choice import fit_rule
from models.fit.training_rows import TrainingRows
from models.note import Note
from training.advice import Advice
from training.dataset import Dataset, whole_cut
from training.evaluate import Evaluation
from training.judgement import Judgement
from training.model_card import ModelCard
from training.project_rule import points_of
from training.trained_model import TrainedModel, with_card
from training.watch.night_profile import NightProfile
from training.watch.watch_reference import make_reference


def train_rule(
    project: Project, tables: Tables, judgement: Judgement, night: NightProfile, *, why: str
) -> TrainedModel:
    """Update the rule by every outcome that is known; `why` says what is missing for a model."""
    report = judgement.report
    dataset = judgement.dataset.without(report.quarantined, tables)
    dataset = replace(dataset, cut=whole_cut(dataset.labelled, project))
    frame, y = dataset.frame.to_pandas(), dataset.y.astype(np.float64)
    weights = dataset.row_weights
    columns = read_columns(frame, describe(frame, dataset.frame.catalogue), weights)
    groups = pd.factorize(dataset.groups)[0].astype(np.int64)
    fitted = fit_rule(TrainingRows(columns, y, groups), points_of(project), known=dataset.known)
    parts = with_card(fitted.parts, fitted.margins, project, None, weights)
    facts = replace(make_facts(frame, y, parts.features, weights), known=bool(y.any()))
    notes = (*judgement.notes, *rule_notes(fitted.report))
    evaluation = _no_figures(notes)
    return TrainedModel(
        dataset,
        parts,
        (),
        facts,
        fitted.report,
        report,
        evaluation,
        {},
        _card(project, tables, dataset, fitted.report, notes),
        {attribute.name: attribute.kind for attribute in tables.attributes},
        Advice(),
        make_reference(dataset, tables, facts, night),
        amounts=None,
        leak=None,
        shortfall=why,
    )


def rule_notes(report: dict[str, object]) -> list[Note]:
    """Say of a rule what a person can do about it."""
    rate = report.get("rate")
    notes = [rate] if isinstance(rate, Note) else []
    left_out = report.get("left_out") or []
    assert isinstance(left_out, list)
    return notes + [
        Note(
            "the rule gives no points for {text}: no column that may be a feature says so alone",
            text=repr(text),
        )
        for text in left_out
    ]


def _no_figures(notes: tuple[str, ...]) -> Evaluation:
    """Write the evaluation of what was tested on no row."""

    def empty(*names: str) -> pd.DataFrame:
        return pd.DataFrame(columns=list(names))

    return Evaluation(
        metrics=empty("model", "metric", "value", "error", "low", "high"),
        verdicts=empty("against", "difference", "error", "low", "high", "verdict"),
        slices=empty("slice", "value", "rows"),
        capacity=empty("capacity", "weeks", "worked"),
        bands=empty("band", "n", "promised"),
        curve=empty("promised", "observed", "n"),
        drift=empty("month", "rows", "z"),
        gains=empty("worked", "captured"),
        notes=notes,
    )


def _card(
    project: Project,
    tables: Tables,
    dataset: Dataset,
    report: dict[str, object],
    notes: tuple[str, ...],
) -> ModelCard:
    """Write the card: who was looked at, and no figure."""
    lead, won = dataset.labelled.snapshots.lead, dataset.y == 1
    known = dataset.known
    return ModelCard(
        trained_until=tables.observed_until,
        train_rows=len(lead) if known else 0,
        train_conversions=int(won.sum()),
        test_rows=0,
        test_conversions=0,
        horizon_days=(project.conversion.horizon or 0) / DAY,
        metrics=[],
        verdicts=[],
        bands=[],
        tenths=[],
        curve=[],
        slices=[],
        capacity=[],
        drift=[],
        gains={},
        candidates=dict(report),
        dropped={},
        notes=list(notes),
        train_leads=len(np.unique(lead)) if known else 0,
        train_leads_converted=len(np.unique(lead[won])),
        cut_at=dataset.cut.cut_at if known else None,
    )
