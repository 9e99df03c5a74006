"""A seed -> a schedule of nights, faults, kills, pauses, damage; played and judged."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.crm_server import FAULTS
from benchmarks.faults_check import Verdict, control, judge, judge_ledger
from benchmarks.faults_run import (
    DAY,
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
from serving.crm.rest import RestCrm

LEADS = [f"L{i:03d}" for i in range(13)]
INVALID = ("L005",)
NIGHTS = 3
STEPS = 230  # of a run that sends everything; kills are drawn from these


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
            write_scores(self.file(night), LEADS, list(now.values()), EPOCH + night * DAY)

    def file(self, night: int) -> Path:
        return self.folder / f"scores{night}.parquet"

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
        plan["bans_field"] = "trend"
    stage.clear(**plan)
    crashes: list[str] = []
    last = draw.randrange(1, NIGHTS + 1) - 1
    for night in range(last + 1):
        for _ in range(draw.choice((1, 1, 2))):
            jobs = _jobs(stage, draw, night, broken)
            pids = [start(stage.url, job, crm) for job in jobs]
            crashes += _crashes(stage, finish(pids, jobs))
        if damage and draw.random() < 0.6:
            how = draw.choice(("truncated", "overwritten", "lost tail", "garbage"))
            corrupt(stage.state, how, draw.randrange(1 << 20))
    if fired is not None:
        for what, n in control(stage.url, "dump")["fired"].items():
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
        crashes += _crashes(stage, [outcome])
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


def _jobs(
    stage: Stage, draw: random.Random, night: int, broken: Callable[[], None] | None
) -> list[Job]:
    """Draw one to eight runs at once, some with an older score file, each with its mishap."""
    jobs = []
    for _ in range(draw.choices((1, 2, 4, 8), (30, 4, 2, 1))[0]):
        older = draw.randrange(night + 1) if draw.random() < 0.15 else night
        mishap = draw.choices(
            ("none", "kill", "stop", "term", "disk", "clock"), (5, 6, 1, 1, 1, 2)
        )[0]
        more: dict[str, object] = {"broken": broken}
        if mishap == "kill":
            more["kill_at"] = draw.randrange(1, STEPS)
        elif mishap == "stop":
            more["stop_at"] = draw.randrange(20, STEPS)
        elif mishap == "term":
            more["term_at"] = draw.randrange(1, STEPS)
        elif mishap == "disk":
            more["file_limit"] = draw.randrange(1, 200_000)
        job = stage.job(older, **more)
        if mishap == "clock":
            job = replace(job, now=job.now + draw.randrange(-9, 10) * DAY)
        jobs.append(job)
    return jobs


def _crashes(stage: Stage, outcomes: list[Outcome]) -> list[str]:
    """Name every end that is neither an answer (0, 4) nor one of our own kills."""
    return [
        f"exit {each.code}: {_said(stage)[-1500:]}"
        for each in outcomes
        if each.code not in (0, 4, -9, -15)
    ]


def _said(stage: Stage) -> str:
    path = stage.state / "said.txt"
    return path.read_text() if path.exists() else ""
