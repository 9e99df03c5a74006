"""A request -> the same reader, builder and model as the nightly batch -> scores with reasons."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data.errors import InputError, LeadScoreError
from data.read import Reading, read_with_notes
from data.schema import Project
from data.tables import Snapshots, Tables
from features.build import build
from models.reasons import explanations_of, reason_table
from models.words import render
from serving.http.schema import Lead, ReasonOut, ScoreOut, ScoreRequest, ScoreResponse
from serving.model import LoadedModel, load_model
from training.registry import Registry


class UnknownLeadError(LeadScoreError):
    """The service holds no such lead."""


@dataclass(slots=True)
class Service:
    """A project, a registry reference and the model that answers; `store` holds known leads.

    A promotion swaps the model between requests, never within one.
    """

    project: Project
    registry: Registry
    reference: str = "champion"
    store: Reading | None = None
    _model: LoadedModel | None = None
    _rows: Mapping[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Load the model that the reference names now."""
        self._model = load_model(self.registry.find(self.reference))

    def hold(self, reading: Reading) -> None:
        """Hold the tables of a project, so that its leads can be scored by id."""
        self._rows = {str(lead): row for row, lead in enumerate(reading.tables.lead_ids)}
        self.store = reading

    def current(self) -> LoadedModel:
        """Give the pinned model; LookupError before one is loaded."""
        if self._model is None:
            raise LookupError("no model is loaded")
        return self._model

    def follow_promotion(self) -> bool:
        """Load another version if the reference names one now; tell whether it did."""
        with self._lock:
            found = self.registry.find(self.reference)
            if self._model is not None and found.version == self._model.version:
                return False
            self._model = load_model(found)
            return True

    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Score raw leads: their rows and events come with the request."""
        model = self.current()
        reading = read_with_notes(
            self.project,
            frames=request_frames(self.project, request.leads),
            kinds=model.kinds,
            lenient=True,
        )
        as_of = int(request.as_of.timestamp() * 1_000_000)
        rows = {str(lead): row for row, lead in enumerate(reading.tables.lead_ids)}
        wanted = [rows[_lead_id(self.project, lead)] for lead in request.leads]
        return self._answer(model, reading.tables, wanted, as_of)

    def score_known(self, lead_id: str, as_of: int | None) -> ScoreResponse:
        """Score a lead whose history the service holds; UnknownLeadError else."""
        model = self.current()
        if self.store is None or lead_id not in self._rows:
            raise UnknownLeadError(lead_id)
        tables = self.store.tables
        moment = tables.observed_until if as_of is None else min(as_of, tables.observed_until)
        return self._answer(model, tables, [self._rows[lead_id]], moment)

    def _answer(
        self, model: LoadedModel, tables: Tables, wanted: Sequence[int], as_of: int
    ) -> ScoreResponse:
        rows = np.unique(np.array(wanted, np.int64))
        created = tables.created_at
        if created is not None and (created[rows] > as_of).any():
            raise InputError("a lead is created after as_of", column=self.project.leads.created_at)
        snapshots = Snapshots(rows, np.full(len(rows), as_of, np.int64))
        frame = build(tables, snapshots, model.catalogue, threads=1).to_pandas()
        reasons = reason_table(model.scorer, frame)
        scores = model.scorer.score_margin(reasons.margin)
        ids = [str(tables.lead_ids[row]) for row in rows]
        told = explanations_of(reasons, frame, lead_ids=ids, facts=model.facts)
        place = {int(row): i for i, row in enumerate(rows)}
        answers = [_score_out(told[place[row]], scores, place[row]) for row in wanted]
        return ScoreResponse(model_version=model.version, scores=answers)


def request_frames(project: Project, leads: Sequence[Lead]) -> dict[str, pd.DataFrame]:
    """Lay the rows of a request out as the frames that the reader takes in place of sources."""
    columns = [project.leads.id, project.leads.created_at, project.leads.converted]
    frames = {"leads": _frame([lead.attributes for lead in leads], columns)}
    _check_ids(project, leads)
    for i, section in enumerate(project.events):
        rows = [
            {**event, section.lead: _lead_id(project, lead)}
            for lead in leads
            for event in lead.events.get(str(i), [])
        ]
        asked = [section.lead, section.at, section.recorded_at, section.channel, section.value,
                 section.campaign, section.person, section.direction, *section.type]  # fmt: skip
        frames[f"events.{i}"] = _frame(rows, [c for c in asked if c and not c.startswith("=")])
    for i, join in enumerate(project.leads.join):
        rows = [lead.joined[str(i)] for lead in leads if str(i) in lead.joined]
        frames[f"join.{i}"] = _frame(rows, [join.key or join.on]).drop_duplicates()
        for j, history in enumerate(join.history):
            frames[f"join.{i}.history.{j}"] = _frame(
                [], [history.lead, history.field, history.old, history.new, history.at]
            )
    for i, history in enumerate(project.leads.history):
        frames[f"history.{i}"] = _frame(
            [], [history.lead, history.field, history.old, history.new, history.at]
        )
    if project.conversion.source is not None:
        frames["conversion"] = _frame([], [project.conversion.lead, project.conversion.at])
    return frames


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows))
    for column in columns:
        if column and column not in frame.columns:
            frame[column] = pd.Series(dtype="str") if frame.empty else None
    return frame


def _lead_id(project: Project, lead: Lead) -> str:
    value = lead.attributes.get(project.leads.id)
    if value is None or isinstance(value, (bool, float)):
        raise InputError("is no id: send it as text", column=project.leads.id)
    return str(value)


def _check_ids(project: Project, leads: Sequence[Lead]) -> None:
    ids = [_lead_id(project, lead) for lead in leads]
    if len(set(ids)) < len(ids):
        raise InputError("a lead is there twice", column=project.leads.id)


def _score_out(told: Any, scores: Any, row: int) -> ScoreOut:
    return ScoreOut(
        lead_id=told.lead_id,
        score=int(scores.score[row]),
        band=str(scores.band[row]),
        probability=float(scores.probability[row]),
        probability_low=float(scores.low[row]),
        probability_high=float(scores.high[row]),
        typical=told.typical,
        reasons=[
            ReasonOut(factor=r.factor, family=r.family, points=r.points, text=render(r))
            for r in (*told.reasons_for, *told.reasons_against)
        ],
        rest_points=told.rest_points,
        limit_points=told.limit_points,
    )
