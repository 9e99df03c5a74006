"""Write-back under faults: tried N, lost 0, duplicate effects 0, stale overwrites 0.

Usage: python -m benchmarks.faults [--full] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from benchmarks.crm_server import running
from benchmarks.faults_broken import BUILDS
from benchmarks.faults_check import Verdict
from benchmarks.faults_run import finish, own_counter, run, scratch, start
from benchmarks.faults_schedules import INVALID, Stage, conclude, play

WORKERS = 4  # runs wait for time-outs and leases more than they compute
CAUGHT_WITHIN = 150  # schedules that a broken build may survive


def single_kills(share: int, shares: int) -> Verdict:
    """Kill -9 at every I/O step of a run that finds an earlier night's scores in the CRM."""
    total = Verdict()
    with running() as url:
        stage = _second_night(url)
        steps = run(url, stage.job(1)).steps
        for at in range(1 + share, steps + 1, shares):
            _second_night(url, stage)
            run(url, stage.job(1, kill_at=at))
            total.add(conclude(stage, 1))
        shutil.rmtree(stage.folder)
    return total


def double_kills(seed: int, count: int) -> Verdict:
    """Kill -9 a run, and the run that recovers from it, each at a random step."""
    total, draw = Verdict(), random.Random(seed)
    with running() as url:
        stage = _second_night(url)
        steps = run(url, stage.job(1)).steps
        for _ in range(count):
            _second_night(url, stage)
            run(url, stage.job(1, kill_at=draw.randrange(1, steps + 1)))
            run(url, stage.job(1, kill_at=draw.randrange(1, steps + 1)))
            total.add(conclude(stage, 1))
        shutil.rmtree(stage.folder)
    return total


def concurrent_runs(seed: int, count: int) -> dict[int, Verdict]:
    """Start 2, 4 and 8 runs at once, one in three of them with the older score file."""
    draw = random.Random(seed)
    totals = {2: Verdict(), 4: Verdict(), 8: Verdict()}
    with running() as url:
        stage = Stage(url, scratch())
        for runs, total in totals.items():
            for _ in range(count):
                stage.clear(seed=draw.randrange(1 << 30), rate=0.1, faults=["429", "late commit"],
                            stall_s=0.07)  # fmt: skip
                jobs = [stage.job(int(draw.random() > 0.33)) for _ in range(runs)]
                finish([start(url, job) for job in jobs], jobs)
                total.add(conclude(stage, 1))
        shutil.rmtree(stage.folder)
    return totals


def schedules(first: int, count: int) -> tuple[Verdict, dict[str, int]]:
    """Play random schedules over all faults."""
    total, fired = Verdict(), dict[str, int]()
    with running() as url:
        stage = Stage(url, scratch())
        for seed in range(first, first + count):
            verdict = play(stage, seed, fired=fired)
            verdict.notes = [f"schedule {seed}: {note}" for note in verdict.notes]
            if not verdict.violations:
                verdict.notes.clear()
            total.add(verdict)
        shutil.rmtree(stage.folder)
    return total, fired


def caught(name: str) -> tuple[str, int, str]:
    """Play schedules with a broken build until one shows it; (name, schedules, what)."""
    with running() as url:
        stage = Stage(url, scratch())
        try:
            for seed in range(CAUGHT_WITHIN):
                verdict = play(stage, 10_000 + seed, broken=BUILDS[name])
                if verdict.violations:
                    return name, seed + 1, _what(verdict)
            return name, 0, "not caught"
        finally:
            shutil.rmtree(stage.folder)


def _second_night(url: str, stage: Stage | None = None) -> Stage:
    """Bring a stage to the evening of the second night: one night's scores are in the CRM."""
    stage = stage or Stage(url, scratch())
    stage.clear()
    run(url, stage.job(0))
    return stage


def _what(verdict: Verdict) -> str:
    names = ("lost", "duplicates", "stale", "overwritten", "second_run", "crashes", "ledger")
    return ", ".join(f"{name} {getattr(verdict, name)}" for name in names if getattr(verdict, name))


def together(name: str, parts: Sequence[Future[Verdict]]) -> Verdict:
    """Add up the parts of one proof and show the sum."""
    total = Verdict()
    for part in parts:
        total.add(part.result())
    show(name, total)
    return total


