"""A request -> the reader, builder, model and scoring of the nightly batch -> whole answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from data.clock import show
from data.durations import SECOND
from data.errors import InputError, LeadScoreError
from data.labels import is_open
from data.reading.read_tables import CrmData, read_tables
from data.schema import Project
from data.tables import Snapshots, Tables
from serving.exposure import Exposures
from serving.held_back import held_arms
from serving.http.api import Lead, ScoreRequest, ScoreResponse
from serving.http.held_leads import HeldLeads
from serving.http.request import lead_id, left_out, request_tables
from serving.kept_run import KeptRun
from serving.lead_score import LeadScore
from serving.loaded_model import LoadedModel, load_model
from serving.qualify.engine import QualificationRules, compile_rules
from serving.qualify.rule_facts import with_types_counted
from serving.score import score_snapshots
from training.registry import Registry
from training.state import StatePaths

CLOSED = "the lead is closed at that moment: a night does not score it"
NO_BAND = "no earlier band is known: the band is cut at the score itself"
NO_RANK = "no run of this model is kept: no percentile"
ACCOUNT_NEEDED = "is needed: the experiment gives whole accounts an arm"


class UnknownLeadError(LeadScoreError):
    """The service holds no such lead."""


@dataclass(slots=True)
class Service:
    """A project, a registry reference and the model that answers; `held` are known leads.

    A promotion swaps the model between requests, never within one. `state` holds the newest run:
    the bands that leads had, the leads to rank among, and its answers. `clock` gives microseconds.
    """

    project: Project
    registry: Registry
    reference: str = "champion"
    held: HeldLeads | None = None
    state: StatePaths | None = None
    clock: Callable[[], int] = lambda: 0
    _model: LoadedModel | None = None
    _rules: QualificationRules | None = None
    _kept: tuple[object, KeptRun | None] = (None, None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Load the model that the reference names now."""
        self._model = load_model(self.registry.find(self.reference))

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
            self._model = load_model(promoted)
            return True

    def kept(self) -> KeptRun | None:
        """Read the newest run again where it has changed: a night may have passed."""
        path = None if self.state is None else self.state.scores
        try:
            mark = None if path is None else (path.stat().st_mtime_ns, path.stat().st_size)
        except FileNotFoundError:
            mark = None
        if mark != self._kept[0]:
            self._kept = (mark, KeptRun.read(path) if path is not None and mark else None)
        return self._kept[1]

    def score(self, request: ScoreRequest) -> ScoreResponse:
        """Score raw leads: their rows, events and history come with the request."""
        model, kept = self.current(), self.kept()
        as_of = int(request.as_of.timestamp() * SECOND)
        tables, outcomes = read_tables(
            self.project,
            frames=request_tables(self.project, request.leads),
            kinds=model.kinds,
            lenient=True,
        )
        by_id = {lead_id(self.project, lead): lead for lead in request.leads}
        self._refuse_without_account(request.leads)
        bands = {name: self._band(lead, name, as_of) for name, lead in by_id.items()}
        answers = self._answers(model, tables, np.arange(len(tables)), as_of, bands, kept)
        rows = np.arange(len(tables))
        live = tables.created_at is None or is_open(
            tables, outcomes, rows, np.full(len(rows), as_of)
        )
        told = {
            each.lead_id: replace(
                each,
                assumed=(
                    *left_out(self.project, by_id[each.lead_id]),
                    *self._assumed(each, bands[each.lead_id], as_of, is_live=bool(alive)),
                ),
            )
            for each, alive in zip(answers, np.broadcast_to(live, len(rows)), strict=True)
        }
        return self._told(model, [told[name] for name in by_id])

    def score_known(self, lead: str, as_of: int | None) -> ScoreResponse:
        """Score a lead whose history the service holds; UnknownLeadError else.

        Without a moment, or at that of the newest run, it is the answer of that run.
        """
        model, kept = self.current(), self.kept()
        tables = None if self.held is None else self.held.cut(lead)
        if tables is None or self.held is None:
            raise UnknownLeadError(lead)
        if kept is not None and kept.model_version == model.version and as_of in (None, kept.as_of):
            found = kept.answer(lead)
            arm = held_arms(tables, np.array([0]), self.project, self.clock())[0]
            if found is not None and found.withheld == arm:
                return self._told(model, [found])
        until = tables.observed_until
        moment = until if as_of is None else min(as_of, until)
        band = None if kept is None or kept.as_of > moment else kept.band(lead)
        answer = self._answers(model, tables, np.array([0]), moment, {lead: band}, kept)[0]
        live = self.held.is_open(lead, moment)
        notes = self._assumed(answer, band, moment, is_live=live)
        return self._told(model, [replace(answer, assumed=notes)])

    def _answers(
        self,
        model: LoadedModel,
        tables: Tables,
        rows: NDArray[np.int64],
        as_of: int,
        bands: Mapping[str, str | None],
        kept: KeptRun | None,
    ) -> list[LeadScore]:
        """Score the leads in these rows, as a night does."""
        created = tables.created_at
        if created is not None and (created[rows] > as_of).any():
            raise InputError("a lead is created after as_of", column=self.project.leads.created_at)
        same_model = kept is not None and kept.model_version == model.version
        scored = score_snapshots(
            self.project,
            with_types_counted(tables, self.project, self._compiled().names()),
            Snapshots(rows, np.full(len(rows), as_of, np.int64)),
            model,
            as_of=as_of,
            scored_at=self.clock(),
            run_id="",
            rules=self._compiled(),
            previous_bands={name: band for name, band in bands.items() if band is not None},
            ranked_among=kept.margins if kept is not None and same_model else np.empty(0),
        )
        return scored.answers()

    def _compiled(self) -> QualificationRules:
        if self._rules is None:
            self._rules = compile_rules(self.project)
        return self._rules

    def _told(self, model: LoadedModel, answers: list[LeadScore]) -> ScoreResponse:
        """Give the answers; while an experiment runs, note whose score was seen."""
        if self.state is not None:
            seen = [each.lead_id for each in answers if each.withheld is None]
            Exposures.of(self.state, self.project).note("http", seen, at=self.clock())
        return ScoreResponse(model_version=model.version, scores=answers)

    def _band(self, lead: Lead, name: str, as_of: int) -> str | None:
        kept = self.kept()
        if lead.band is not None or kept is None or kept.as_of > as_of:
            return lead.band
        return kept.band(name)

    def _assumed(
        self, answer: LeadScore, band: str | None, as_of: int, *, is_live: bool
    ) -> tuple[str, ...]:
        """Say what a night would have known of a lead that is asked about by itself."""
        kept, notes = self.kept(), [] if is_live else [CLOSED]
        if answer.band is not None and band is None and self.project.score.hysteresis > 0:
            notes.append(NO_BAND)
        if answer.withheld is not None:
            return tuple(notes)
        if kept is None or kept.model_version != self.current().version:
            notes.append(NO_RANK)
        elif kept.as_of != as_of:
            among = f"{len(kept):,} leads scored as of {show(kept.as_of)}"
            notes.append(f"percentile among the {among}")
        return tuple(notes)

    def _refuse_without_account(self, leads: Sequence[Lead]) -> None:
        """Refuse a lead whose arm, and so whether its score is held back, can't be known."""
        column, section = self.project.leads.account, self.project.experiment
        if column is None or section.unit != "account" or not (section.arms or section.random_arm):
            return
        if any(column not in lead.attributes for lead in leads):
            raise InputError(ACCOUNT_NEEDED, column=column)
