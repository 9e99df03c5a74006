"""A team that works its list week after week and answers: what each list held, for SQL to judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.clock import DAY, HOUR
from data.world import make_world, write_world
from serving.answers.answer_store import RepAnswer, list_answers, store_answer
from serving.answers.verdicts import RepVerdict
from serving.loaded_model import LoadedModel
from serving.score import write_scores
from serving.session import Session, open_session
from serving.verbs import score_now, train_model
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.week_page import make_week

WEEK = 7 * DAY
HABITS: tuple[RepVerdict, ...] = (
    *("done",) * 4,
    *("snooze",) * 3,
    *("too_high",) * 2,
    "disqualify",
    "right",
)


@dataclass(frozen=True, slots=True)
class WorkedWeek:
    """One week's list: whom it names, in which order, what it promises, and its scores' file."""

    as_of: int
    calls: tuple[str, ...]
    expected: float
    off_list: frozenset[str]
    scores: Path


@dataclass(frozen=True, slots=True)
class WorkingTeam:
    """A simulated company and the answers that its team gives, every week some of the list."""

    session: Session
    seed: int

    @classmethod
    def make(
        cls, example: Path, folder: Path, *, leads: int, months: int, seed: int
    ) -> WorkingTeam:
        """Simulate the company; a first model is trained with the first week that is worked."""
        begins = np.datetime64("2026-11") - np.timedelta64(months, "M")
        world = make_world("software_trial", leads, seed, months=months, start=f"{begins}-01")
        write_world(world, folder, project=example)
        text = (folder / example.name).read_text(encoding="utf-8")
        text = text.replace("capacity_per_week = 120", "capacity_per_week = 40")
        (folder / example.name).write_text(text, encoding="utf-8")
        session = open_session(folder / example.name, state=folder / "state", threads=1)
        return cls(session, seed)

    def work(self, weeks: int, *, retrain: int | None) -> Iterator[WorkedWeek]:
        """Score every Monday, answer to two thirds of the calls; retrain every so many weeks."""
        rng = np.random.default_rng([self.seed, 5])
        end = self._at(None).read().tables.observed_until
        model: LoadedModel | None = None
        for week in range(weeks):
            as_of = end - (weeks - week) * WEEK
            session = self._at(as_of)
            if model is None or (retrain and week % retrain == 0):
                train_model(session, session.read(), fast=True, on_stage=lambda _: None)
                model = session.model("champion")
            yield self._week(session, model, as_of, rng)

    def _at(self, as_of: int | None) -> Session:
        """Open the company as it was known at a moment."""
        if as_of is None:
            return self.session
        until = str(np.datetime64(as_of, "us"))
        section = self.session.project.project.model_copy(update={"observed_until": until})
        project = self.session.project.model_copy(update={"project": section})
        return replace(self.session, project=project, file=None)

    def _week(
        self, session: Session, model: LoadedModel, as_of: int, rng: np.random.Generator
    ) -> WorkedWeek:
        reading = session.read(kinds=model.kinds)
        scored = score_now(
            session,
            reading,
            model,
            as_of=as_of,
            scored_at=as_of + HOUR,
            run_id=f"w{as_of}",
            for_report=True,
            on_stage=lambda _: None,
        )
        path = write_scores(scored, session.state.runs / f"w{as_of}" / "scores.parquet")
        write_scores(scored, session.state.scores)
        source = ReportInput(
            session.project,
            reading,
            model,
            scored,
            "team.toml",
            1,
            feedback=list_answers(session.state.feedback),
        )
        page = make_week(source)
        ids = scored.table["lead_id"].to_numpy()
        off = frozenset(ids[scored.off_list & (scored.qualification.disqualified < 0)].tolist())
        for lead in page.calls:
            if rng.random() < 2 / 3:
                self._answer(session, lead, as_of + 2 * HOUR + int(rng.integers(4 * DAY)), rng)
        return WorkedWeek(as_of, page.calls, page.expected.value, off, path)

    def _answer(self, session: Session, lead: str, at: int, rng: np.random.Generator) -> None:
        verdict = HABITS[int(rng.integers(len(HABITS)))]
        until = at + int(rng.integers(3, 60)) * DAY if verdict == "snooze" else None
        store_answer(
            session.state.feedback,
            RepAnswer(lead, verdict, "worked", "Ada", at, 60, "1", until=until),
        )
