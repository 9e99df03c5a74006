"""The steps of a night, each by itself: one that fails hinders only what needs it.

A breach of the guard stops write-back, reports and retraining; SIGTERM or SIGINT stops all that
follows but the metrics.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from data.clock import SECOND
from data.days import due
from data.errors import LeadScoreError, internal_error
from data.files import open_to_readers_of_its_folder, remove_leftovers, write_text
from data.reading.read_tables import CrmData
from serving.crm.pull.pull_project import pull_project, pulls_from
from serving.guard_record import GuardRecord
from serving.loaded_model import LoadedModel
from serving.night_guard import StoppedNight
from serving.night_journal import NightJournal, name_night
from serving.night_result import NightCounts, NightResult, NightStep, Outcome
from serving.parts.gather_parts import ScoredNight
from serving.parts.part_job import AskedRun
from serving.parts.plan_parts import plan_parts
from serving.parts.run_parts import PartsPlan, score_in_parts
from serving.scoring_run import ScoringRun, write_scores
from serving.session import Session
from serving.upkeep.retention import clear_old
from serving.verbs import (
    band_churn,
    guarded_run,
    judged_already,
    monitor_model,
    score_now,
    train_model,
)
from serving.worklist.language import refuse_unknown
from serving.write_reports import write_views
from serving.writeback.stop import Stop
from serving.writeback.write_back import StoppedBySignal, WriteBackResult, write_back
from training.registry import CHAMPION

Say = Callable[[str], None]
_BREACH: Final = "the guard stopped this night"
STOPPED_BY_SIGNAL: Final = "stopped by a signal; run again"


@dataclass(frozen=True, slots=True)
class NightClock:
    """The command line's clock: the time (microseconds UTC), seconds that run, names of runs."""

    now: Callable[[], int]
    ticks: Callable[[], float]
    new_run_id: Callable[[int], str]


class Skipped(Exception):  # noqa: N818
    """A step that has nothing to do, and why."""


class Kept(Skipped):
    """A step that an earlier run of this night did already."""