def show(name: str, verdict: Verdict) -> None:
    seconds = sorted(verdict.recovery_s) or [0.0]
    again = verdict.received / max(1, verdict.applied) - 1
    print(
        f"{name:24} tried {verdict.tried:6,}  lost {verdict.lost}  duplicate {verdict.duplicates}  "
        f"stale {verdict.stale}  person's word {verdict.overwritten}  "
        f"second run {verdict.second_run}  ledger {verdict.ledger}  crashes {verdict.crashes}  "
        f"rows applied {verdict.applied:,}  re-sends per row {again:.2f}  "
        f"recovery median {seconds[len(seconds) // 2]:.2f} s, worst {seconds[-1]:.2f} s",
        flush=True,
    )
    for note in verdict.notes[:10]:
        print(f"    {note}")


def main() -> int:
    """Run all proofs; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.faults")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    began = time.perf_counter()
    doubles, plays, crowds = (500, 2000, 20) if asked.full else (30, 60, 2)
    builds = list(BUILDS) if asked.full else list(BUILDS)[:5]
    stride = 1 if asked.full else 4
    print(f"{doubles:,} double kills, {plays:,} schedules, {len(builds)} broken builds", flush=True)
    with ProcessPoolExecutor(
        WORKERS, mp_context=get_context("fork"), initializer=own_counter
    ) as pool:
        kills = [
            pool.submit(single_kills, share * stride, WORKERS * stride) for share in range(WORKERS)
        ]
        twice = [
            pool.submit(double_kills, asked.seed + share, -(-doubles // WORKERS))
            for share in range(WORKERS)
        ]
        crowd = pool.submit(concurrent_runs, asked.seed, crowds)
        part = -(-plays // (8 * WORKERS))
        random_plays = [
            pool.submit(schedules, asked.seed + share * part, part) for share in range(8 * WORKERS)
        ]
        broken = [pool.submit(caught, name) for name in builds]
        totals: dict[str, Verdict] = {}
        totals["kill -9 at every step"] = together("kill -9 at every step", kills)
        totals["double kills"] = together("double kills", twice)
        for runs, verdict in crowd.result().items():
            totals[f"{runs} runs at once"] = verdict
            show(f"{runs} runs at once", verdict)
        everything = Verdict()
        fired: dict[str, int] = {}
        for done in as_completed(random_plays):
            verdict, some = done.result()
            everything.add(verdict)
            fired = {what: fired.get(what, 0) + some.get(what, 0) for what in {*fired, *some}}
            show("random schedules", everything)
        totals["random schedules"] = everything
        found = [each.result() for each in broken]
    print("server faults fired:", ", ".join(f"{k} {n}" for k, n in sorted(fired.items())))
    for name, after, what in found:
        print(
            f"broken build {name:26} " + (f"caught by schedule {after}: {what}" if after else what)
        )
    return bars(totals, found, full=asked.full, seconds=time.perf_counter() - began)


def bars(
    totals: dict[str, Verdict], found: list[tuple[str, int, str]], *, full: bool, seconds: float
) -> int:
    """Print a line per bar; 1 where one is missed."""
    everything = Verdict()
    for verdict in totals.values():
        everything.add(verdict)
    lines = [
        ("lost", everything.lost, 0),
        ("duplicate effects", everything.duplicates, 0),
        ("stale overwrites", everything.stale, 0),
        ("a person's word overwritten", everything.overwritten, 0),
        ("rows sent by a second run", everything.second_run, 0),
        ("ledger faults and crashes", everything.ledger + everything.crashes, 0),
    ]
    missed = 0
    for name, figure, bar in lines:
        missed += figure > bar
        print(f"{'met' if figure <= bar else 'missed'}  {name}  {figure}  {bar}")
    tried = [
        ("double kills", totals["double kills"].tried, 500 if full else 30),
        ("random schedules", totals["random schedules"].tried, 2000 if full else 60),
        ("broken builds caught", sum(after > 0 for _, after, _ in found), 10 if full else 3),
    ]
    for name, figure, bar in tried:
        missed += figure < bar
        print(f"{'met' if figure >= bar else 'missed'}  {name}  {figure}  >= {bar}")
    print(f"{seconds:.0f} s; rejected on purpose: {', '.join(INVALID)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
