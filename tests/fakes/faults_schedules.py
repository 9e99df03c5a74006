"""A seed -> a schedule of nights, faults, kills, pauses, damage; played and judged."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

from data.durations import DAY
from serving.crm.rest.writer import RestCrm
from tests.fakes.crm_server import FAULTS
from tests.fakes.faults_check import MODEL, Verdict, control, judge, judge_ledger
from tests.fakes.faults_run import (
    EPOCH,
    Job,
    Outcome,
    corrupt,
    cure,
    finish,
    readable,
    run,
    start,
    write_scores,
)

LEADS = [f"L{i:03d}" for i in range(13)]
INVALID = ("L005",)
NIGHTS = 3
STEPS = 230  # of a run that sends everything; kills are drawn from these
MISHAPS = {
    "none": 10,
    "kill -9": 12,
    "SIGSTOP past the lease": 2,
    "SIGTERM": 2,
    "disk full": 2,
    "clock back or forward": 4,
    "DNS failure": 1,
    "TLS failure": 1,
    "read-only folder": 1,
    "model promoted mid-run": 1,
    "lead twice in the input": 1,
}
"""What may happen to a run, and how often; what may happen to a request is `FAULTS`."""
DAMAGE = ("truncated", "overwritten", "lost tail", "garbage")
HARMLESS = ("429", "429 retry-after", "500", "503", "207 reordered", "207 missing", "slow", "413")
"""Faults that leave no request on its way: what a CRM without versions can be asked to survive."""


class Stage:
    """Score files of three nights and a place for the state; shared by all schedules."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.state = url, folder, folder / "state"
        self.scores: list[dict[str, int]] = []
        draw = random.Random(7)
        now = {lead: draw.randrange(5, 95) for lead in LEADS}
        for night in range(NIGHTS):
            if night:
                now = {
                    lead: draw.randrange(5, 95) if draw.random() < 0.6 else score
                    for lead, score in now.items()
                }
            self.scores.append(dict(now))
            for path, model in ((self.file(night), MODEL), (self.promoted(night), "8")):
                write_scores(path, LEADS, list(now.values()), EPOCH + night * DAY, model)
        self.twins = folder / "twins.parquet"  # newer than all, so that one row of it would show
        write_scores(self.twins, [*LEADS, LEADS[0]], [99] * (len(LEADS) + 1), EPOCH + 99 * DAY)
        self._numbers = count()

    def file(self, night: int) -> Path:
        return self.folder / f"scores{night}.parquet"

    def promoted(self, night: int) -> Path:
        return self.folder / f"promoted{night}.parquet"

    def copy(self, path: Path) -> Path:
        """Copy a score file to a name of its own, for one run."""
        return Path(shutil.copy(path, self.folder / f"copy{next(self._numbers) % 64}.parquet"))

    def clear(self, **plan: object) -> None:
        """Start afresh: an empty state folder and a CRM that knows the leads and nothing else."""
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir()
        control(self.url, "reset", {"leads": LEADS, "plan": {"invalid": INVALID, **plan}})

    def job(self, night: int, **more: object) -> Job:
        now = EPOCH + (night + 1) * DAY
        return replace(Job(self.file(night), self.state, now), **more)  # type: ignore[arg-type]


def play(
    stage: Stage,
    seed: int,
    *,
    broken: Callable[[], None] | None = None,
    crm: type[RestCrm] = RestCrm,
    fired: dict[str, int] | None = None,
) -> Verdict:
    """Play one random schedule, then let the outside be well and see what came of it."""
    draw = random.Random(seed)
    damage = draw.random() < 0.12
    faults = draw.sample(FAULTS, draw.randrange(1, 7))
    if damage:  # without its ledger a run cannot tell a person's number from its own
        faults = [each for each in faults if each != "human edit"] or ["429"]
    plan = {
        "seed": seed,
        "rate": draw.choice((0.0, 0.05, 0.15, 0.35)),
        "faults": faults,
        "rejects_batch": draw.random() < 0.5,
        "trims": draw.random() < 0.2,
        "stall_s": 0.07,
    }
    if draw.random() < 0.05:
        plan |= {"bans_field": "trend", "bans_after": draw.randrange(6)}
    stage.clear(**plan)
    crashes: list[str] = []
    drawn = Counter[str]({"CRM trims values": int(bool(plan["trims"]))})
    last = draw.randrange(1, NIGHTS + 1) - 1
    for night in range(last + 1):
        for _ in range(draw.choice((1, 1, 2))):
            jobs = _jobs(stage, draw, night, broken, drawn)
            pids = [start(stage.url, job, crm) for job in jobs]
            crashes += _crashes(stage, finish(pids, jobs), jobs)
        if damage and draw.random() < 0.6:
            how = draw.choice(DAMAGE)
            drawn[f"ledger damaged: {how}"] += 1
            corrupt(stage.state, how, draw.randrange(1 << 20))
    if fired is not None:
        for what, n in (drawn + Counter(control(stage.url, "dump")["fired"])).items():
            fired[what] = fired.get(what, 0) + n
    control(stage.url, "plan", {"invalid": INVALID, "trims": plan["trims"]})
    verdict = conclude(stage, last, broken=broken, crm=crm, damaged=damage)
    verdict.crashes += len(crashes)
    verdict.notes += crashes
    return verdict