@dataclass(slots=True)
class Night:
    """One night while it runs; `stopped` says why nothing more is written."""

    session: Session
    as_of_asked: str | None
    accept: bool
    dry_run: bool
    clock: NightClock
    on_stage: Say
    say: Say
    began: int = 0
    as_of: int | None = None
    run_id: str = ""
    model: LoadedModel | None = None
    reading: CrmData | None = None
    journal: NightJournal = field(default_factory=NightJournal)
    steps: list[NightStep] = field(default_factory=list)
    counts: NightCounts = field(default_factory=NightCounts)
    resumed: bool = False
    stopped: str = ""
    scored: ScoringRun | None = None
    cluster: str | None = None

    def go(self) -> NightResult:
        """Do all steps in their order; a first model is trained before anything is scored."""
        started, self.began = self.clock.ticks(), self.clock.now()
        self.run_id = self.clock.new_run_id(self.began)
        self.journal = NightJournal.read(self.session.state.night)
        self._step("pull", self._pull)
        self._step("score", self._score)
        self._step("write_back", self._write_back)
        self._step("report", self._report)
        self._step("monitor", self._monitor)
        self._step("retrain", self._retrain)
        self._step("retention", self._clear_old)
        result = self._result(started)
        if self.dry_run:
            return result
        self._step("metrics", lambda: self._write_metrics(result))
        return replace(result, steps=tuple(self.steps))

    def _step(self, name: str, work: Callable[[], tuple[str, int]]) -> None:
        """Do one step and note how it ended."""
        if any(step.name == name for step in self.steps):
            return  # the first model is trained within the step that needs it
        started = self.clock.ticks()

        def end(outcome: Outcome, says: str, code: int = 0) -> None:
            seconds = self.clock.ticks() - started
            self.steps.append(NightStep(name, outcome, code, seconds, says))
            self.say(f"{name.replace('_', ' ')}: {outcome}{f': {says}' if says else ''}")

        if self.stopped == STOPPED_BY_SIGNAL and name != "metrics":
            end("skipped", STOPPED_BY_SIGNAL, 4)
            return
        try:
            says, code = work()
            end("done", says, code)
        except KeyboardInterrupt:
            self.stopped = STOPPED_BY_SIGNAL
            end("failed", STOPPED_BY_SIGNAL, 4)
        except Skipped as nothing:
            end("kept" if isinstance(nothing, Kept) else "skipped", str(nothing))
        except LeadScoreError as error:
            end("failed", str(error), error.exit_code)
        except Exception as error:
            if os.environ.get("LEADSCORE_DEBUG"):
                raise
            end("failed", internal_error(error), 1)

    # -- the steps: each returns a line about it and its exit code --------------------------

    def _pull(self) -> tuple[str, int]:
        project = self.session.project
        folder = pulls_from(project) if project.night.pull else None
        if folder is None:
            raise Skipped("the sources are read as they are")
        if self.dry_run:
            raise Skipped("dry run: the sources are read as they are")
        pulled = pull_project(project, folder, now=self.began, on_stage=self.on_stage)
        for gap in pulled.gaps:
            self.say(f"not read: {gap}")
        if pulled.back:
            self.say(
                f"{len(pulled.back)} leads that were forgotten here are back: the CRM has them"
            )
        return ", ".join(f"{each.new:,} new {kind}" for kind, each in pulled.counts.items()), 0

    def _score(self) -> tuple[str, int]:
        session = self.session
        if session.champion() is None:
            self._first_model()
        model, reading, at = self._open()
        if "score" in self.journal.done and not self.dry_run and self._is_scored():
            rows = pq.read_metadata(session.state.scores).num_rows
            self.counts = replace(self.counts, rows=rows)
            raise Kept(f"{rows:,} open leads, by an earlier run of this night")
        plan = plan_parts(session, cluster=self.cluster)
        try:
            if plan.whole or self.dry_run:
                scored = self._score_whole(model, reading, at)
            else:
                scored = self._score_in_parts(model, reading, plan)
        except StoppedNight as stop:
            self.stopped = _BREACH
            raise StoppedNight(stop.breaches, command="night") from None
        for note in (*(f"accepted: {breach}" for breach in scored.accepted), *scored.notes):
            self.say(note)
        self.counts = replace(self.counts, rows=scored.leads)
        self._note_done("score")
        words = ", ".join(f"{band} {count:,}" for band, count in scored.bands.items())
        return f"{scored.leads:,} open leads by version {model.version}: {words}", 0

    def _score_whole(self, model: LoadedModel, reading: CrmData, at: int) -> ScoredNight:
        scored, accepted = guarded_run(
            self.session,
            reading,
            model,
            as_of=at,
            scored_at=self.journal.scored_at,
            run_id=self.run_id,
            as_of_given=self.as_of_asked is not None,
            accept=self.accept,
            keep=not self.dry_run,
            on_stage=self.on_stage,
        )
        if self.dry_run:
            self.scored = scored
        return ScoredNight.of(scored, accepted)

    def _score_in_parts(self, model: LoadedModel, reading: CrmData, plan: PartsPlan) -> ScoredNight:
        return score_in_parts(
            self.session,
            model,
            plan,
            AskedRun(self.journal.scored_at, self.run_id, self.as_of_asked),
            reading=reading,
            accept=self.accept,
            on_stage=self.on_stage,
        )

    def _write_back(self) -> tuple[str, int]:
        self._go_on_if(asked=self.session.project.night.write_back)
        if self.scored is not None:  # a dry run keeps tonight's scores nowhere else
            with tempfile.TemporaryDirectory() as folder:
                sent = self._send(write_scores(self.scored, Path(folder) / "scores.parquet"))
        elif self.dry_run or not self.session.state.scores.is_file():
            raise Skipped("there are no scores")
        elif self._scoring_failed() and GuardRecord.read(self.session.state.folder).stopped:
            raise Skipped("the newest scoring before this night was stopped by the guard")
        else:
            sent = self._send(self.session.state.scores)
        counts = {name: getattr(sent, name) for name in ("sent", "cleared", "rejected", "waiting")}
        self.counts = replace(self.counts, **counts)
        return "; ".join(filter(None, (sent.summary, sent.warning))), sent.exit_code

    def _scoring_failed(self) -> bool:
        return any(step.name == "score" and step.outcome == "failed" for step in self.steps)

    def _send(self, scores: Path) -> WriteBackResult:
        session = self.session
        with Stop() as stop:
            try:
                return write_back(
                    scores,
                    session.project,
                    session.state.folder,
                    now=self.clock.now(),
                    run_id=self.run_id,
                    dry_run=self.dry_run,
                    stop=stop,
                )
            except StoppedBySignal as stopped:
                return stopped.result
            finally:
                if stop.asked():
                    self.stopped = STOPPED_BY_SIGNAL

    def _report(self) -> tuple[str, int]:
        session, night = self.session, self.session.project.night
        self._go_on_if(asked=night.reports, writes=True)
        model, reading, at = self._opened()
        languages = tuple(dict.fromkeys(session.project.report.languages))
        refuse_unknown(languages)
        folder = session.state.reports if night.out is None else self._place(night.out)
        there = all((folder / f"report-{language}.html").is_file() for language in languages)
        if "report" in self.journal.done and there:
            raise Kept(str(folder))
        if folder != session.state.reports and folder.is_dir():
            remove_leftovers(folder)
        scored = score_now(
            session,
            reading,
            model,
            as_of=at,
            scored_at=self.journal.scored_at,
            run_id=self.run_id,
            for_report=True,
            on_stage=self.on_stage,
        )
        paths = write_views(
            session,
            reading,
            model,
            scored,
            folder=folder,
            languages=languages,
            per_owner=night.deliver,
            on_stage=self.on_stage,
        )
        self._note_done("report")
        return f"{len(paths)} files in {folder}", 0

    def _monitor(self) -> tuple[str, int]:
        if not self.session.project.night.monitor:
            raise Skipped("not asked for")
        model, reading, at = self._opened()
        signals = monitor_model(self.session, reading, model, as_of=at, on_stage=self.on_stage)
        for signal in signals:
            if signal.state != "green":
                self.say(f"{signal.state}: {signal.line}")
        red = [signal for signal in signals if signal.state == "red"]
        yellow = sum(signal.state == "yellow" for signal in signals)
        first = f"; {red[0].line}" if red else ""
        return f"{len(red)} red, {yellow} yellow{first}", 3 if red else 0

    def _retrain(self) -> tuple[str, int]:
        days = self.session.project.night.retrain
        self._go_on_if(asked=bool(days))
        _, reading, at = self._opened()
        day, done = self._day(at), self.journal.retrained_on or self._day(at) - timedelta(days=1)
        if not due(days, day, done=done):
            if self.journal.retraining:
                raise Kept("by an earlier run of this night")
            raise Skipped(f"its days are {', '.join(days)}")
        if at < reading.tables.observed_until:
            raise Skipped("this night lies in the past")
        if self.dry_run:
            raise Skipped("dry run: it is one of its days")
        self._keep(retraining=True)
        fresh = self.session.read()
        if judged_already(self.session, fresh):
            says, code = "the gate has judged a model of these data already", 0
        else:
            says, code = self._train(fresh)
        self._keep(retrained=day.isoformat())
        return says, code

    def _clear_old(self) -> tuple[str, int]:
        if self.dry_run:
            raise Skipped("dry run")
        cleared = clear_old(self.session.state, self.session.project, at=self.began)
        if not cleared:
            raise Skipped("nothing is too old")
        return ", ".join(f"{name}: {count:,}" for name, count in cleared.items()), 0

    def _first_model(self) -> None:
        """Train where there is no champion yet; Skipped where none comes of it."""
        if self.dry_run:
            raise Skipped("there is no champion: a first model would be trained")
        self._step("retrain", lambda: self._train(self.session.read()))
        if self.stopped:
            raise Skipped(self.stopped)
        if self.session.champion() is None:
            raise Skipped("there is no champion, and training gave none")

    def _train(self, reading: CrmData) -> tuple[str, int]:
        champion = self.session.champion()
        _, published = train_model(self.session, reading, on_stage=self.on_stage)
        churn = band_churn(self.session, reading, champion, published)
        for line in [] if churn is None else churn.lines():
            self.say(line)
        return published.sentence, 0 if published.refused is None else 3

    def _write_metrics(self, result: NightResult) -> tuple[str, int]:
        success = self.began if result.exit_code == 0 else self.journal.last_success
        scores = self.began if result.scores_in_effect else self.journal.last_scores
        self._keep(last_success=success, last_scores=scores)
        asked = self.session.project.night.metrics
        path = self.session.state.night_metrics if asked is None else self._place(asked)
        remove_leftovers(path.parent) if asked is not None and path.parent.is_dir() else None
        write_text(path, result.metrics(self.journal))
        if asked is not None:  # another user's node exporter collects it, and it holds no lead
            open_to_readers_of_its_folder(path)
        return str(path), 0

    # -- what steps share -------------------------------------------------------------------

    def _open(self) -> tuple[LoadedModel, CrmData, int]:
        """Load the champion, read the sources, and find out whether this night began before."""
        self.on_stage("model")
        model = self.session.model(CHAMPION)
        self.on_stage("reading the sources")
        reading = self.session.read(kinds=model.kinds)
        at = self.session.moment(self.as_of_asked, reading)
        night = name_night(self.session, reading, at, self._day(at))
        if self.journal.is_of(night, model.version):
            self.resumed, self.run_id = True, self.journal.run_id
            if model.version != self.journal.model:  # this night has trained a new champion
                model = self.session.model(self.journal.model)
        else:
            self.journal = self.journal.begin(
                night, run_id=self.run_id, scored_at=self.began, model=model.version
            )
            trained = any(step.name == "retrain" for step in self.steps)
            if trained or self.journal.retrained_on is None:
                until = self._day(at) - timedelta(days=not trained)
                self.journal = replace(self.journal, retrained=until.isoformat())
            self._keep()
        self.model, self.reading, self.as_of = model, reading, at
        return model, reading, at

    def _opened(self) -> tuple[LoadedModel, CrmData, int]:
        if self.model is None or self.reading is None or self.as_of is None:
            raise Skipped("model or sources could not be read")
        return self.model, self.reading, self.as_of

    def _go_on_if(self, *, asked: bool, writes: bool = False) -> None:
        """Raise Skipped for a step that nobody asked for, or that must not be done now."""
        if not asked:
            raise Skipped("not asked for")
        if self.stopped:
            raise Skipped(self.stopped)
        if writes and self.dry_run:
            raise Skipped("dry run")

    def _is_scored(self) -> bool:
        """Tell whether the newest scores are those of this night."""
        try:
            runs = pq.read_table(self.session.state.scores, columns=["run_id"])["run_id"]
        except (OSError, ValueError):  # also Arrow's own errors: no file, or a damaged one
            return False
        return len(runs) > 0 and bool(runs[0].as_py() == self.run_id)

    def _note_done(self, step: str) -> None:
        self._keep(done=(*self.journal.done, step))

    def _keep(self, **changed: object) -> None:
        """Write the journal with these changes; a dry run writes nothing."""
        self.journal = replace(self.journal, **changed)  # type: ignore[arg-type]
        if not self.dry_run:
            self.journal.write(self.session.state.night)

    def _day(self, at: int) -> date:
        """Find the day of this night: where somebody named the moment, that one's; else today."""
        project = self.session.project.project
        named = self.as_of_asked is not None or project.observed_until is not None
        moment = datetime.fromtimestamp((at if named else self.began) // SECOND, UTC)
        return moment.astimezone(ZoneInfo(project.timezone)).date()

    def _place(self, path: str) -> Path:
        return Path(self.session.project.folder) / path

    def _result(self, started: float) -> NightResult:
        return NightResult(
            self.session.project.project.name,
            self.began,
            self.clock.ticks() - started,
            self.run_id,
            self.as_of,
            None if self.model is None else self.model.version,
            tuple(self.steps),
            self.counts,
            self.resumed,
            self.dry_run,
        )
