"""A request -> the reader, builder, model and scoring of the nightly batch -> whole answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from data.compiled import load_compiler
from data.durations import SECOND
from data.errors import LeadScoreError
from data.reading.read_tables import CrmData, read_tables
from data.schema import Project
from data.tables import Outcomes, Tables
from serving.answers.answer_facts import answer_facts
from serving.answers.answer_store import RepAnswer, list_answers
from serving.answers.standing import Standing, standings
from serving.asked_leads import RankedLeads, answer_leads, refuse_without_account, say_left_out
from serving.exposure import Exposures
from serving.held_back import held_arms
from serving.http.api import ScoreRequest, ScoreResponse
from serving.http.held_leads import HeldLeads
from serving.http.request import lead_id, request_tables, sent_tables
from serving.kept_run import KeptRun
from serving.lead_score import LeadScore
from serving.loaded_model import LoadedModel, load_model
from serving.lost_inputs import refuse_lost_events
from serving.qualify.engine import QualificationRules, compile_rules
from training.registry import ModelVersion, Registry
from training.state import StatePaths


class UnknownLeadError(LeadScoreError):
    """The service holds no such lead."""


class NoModelError(LeadScoreError):
    """The service has loaded no model yet."""


@dataclass(slots=True)
class Service:
    """A project, a registry reference and the model that answers; `held` are known leads.

    A promotion swaps the model between requests, never within one. `state` holds the newest run:
    the bands that leads had, the leads to rank among, and its answers. `clock` gives microseconds.
    `follower` says how the last look for a promotion went.
    """

    project: Project
    registry: Registry
    reference: str = "champion"
    held: HeldLeads | None = None
    state: StatePaths | None = None
    clock: Callable[[], int] = lambda: 0
    loaded_at: int = 0
    follower: Literal["off", "ok", "failing"] = "off"
    _model: LoadedModel | None = None
    _rules: QualificationRules | None = None
    _kept: tuple[object, KeptRun | None] = (None, None)
    _read_again: Callable[[], CrmData] | None = None
    _held_since: object = None  # the scores that stood when the leads were read
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Load the model that the reference names now."""
        load_compiler()
        self.kept()
        self._model = self._load(self.registry.find(self.reference))

    def hold(self, reading: CrmData, again: Callable[[], CrmData] | None = None) -> None:
        """Hold the tables of a project, so that its leads can be scored by id.

        `again` reads them anew, when a look for a promotion finds newer scores.
        """
        self._held_since, self._read_again = self._kept[0], again
        self.held = HeldLeads.of(reading)

    def current(self) -> LoadedModel:
        """Return the pinned model; NoModelError before one is loaded."""
        if self._model is None:
            raise NoModelError("no model is loaded")
        return self._model

    @property
    def trained_until(self) -> int:
        """Up to when the model knows the data: microseconds, 0 where that is not known."""
        card = None if self._model is None else self._model.card
        return card.trained_until if card is not None and card.has_clock else 0

    @property
    def scores_as_of(self) -> int:
        """The moment of the newest night that was read: microseconds, 0 for none."""
        kept = self._kept[1]
        return 0 if kept is None else kept.as_of

    def follow_promotion(self) -> bool:
        """Load another version if the reference names one now; tell whether it did.

        Then the leads are read again, where they may be others: sources that cannot be read just
        now keep no model from being followed.
        """
        with self._lock:
            self.kept()
            promoted = self.registry.find(self.reference)
            followed = self._model is None or promoted.version != self._model.version
            if followed:
                self._model = self._load(promoted)
            self._follow_data()
            return followed

    def _follow_data(self) -> None:
        """Read the leads again where a night has passed, or a lead was forgotten, since."""
        since = self._kept[0]
        if self._read_again is not None and since != self._held_since:
            held = HeldLeads.of(self._read_again())
            self.held, self._held_since = held, since

    def _cut(self, lead: str, kept: KeptRun | None) -> tuple[Tables, Outcomes] | None:
        """Cut a lead out of what is held; None where it is not held, or may have been forgotten.

        Scores that are newer than what is held name all open leads: one that they do not name is
        not answered before the leads are read again.
        """
        if self.held is None:
            return None
        known = kept is not None and kept.answer(lead) is not None
        return self.held.cut(lead) if known or self._kept[0] == self._held_since else None

    def _load(self, version: ModelVersion) -> LoadedModel:
        model = load_model(version, bands=self.project.score.bands)
        refuse_lost_events(model.catalogue, self.project)
        self.loaded_at = self.clock()
        return model

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
        for lead in request.leads:
            refuse_without_account(self.project, lead.attributes)
        leads = {lead_id(self.project, lead): lead for lead in request.leads}
        said = self._said(list(leads))
        tables, outcomes = read_tables(
            self.project,
            frames=request_tables(self.project, request.leads),
            kinds=model.kinds,
            lenient=True,
            answers=answer_facts(said) if self.project.train.answers else (),
        )
        answers = answer_leads(
            self.project,
            model,
            self._compiled(),
            tables,
            outcomes,
            as_of=as_of,
            at=self.clock(),
            bands={
                name: _band_before(kept, model, name, as_of) if lead.band is None else lead.band
                for name, lead in leads.items()
            },
            ranked=RankedLeads.of(kept, model),
            left_out={
                name: say_left_out(self.project, lead.attributes, sent_tables(lead))
                for name, lead in leads.items()
            },
            answers=said,
        )
        return self._respond(model, [answers[name] for name in leads])

    def score_known(self, lead: str, as_of: int | None) -> ScoreResponse:
        """Score a lead whose history the service holds; UnknownLeadError else.

        Without a moment, or at that of the newest run, it is the answer of that run.
        """
        model, kept = self.current(), self.kept()
        part = self._cut(lead, kept)
        if part is None:
            raise UnknownLeadError(lead)
        tables, outcomes = part
        said = self._said([lead])
        if kept is not None and kept.is_of(model) and as_of in (None, kept.as_of):
            found = kept.answer(lead)
            arm = held_arms(tables, np.array([0]), self.project, self.clock())[0]
            now = standings(said, tables, kept.as_of, outcomes=outcomes, at=self.clock())
            if found is not None and found.withheld == arm and _stands(found, now.get(lead)):
                return self._respond(model, [found])
        until = self.clock() if self.project.without_clock else tables.observed_until
        moment = until if as_of is None else min(as_of, until)
        answers = answer_leads(
            self.project,
            model,
            self._compiled(),
            tables,
            outcomes,
            as_of=moment,
            at=self.clock(),
            bands={lead: _band_before(kept, model, lead, moment)},
            ranked=RankedLeads.of(kept, model),
            left_out={},
            answers=said,
        )
        return self._respond(model, [answers[lead]])

    def _said(self, leads: Sequence[str]) -> tuple[RepAnswer, ...]:
        """Read what reps answered about these leads, up to now."""
        if self.state is None:
            return ()
        file = self.state.feedback
        return tuple(each for lead in leads for each in list_answers(file, lead_id=lead))

    def _compiled(self) -> QualificationRules:
        if self._rules is None:
            self._rules = compile_rules(self.project)
        return self._rules

    def _respond(self, model: LoadedModel, answers: list[LeadScore]) -> ScoreResponse:
        """Give the answers; while an experiment runs, note whose score was seen."""
        if self.state is not None:
            seen = [each.lead_id for each in answers if each.withheld is None]
            Exposures.of(self.state, self.project).note("http", seen, at=self.clock())
        return ScoreResponse(model_version=model.version, scores=answers)


def _stands(found: LeadScore, now: Standing | None) -> bool:
    """Tell whether a kept answer knows what reps have said of the lead by now."""
    if now is None:
        return found.standing is None
    since = found.standing_since
    given = None if since is None else round(since.timestamp() * SECOND)
    return (found.standing, given) == (now.kind, now.since)


def _band_before(kept: KeptRun | None, model: LoadedModel, lead: str, as_of: int) -> str | None:
    """Name the band that a lead had in a run up to `as_of`; None where it had none."""
    if kept is None or kept.as_of > as_of:
        return None
    return kept.band(lead, model.scorer.card.bands)