def conclude(
    stage: Stage,
    night: int,
    *,
    broken: Callable[[], None] | None = None,
    crm: type[RestCrm] = RestCrm,
    damaged: bool = False,
) -> Verdict:
    """Recover with a healthy CRM, judge, and run once more: that must send nothing."""
    crashes: list[str] = []
    seconds = 0.0
    healthy = stage.job(night, broken=broken, timeout_s=10.0)
    for _ in range(5):
        outcome = run(stage.url, healthy, crm)
        seconds += outcome.seconds
        crashes += _crashes(stage, [outcome], [healthy])
        if outcome.code == 0:
            break
        if not readable(stage.state) or "is damaged" in _said(stage):
            cure(stage.state)
    else:
        crashes.append(f"does not recover: {_said(stage)[-200:]}")
    dump = control(stage.url, "dump")
    verdict = judge(dump, stage.scores[night], INVALID)
    again = run(stage.url, healthy, crm)
    verdict.second_run = again.result.get("sent", 0)
    later = len(control(stage.url, "dump")["journal"]) - len(dump["journal"])
    verdict.second_run = max(verdict.second_run, later)
    verdict.ledger, notes = judge_ledger(stage.state, INVALID, damaged=damaged)
    verdict.notes += notes + crashes
    verdict.crashes = len(crashes)
    verdict.recovery_s = [seconds]
    return verdict


def crowd(
    stage: Stage, draw: random.Random, runs: int, *, broken: Callable[[], None] | None = None
) -> Verdict:
    """Start runs at once, half of them with the older score file, on a CRM without versions.

    Nothing but the lease keeps them apart there. A request that was given up and is applied later
    cannot be told from a new one by such a CRM, so that no such fault is played.
    """
    seed, faults = draw.randrange(1 << 30), draw.sample(HARMLESS, 3)
    stage.clear(seed=seed, rate=0.15, faults=faults, versions=False)
    jobs = [stage.job(at % 2, broken=broken, timeout_s=10.0, lease_s=20.0) for at in range(runs)]
    outcomes = finish([start(stage.url, job) for job in jobs], jobs)
    crashes = _crashes(stage, outcomes, jobs)
    verdict = conclude(stage, 1, broken=broken)
    verdict.crashes += len(crashes)
    verdict.notes += crashes
    return verdict


def pause(
    stage: Stage, draw: random.Random, *, broken: Callable[[], None] | None = None
) -> Verdict:
    """Stop a run with the older scores until another took its lease, wrote and ended; go on."""
    stage.clear()
    jobs = [
        stage.job(0, stop_at=draw.randrange(20, STEPS), broken=broken),
        stage.job(1, broken=broken),
    ]
    outcomes = finish([start(stage.url, job) for job in jobs], jobs)
    crashes = _crashes(stage, outcomes, jobs)
    verdict = conclude(stage, 1, broken=broken)
    verdict.crashes += len(crashes)
    verdict.notes += crashes
    return verdict


def _jobs(
    stage: Stage,
    draw: random.Random,
    night: int,
    broken: Callable[[], None] | None,
    drawn: Counter[str],
) -> list[Job]:
    """Draw one to eight runs at once, some with an older score file, each with its mishap."""
    jobs = []
    runs = draw.choices((1, 2, 4, 8), (30, 4, 2, 1))[0]
    drawn[f"{runs} runs at once"] += runs > 1
    for _ in range(runs):
        older = draw.randrange(night + 1) if draw.random() < 0.15 else night
        drawn["older scores than the last run's"] += older < night
        mishap = draw.choices([*MISHAPS], [*MISHAPS.values()])[0]
        drawn[mishap] += mishap != "none"
        jobs.append(beset(stage, draw, stage.job(older, broken=broken), mishap, older))
    return jobs


def beset(stage: Stage, draw: random.Random, job: Job, mishap: str, night: int) -> Job:
    """Let something happen to a run at a step of its own."""
    at = draw.randrange(1, STEPS)
    if mishap == "kill -9":
        return replace(job, kill_at=at)
    if mishap == "SIGSTOP past the lease":
        return replace(job, stop_at=max(at, 20))
    if mishap == "SIGTERM":
        return replace(job, term_at=at)
    if mishap == "disk full":
        return replace(job, file_limit=draw.randrange(1, 200_000))
    if mishap == "clock back or forward":
        return replace(job, now=job.now + draw.randrange(-9, 10) * DAY)
    if mishap in ("DNS failure", "TLS failure"):
        return replace(job, lost_at=at, lost_how=mishap[:3])
    if mishap == "read-only folder":
        return replace(job, read_only=True)
    if mishap == "model promoted mid-run":
        scores, promoted = stage.copy(job.scores), stage.copy(stage.promoted(night))
        return replace(job, scores=scores, promoted=promoted, promote_at=max(at // 2, 20))
    return replace(job, scores=stage.twins) if mishap == "lead twice in the input" else job


def _crashes(stage: Stage, outcomes: list[Outcome], jobs: list[Job]) -> list[str]:
    """Name every end that is neither an answer (0, 4; 2 for a wrong file) nor a kill of ours."""
    return [
        f"exit {each.code}: {_said(stage)[-1500:]}"
        for each, job in zip(outcomes, jobs, strict=True)
        if each.code not in ((0, 4, -9, -15) if job.scores != stage.twins else (2, 4))
    ]


def _said(stage: Stage) -> str:
    path = stage.state / "said.txt"
    return path.read_text() if path.exists() else ""
