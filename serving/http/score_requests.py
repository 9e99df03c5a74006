"""A request -> the same reader, builder and model as the nightly batch -> scores with reasons."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from data.durations import SECOND
from data.errors import InputError, LeadScoreError
from data.reading.read_tables import CrmData, read_tables
from data.schema import Project
from data.tables import Snapshots, Tables
from models.explain.points import Explanation
from models.explain.reasons import explanations_of, reason_table
from models.explain.sentences import Speech, render
from models.predictor import Rows, Scores
from serving.http.api import ReasonOut, ScoreOut, ScoreRequest, ScoreResponse
from serving.http.held_leads import HeldLeads
from serving.http.request import lead_id, request_tables
from serving.loaded_model import LoadedModel, load_model
from serving.worklist.language import words_of
from training.registry import ModelVersion, Registry


class UnknownLeadError(LeadScoreError):
    """The service holds no such lead."""


@dataclass(slots=True)
class Service:
    """A project, a registry reference and the model that answers; `held` are known leads.

    A promotion swaps the model between requests, never within one.
    """

    project: Project
    registry: Registry
    reference: str = "champion"
    held: HeldLeads | None = None
    _model: LoadedModel | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Load the model that the reference names now."""
        self._model = self._load(self.registry.find(self.reference))

    def hold(self, reading: CrmData) -> None:
        """Hold the tables of a project, so that its leads can be scored by id."""
        self.held = HeldLeads.of(reading)

    def current(self) -> LoadedModel:
        """Return the pinned model; LookupError before one is loaded."""
        if self._model is None:
            raise LookupError("no model is loaded")
        return self._model

    def follow_promotion(self) -> bool:
        """Load another version if the reference names one now; tell whether it did."""
        with self._lock:
            promoted = self.registry.find(self.reference)
            if self._model is not None and promoted.version == self._model.version:
                return False
            self._model = self._load(promoted)
            return True

    def _load(self, version: ModelVersion) -> LoadedModel:
        return load_model(version, bands=self.project.score.bands)

    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Score raw leads: their rows and events come with the request."""
        model = self.current()
        tables, _ = read_tables(
            self.project,
            frames=request_tables(self.project, request.leads),
            kinds=model.kinds,
            lenient=True,
        )
        ids = [lead_id(self.project, lead) for lead in request.leads]
        place = {str(held): row for row, held in enumerate(tables.lead_ids)}
        as_of = int(request.as_of.timestamp() * SECOND)
        return self._answer(model, tables, [place[asked] for asked in ids], as_of)

    def score_known(self, lead: str, as_of: int | None) -> ScoreResponse:
        """Score a lead whose history the service holds; UnknownLeadError else."""
        model = self.current()
        tables = None if self.held is None else self.held.cut(lead)
        if tables is None:
            raise UnknownLeadError(lead)
        until = tables.observed_until
        return self._answer(model, tables, [0], until if as_of is None else min(as_of, until))

    def _answer(
        self, model: LoadedModel, tables: Tables, wanted: Sequence[int], as_of: int
    ) -> ScoreResponse:
        """Score the leads in rows `wanted`, each once, in that order."""
        rows = np.sort(np.array(wanted, np.int64))
        created = tables.created_at
        if created is not None and (created[rows] > as_of).any():
            raise InputError("a lead is created after as_of", column=self.project.leads.created_at)
        moment = np.full(len(rows), as_of, np.int64)
        built = model.builder.build(tables, Snapshots(rows, moment))
        frame = Rows(built.numbers, model.builder.number_at, built.words())
        reasons = reason_table(model.scorer, frame, facts=model.facts)
        scores = model.scorer.score_margin(reasons.margin)
        ids = [str(tables.lead_ids[row]) for row in rows]
        explanations = explanations_of(reasons, frame, lead_ids=ids)
        place = np.searchsorted(rows, wanted).tolist()
        speech = words_of(self.project.project.language).speech(self.project.report.labels)
        answers = [_score_out(explanations[i], scores, i, speech) for i in place]
        return ScoreResponse(model_version=model.version, scores=answers)


def _score_out(explanation: Explanation, scores: Scores, row: int, speech: Speech) -> ScoreOut:
    return ScoreOut(
        lead_id=explanation.lead_id,
        score=int(scores.score[row]),
        band=str(scores.band[row]),
        probability=float(scores.probability[row]),
        probability_low=float(scores.low[row]),
        probability_high=float(scores.high[row]),
        typical=explanation.typical,
        reasons=[
            ReasonOut(factor=r.factor, family=r.family, points=r.points, text=render(r, speech))
            for r in (*explanation.reasons_for, *explanation.reasons_against)
        ],
        rest_points=explanation.rest_points,
        limit_points=explanation.limit_points,
    )
