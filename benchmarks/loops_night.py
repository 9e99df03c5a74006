"""`leadscore night` killed at its file operations: the next run completes, nothing twice.

`python -m benchmarks.loops night [--full]`: some 200 open leads, SQLite as CRM; a warm process is
forked for each kill (tests/fakes/night_kills.py says what counts as an operation). One kill in ten
hits a night that retrains; as many more nights get SIGTERM, which they answer. Where there are more
kills than operations, a run that recovers is killed as well. Bars (loops.md 8): the next run ends
well with one line of JSON, CRM, files and report hold the right scores, each written once, no file
is half-written, no temporary file is left, and a further run sends nothing. Builds that lack a
safeguard (tests/fakes/night_broken.py) must be noticed.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.in_parts import Verdict
from tests.fakes.night_broken import BUILDS, kills_of
from tests.fakes.night_kills import Mishap, NightVerdict, Reference, Stage, judge, of_each_kind

SHOWN = 5  # notes
CAUGHT_WITHIN = 12  # kills that a broken build may survive
LATE, EARLIER = 4, 25  # tries of a kill that came too late, and by how many operations earlier


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many nights are killed, how many that retrain, and how many get SIGTERM; broken builds.

    `learned` are the shares of a retraining night's operations that are done at its kills.
    """

    kills: int
    learned: tuple[float, ...]
    stops: int
    builds: tuple[str, ...]


SHORT = Sizes(3, (0.98,), 1, ("write_in_place",))
FULL = Sizes(270, tuple((n + 1) / 30 for n in range(30)), 30, tuple(BUILDS))


def measure(*, full: bool) -> list[Verdict]:
    """Kill nights, print what was found, and give the bars."""
    sizes = FULL if full else SHORT
    memory = Path("/dev/shm")  # kill -9 does not test the disk
    place = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="leadscore-night-", dir=place) as made:
        stage = Stage.make(Path(made))
        with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
            return list(judge_all(stage, Path(made), sizes, pool))


def judge_all(stage: Stage, folder: Path, sizes: Sizes, pool: Executor) -> Iterator[Verdict]:
    """Play every night on two processes and add up what was found."""
    learning = stage.retraining(folder / "learning")
    learned = pool.submit(Reference.of, learning, folder / "learned")
    calm = pool.submit(Reference.of, stage, folder / "calm").result()
    nights = [(Mishap(at) for at in points) for points in spread(calm.operations, sizes.kills)]
    stops = spread(calm.operations, sizes.stops)
    nights += [(Mishap(at, by=signal.SIGTERM) for at in points[:1]) for points in stops]
    plays = [pool.submit(play, stage, calm, tuple(mishaps)) for mishaps in nights]
    found = {name: pool.submit(notice, name, stage, calm) for name in sizes.builds}
    new = learned.result()
    print(f"a night: {len(calm.operations)} operations, one that retrains: {len(new.operations)}")
    kills = [Mishap(max(1, int(share * len(new.operations)))) for share in sizes.learned]
    plays += [pool.submit(play, learning, new, (kill,)) for kill in kills]
    yield from bars(add_up(plays), len(plays))
    for name, future in found.items():
        print(f"broken build {name}: {future.result() or 'not noticed'}")
    caught = sum(future.result() != "" for future in found.values())
    figure = f"{caught} of {len(found)}"
    yield caught == len(found), "night: broken builds caught", figure, "all"


def play(stage: Stage, reference: Reference, mishaps: tuple[Mishap, ...]) -> NightVerdict:
    """Play one night in this process's own folder.

    A night has a few operations more or less than another, as its databases wait: a kill that was
    to come after the last one is tried again a little earlier.
    """
    for _ in range(LATE):
        verdict = judge(stage.copy(_own(stage)), reference, mishaps)
        if not verdict.not_killed or mishaps[0].by != signal.SIGKILL:
            break
        mishaps = (replace(mishaps[0], at=max(1, mishaps[0].at - EARLIER)), *mishaps[1:])
    return verdict


def notice(name: str, stage: Stage, reference: Reference) -> str:
    """Kill a broken build until something is wrong: after how many kills, and what."""
    build, place = BUILDS[name], _own(stage)
    for done, kill in enumerate(kills_of(stage, place, build, most=CAUGHT_WITHIN), 1):
        verdict = judge(stage.copy(place), reference, [kill], build)
        if verdict.violations and not (verdict.not_completed or verdict.not_killed):
            return f"noticed after {done} kills, {verdict.counts()}"
    return ""


def _own(stage: Stage) -> Path:
    return stage.home.parent / f"{stage.home.name}-{os.getpid()}"


def add_up(plays: list[Future[NightVerdict]]) -> NightVerdict:
    """Add up the nights as they end, with their notes."""
    total, began = NightVerdict(), time.monotonic()
    for done, future in enumerate(as_completed(plays), 1):
        total.add(future.result())
        if done % 25 == 0 or done == len(plays):
            seconds = (time.monotonic() - began) / done
            print(f"{done} nights, {total.violations} violations, {seconds:.1f} s each", flush=True)
    for note in total.notes[:SHOWN]:
        print(f"    {note}")
    return total


def spread(operations: str, kills: int) -> list[tuple[int, ...]]:
    """Spread kills over the operations; those beyond kill the next run too, at a drawn one."""
    points: list[tuple[int, ...]] = [(at,) for at in of_each_kind(operations, kills)]
    draw = random.Random(len(operations))
    # A run that recovers has fewer operations: the second kill comes within the first ones.
    points += [
        (draw.randrange(1, len(operations) + 1), draw.randrange(1, 20))
        for _ in range(kills - len(points))
    ]
    return points


def bars(total: NightVerdict, asked: int) -> list[Verdict]:
    """Give a line per bar."""
    figures = {
        "night: kills that did not come, or SIGTERM without an answer": total.not_killed,
        "night: next run not complete, or not one line of JSON": total.not_completed,
        "night: wrong scores in CRM, file or report": total.wrong,
        "night: leads written twice": total.twice,
        "night: sent or done again by a further run": total.second,
        "night: files half written or missing": total.broken,
        "night: temporary files left": total.left,
    }
    tried = (total.tried >= asked, "night: kills and stops tried", f"{total.tried}", f">= {asked}")
    return [tried, *((not figure, name, f"{figure}", "0") for name, figure in figures.items())]
