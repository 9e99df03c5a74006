"""A team that works its list week after week and answers: what each list held, for SQL to judge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np

from data.clock import DAY, HOUR
from data.reading.read_tables import CrmData
from data.world import make_world, write_world
from serving.answers.answer_store import RepAnswer, list_answers, store_answer, undo_answer
from serving.answers.verdicts import TAKES_OFF, RepVerdict
from serving.loaded_model import LoadedModel
from serving.people.viewer import Viewer
from serving.run_moment import RunMoment
from serving.scoring_run import ScoringRun
from serving.session import Session, open_session
from serving.verbs import guarded_run, train_model
from serving.worklist.pages.last_list import follow_list, read_stored_list
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.week_page import make_week
from serving.worklist.scoped_pages import scoped
from serving.worklist.stored_pages import newest_run, opened_pages, run_file
from serving.worklist.view_figures import LastList, TrustPage
from serving.write_reports import write_views
from tests.fakes.live_site import Site, fields, open_site, visit

WEEK = 7 * DAY
CALLS = 40
HABITS: tuple[RepVerdict, ...] = (
    *("done",) * 4,
    *("snooze",) * 3,
    *("too_high",) * 2,
    "disqualify",
    "right",
)
"""What reps say of a lead that they called."""
TAKEN_BACK = 0.1
"""The share of answers that are taken back within a day; one lead a week is put back by hand."""


@dataclass(frozen=True, slots=True)
class WorkedWeek:
    """One week's list: whom it names, in which order, what it promises, and its scores' file.

    `calls` are those of the plan, `listed` all leads of the list in its order; `after` is the live
    list at `until`, with the week's answers given, None where nobody walked the live pages; `last`
    is what Proof says of the week before.
    """

    as_of: int
    until: int
    calls: tuple[str, ...]
    listed: tuple[str, ...]
    after: tuple[str, ...] | None
    expected: float
    last: LastList | None
    scores: Path


@dataclass
class WorkingTeam:
    """A simulated company and the answers that its team gives, every week some of the list."""

    session: Session
    seed: int
    now: int = 0

    @classmethod
    def make(
        cls, example: Path, folder: Path, *, leads: int, months: int, seed: int
    ) -> WorkingTeam:
        """Simulate the company; a first model is trained with the first week that is worked."""
        begins = np.datetime64("2026-11") - np.timedelta64(months, "M")
        world = make_world("software_trial", leads, seed, months=months, start=f"{begins}-01")
        write_world(world, folder, project=example)
        text = (folder / example.name).read_text(encoding="utf-8")
        text = text.replace("capacity_per_week = 120", f"capacity_per_week = {CALLS}")
        text += '\n[people]\nsession = "7d"\n'  # one sign-in a week
        (folder / example.name).write_text(text, encoding="utf-8")
        session = open_session(folder / example.name, state=folder / "state", threads=1)
        return cls(session, seed)

    def work(self, weeks: int, *, retrain: int | None, walk: int = 1) -> Iterator[WorkedWeek]:
        """Make the list every Monday, answer to two thirds of its calls; retrain now and then.

        Every `walk`th week the live pages are written and the list is worked there in a browser;
        in the others it is read as the report reads it, and answered as the command does.
        """
        rng = np.random.default_rng([self.seed, 5])
        site = open_site(self.session.project, self.session.state, lambda: self.now)
        site.add("ada", "manager")
        end = self.session.read().tables.observed_until
        model: LoadedModel | None = None
        for week in range(weeks):
            as_of = end - (weeks - week) * WEEK
            session = self._at(as_of)
            if model is None or (retrain and week % retrain == 0):
                train_model(session, session.read(), fast=True, on_stage=lambda _: None)
                model = session.model("champion")
            reading = session.read(kinds=model.kinds)
            scored = self._score(session, reading, model, as_of)
            if week % walk:
                yield self._read(session, reading, model, scored, rng)
            else:
                yield self._walk(site, session, reading, model, scored, rng)

    def _at(self, as_of: int) -> Session:
        """Open the company as it was known at a moment."""
        until = str(np.datetime64(as_of, "us"))
        section = self.session.project.project.model_copy(update={"observed_until": until})
        project = self.session.project.model_copy(update={"project": section})
        return replace(self.session, project=project, file=None)

    def _score(
        self, session: Session, reading: CrmData, model: LoadedModel, as_of: int
    ) -> ScoringRun:
        return guarded_run(
            session,
            reading,
            model,
            RunMoment(as_of, as_of + HOUR, f"w{as_of}"),
            for_report=True,
            accept=True,
            on_stage=lambda _: None,
        )[0]

    def _read(
        self,
        session: Session,
        reading: CrmData,
        model: LoadedModel,
        scored: ScoringRun,
        rng: np.random.Generator,
    ) -> WorkedWeek:
        """Read the list as the report does, and answer as the command does."""
        state, as_of = session.state, scored.as_of
        answers = list_answers(state.feedback)
        source = ReportInput(session.project, reading, model, scored, "", 1, feedback=answers)
        stored = read_stored_list(state.runs, as_of, session.project, reading.tables)
        last = follow_list(stored, reading.tables, source.outcomes, as_of)
        week = make_week(source)
        listed = scored.table["lead_id"].to_numpy()[source.ranked].tolist()
        for lead, at, verdict, days in _habits(week.calls, as_of, rng):
            until = at + days * DAY if verdict == "snooze" else None
            said = RepAnswer(lead, verdict, "worked", "ada", at, until=until)
            number = store_answer(state.feedback, said)
            if verdict in TAKES_OFF and rng.random() < TAKEN_BACK:
                undo_answer(state.feedback, number, by="ada", at=at + 1)
            self.now = at + 1
        return WorkedWeek(
            as_of,
            self.now,
            week.calls,
            tuple(listed),
            None,
            week.expected.value,
            last,
            state.runs / f"w{as_of}" / "scores.parquet",
        )

    def _walk(
        self,
        site: Site,
        session: Session,
        reading: CrmData,
        model: LoadedModel,
        scored: ScoringRun,
        rng: np.random.Generator,
    ) -> WorkedWeek:
        """Write the live pages, walk the list in a browser, and answer there."""
        as_of, pages = scored.as_of, session.state.pages
        write_views(
            session,
            reading,
            model,
            scored,
            folder=session.state.reports,
            languages=(),
            on_stage=lambda _: None,
        )
        self.now = as_of + 2 * HOUR
        with opened_pages(run_file(pages, str(newest_run(pages)))) as connection:
            told = scoped(connection, Viewer("ada", "manager", None, "en", ""))
            week, trust = told.week(), told.company(TrustPage)

        async def worked(client: httpx.AsyncClient) -> tuple[list[str], list[str]]:
            listed = await _all_pages(client)
            await self._answer(client, week.calls, as_of, rng)
            return listed, await _all_pages(client)

        listed, after = visit(site, "ada", worked)
        return WorkedWeek(
            as_of,
            self.now,
            week.calls,
            tuple(listed),
            tuple(after),
            week.expected.value,
            None if trust is None else trust.last_list,
            session.state.runs / f"w{as_of}" / "scores.parquet",
        )

    async def _answer(
        self,
        client: httpx.AsyncClient,
        calls: tuple[str, ...],
        as_of: int,
        rng: np.random.Generator,
    ) -> None:
        """Answer to the calls, take some of it back, put one lead back by hand."""
        csrf = fields((await client.get("/today")).text)["csrf"]

        async def send(lead: str, verdict: str, **more: str) -> httpx.Response:
            form = {"csrf": csrf, "lead": lead, "verdict": verdict, "because": "worked", **more}
            return await client.post("/answers", data=form, headers={"accept": "application/json"})

        for lead, self.now, verdict, days in _habits(calls, as_of, rng):
            answer = await send(lead, verdict, days=str(days))
            assert answer.status_code == 200, answer.text
            if rng.random() < TAKEN_BACK and answer.json()["undo"]:
                self.now += 1
                await send(lead, "undo", number=str(answer.json()["undo"]))
        off = [a.lead_id for a in list_answers(self.session.state.feedback) if a.verdict == "done"]
        if off:
            self.now += 1
            answer = await send(off[int(rng.integers(len(off)))], "reopen")
            assert answer.status_code in (200, 404), answer.text  # 404: it is closed by now


def _habits(
    calls: Sequence[str], as_of: int, rng: np.random.Generator
) -> list[tuple[str, int, RepVerdict, int]]:
    """Choose two thirds of the calls: whom, when within four days, what is said, for how long."""
    said = [lead for lead in calls if rng.random() < 2 / 3]
    times = as_of + 2 * HOUR + np.sort(rng.integers(4 * DAY, size=len(said)))
    return [
        (lead, int(at), HABITS[int(rng.integers(len(HABITS)))], int(rng.integers(3, 60)))
        for lead, at in zip(said, times, strict=True)
    ]


async def _all_pages(client: httpx.AsyncClient) -> list[str]:
    """Read the whole list, page by page, as it stands on the pages."""
    found: list[str] = []
    page: str | None = "/today?order=chance"
    while page is not None:
        html = (await client.get(page)).text
        found += re.findall(r'<th scope="row"><a[^>]*href="/lead/([^"?]*)', html)
        following = re.search(r'rel="next" href="([^"]*)"|href="([^"]*)" rel="next"', html)
        page = None if following is None else (following[1] or following[2]).replace("&amp;", "&")
    return found
