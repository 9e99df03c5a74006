"""Write-back under faults: tried N, lost 0, duplicate effects 0, stale overwrites 0.

Usage: python -m benchmarks.faults [--full] [--seed N] [--workers N]
       [--parts FOLDER [--minutes M] [--only PREFIX]]

With --parts, each finished part is kept in FOLDER and not played again while the code it speaks of
is the same; after --minutes no further part is begun, and the bars count what was played.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.faults_parts import Parts
from tests.fakes import faults_broken
from tests.fakes.crm_server import FAULTS, running
from tests.fakes.faults_broken import BUILDS
from tests.fakes.faults_check import Verdict
from tests.fakes.faults_run import finish, own_counter, run, scratch, start
from tests.fakes.faults_schedules import INVALID, Stage, conclude, crowd, pause, play

WORKERS = 4  # runs wait for time-outs and leases more than they compute
SHARES = 4  # parts of the kills
BROKEN = "broken build "
PAGE = 4096  # bytes
CHUNK = 10  # schedules in a part
CAUGHT_WITHIN = 150  # schedules that a broken build may survive

Found = dict[str, Any]  # a verdict's counts, as JSON keeps them
Plan = dict[str, tuple[str, Callable[..., Found], tuple[Any, ...]]]


def single_kills(share: int, shares: int) -> Found:
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
    return vars(total)


def double_kills(seed: int, count: int) -> Found:
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
    return vars(total)


def full_disks(share: int, shares: int) -> Found:
    """Let the disk be full at every page that a run's ledger would write, then make room."""
    total = Verdict()
    with running() as url:
        stage = _second_night(url)
        run(url, stage.job(1))
        most = max(path.stat().st_size for path in stage.state.glob("ledger.sqlite*"))
        for pages in range(1 + share, most // PAGE + 2, shares):
            _second_night(url, stage)
            run(url, stage.job(1, file_limit=pages * PAGE - PAGE // 2))
            total.add(conclude(stage, 1))
        shutil.rmtree(stage.folder)
    return vars(total)


def unversioned_crowds(seed: int, runs: int, count: int) -> Found:
    """Start 2, 4 or 8 runs at once on a CRM without versions, where only the lease helps."""
    total, draw = Verdict(), random.Random(seed)
    with running() as url:
        stage = Stage(url, scratch())
        for _ in range(count):
            total.add(crowd(stage, draw, runs))
        shutil.rmtree(stage.folder)
    return vars(total)


def paused_runs(seed: int, count: int) -> Found:
    """Pause a run with older scores past its lease, at a random step; let it go on afterwards."""
    total, draw = Verdict(), random.Random(seed)
    with running() as url:
        stage = Stage(url, scratch())
        for _ in range(count):
            total.add(pause(stage, draw))
        shutil.rmtree(stage.folder)
    return vars(total)


def concurrent_runs(seed: int, runs: int, count: int) -> Found:
    """Start 2, 4 or 8 runs at once, one in three of them with the older score file."""
    total, draw = Verdict(), random.Random(seed)
    with running() as url:
        stage = Stage(url, scratch())
        for _ in range(count):
            stage.clear(
                seed=draw.randrange(1 << 30), rate=0.1, faults=["429", "late commit"], stall_s=0.07
            )
            jobs = [stage.job(int(draw.random() > 0.33)) for _ in range(runs)]
            finish([start(url, job) for job in jobs], jobs)
            total.add(conclude(stage, 1))
        shutil.rmtree(stage.folder)
    return vars(total)


def schedules(first: int, count: int) -> Found:
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
    return {**vars(total), "fired": fired}


def caught(name: str) -> Found:
    """Play schedules with a broken build until one shows it: how many it took, and what it did."""
    with running() as url:
        stage = Stage(url, scratch())
        try:
            for seed in range(CAUGHT_WITHIN):
                verdict = _challenge(stage, seed, BUILDS[name])
                if verdict.violations:
                    return {"after": seed + 1, "what": _what(verdict)}
            return {"after": 0, "what": "not caught"}
        finally:
            shutil.rmtree(stage.folder)


def _challenge(stage: Stage, seed: int, broken: Callable[[], None]) -> Verdict:
    """Play a schedule; one in five on a CRM without versions, one in five with a paused run."""
    draw = random.Random(seed)
    if seed % 5 == 4:
        return crowd(stage, draw, draw.choice((2, 4)), broken=broken)
    if seed % 5 == 3:
        return pause(stage, draw, broken=broken)
    return play(stage, 10_000 + seed, broken=broken)


def _second_night(url: str, stage: Stage | None = None) -> Stage:
    """Bring a stage to the evening of the second night: one night's scores are in the CRM."""
    stage = stage or Stage(url, scratch())
    stage.clear()
    run(url, stage.job(0))
    return stage


def _what(verdict: Verdict) -> str:
    names = (
        "lost",
        "duplicates",
        "stale",
        "overwritten",
        "second_run",
        "mixed",
        "crashes",
        "ledger",
    )
    return ", ".join(f"{name} {getattr(verdict, name)}" for name in names if getattr(verdict, name))


def show(name: str, verdict: Verdict) -> None:
    seconds = sorted(verdict.recovery_s) or [0.0]
    again = verdict.received / max(1, verdict.applied) - 1
    print(
        f"{name:24} tried {verdict.tried:6,}  lost {verdict.lost}  duplicate {verdict.duplicates}  "
        f"stale {verdict.stale}  person's word {verdict.overwritten}  "
        f"second run {verdict.second_run}  mixed models {verdict.mixed}  "
        f"ledger {verdict.ledger}  crashes {verdict.crashes}  "
        f"rows applied {verdict.applied:,}  re-sends per row {again:.2f}  "
        f"recovery median {seconds[len(seconds) // 2]:.2f} s, worst {seconds[-1]:.2f} s",
        flush=True,
    )
    for note in verdict.notes[:10]:
        print(f"    {note}")


def plan(seed: int, *, full: bool) -> Plan:
    """List the parts: name -> (proof, function, arguments)."""
    doubles, plays, crowds, stride = (500, 2000, 20, 1) if full else (30, 60, 2, 4)
    parts: Plan = {}
    for at in range(SHARES):
        share = (at * stride, SHARES * stride)
        parts[f"kills-{share[0]}-{share[1]}"] = ("kill -9 at every step", single_kills, share)
        some = -(-doubles // SHARES)
        parts[f"doubles-{seed + at}-{some}"] = ("double kills", double_kills, (seed + at, some))
        pauses = -(-doubles // (5 * SHARES))
        parts[f"pauses-{seed + at}-{pauses}"] = (
            "paused past the lease",
            paused_runs,
            (seed + at, pauses),
        )
        parts[f"disks-{share[0]}-{share[1]}"] = ("disk full at every page", full_disks, share)
    for runs in (2, 4, 8):
        called, asked = f"{seed}-{runs}-{crowds}", (seed, runs, crowds)
        parts[f"crowd-{called}"] = (f"{runs} runs at once", concurrent_runs, asked)
        bare = f"{runs} at once, no versions"
        parts[f"bare-{called}"] = (bare, unversioned_crowds, asked)
    for first in range(seed, seed + plays, CHUNK):
        chunk = (first, CHUNK)
        parts[f"schedules-{first}-{CHUNK}"] = ("random schedules", schedules, chunk)
    for name in list(BUILDS) if full else list(BUILDS)[:5]:
        parts[f"broken-{name}-{_digest()}"] = (f"{BROKEN}{name}", caught, (name,))
    return parts


def play_parts(
    parts: Parts,
    planned: Plan,
    until: float,
    workers: int,
) -> Iterable[tuple[str, Found]]:
    """Give what each part found, kept ones first; none is begun after `until` (monotonic)."""
    left = []
    for name, (proof, *_) in planned.items():
        kept = parts.done(name)
        if kept is None:
            left.append(name)
        else:
            yield proof, kept
    with ProcessPoolExecutor(
        workers, mp_context=get_context("fork"), initializer=own_counter
    ) as pool:
        waiting = {
            pool.submit(_in_time, until, parts, name, *planned[name][1:]): planned[name][0]
            for name in left
        }
        for done in as_completed(waiting):
            result = done.result()
            if result is not None:
                yield waiting[done], result


def _in_time(
    until: float, parts: Parts, name: str, part: Callable[..., Found], arguments: tuple[Any, ...]
) -> Found | None:
    if time.monotonic() > until:
        return None
    kept = parts.done(name)  # another call on the same folder may have played it meanwhile
    return dict(kept if kept is not None else parts.play(name, part, *arguments))


def _digest() -> str:
    """Name the broken builds by what they are: a changed one is played again."""
    return sha256(Path(faults_broken.__file__).read_bytes()).hexdigest()[:8]


def main() -> int:
    """Run all proofs; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.faults")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--parts", type=Path)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--only", default="", help="parts whose name begins so")
    asked = parser.parse_args()
    began = time.perf_counter()
    planned = plan(asked.seed, full=asked.full)
    chosen = {name: part for name, part in planned.items() if name.startswith(asked.only)}
    totals = {proof: Verdict() for proof, *_ in planned.values() if not proof.startswith(BROKEN)}
    fired: dict[str, int] = {}
    builds: dict[str, Found] = {}
    until = time.monotonic() + 60 * asked.minutes
    for proof, result in play_parts(Parts(asked.parts), chosen, until, asked.workers):
        if proof.startswith(BROKEN):
            builds[proof.removeprefix(BROKEN)] = result
            continue
        for what, n in result.pop("fired", {}).items():
            fired[what] = fired.get(what, 0) + n
        totals[proof].add(Verdict(**result))
        if totals[proof].tried % 100 == 0:
            show(proof, totals[proof])
    print("in all:")
    for proof, verdict in totals.items():
        show(proof, verdict)
    print("faults of the random schedules, and how often they came:")
    for what in (*FAULTS, *(set(fired) - set(FAULTS))):
        print(f"    {what:36} {fired.get(what, 0):8,}")
    for name, each in sorted(builds.items()):
        how = f"caught by schedule {each['after']}: " if each["after"] else ""
        print(f"broken build {name:26} {how}{each['what']}")
    return bars(totals, builds, full=asked.full, seconds=time.perf_counter() - began)


def bars(
    totals: dict[str, Verdict], builds: dict[str, Found], *, full: bool, seconds: float
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
        ("rows of a model promoted mid-run", everything.mixed, 0),
        ("ledger faults and crashes", everything.ledger + everything.crashes, 0),
    ]
    missed = 0
    for name, figure, bar in lines:
        missed += figure > bar
        print(f"{'met' if figure <= bar else 'missed'}  {name}  {figure}  {bar}")
    caught_builds = sum(each["after"] > 0 for each in builds.values())
    tried = [
        ("double kills", totals["double kills"].tried, 500 if full else 30),
        ("random schedules", totals["random schedules"].tried, 2000 if full else 60),
        (
            "broken builds caught",
            caught_builds,
            10 if full else 3,
        ),
    ]
    for name, figure, bar in tried:
        missed += figure < bar
        print(f"{'met' if figure >= bar else 'missed'}  {name}  {figure}  >= {bar}")
    print(f"{seconds:.0f} s; rejected on purpose: {', '.join(INVALID)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
