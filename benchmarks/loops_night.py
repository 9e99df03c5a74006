"""`leadscore night` killed at its file operations: the next run completes, nothing twice.

`python -m benchmarks.loops night [--full]`: some 200 open leads, SQLite as CRM; a warm process is
forked for each kill (tests/fakes/night_kills.py says what counts as an operation). One kill in ten
hits a night that retrains. Where there are more kills than operations, a run that recovers is
killed as well. Bars (loops.md 8): the next run ends well with one line of JSON, the CRM holds the
right scores, each written once, no file is half-written, no temporary file is left, and a further
run sends nothing.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

from tests.fakes.night_kills import KillVerdict, Reference, Stage, judge_kill

KILLS, RETRAINING = 300, 30
SHORT = 12  # about a minute; none of them on a night that retrains
SHOWN = 5  # notes

Verdict = tuple[bool, str, str, str]


def measure(*, full: bool) -> list[Verdict]:
    """Kill nights, print what was found, and give the bars."""
    kills, retraining = (KILLS, RETRAINING) if full else (SHORT, 0)
    memory = Path("/dev/shm")  # kill -9 does not test the disk
    place = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="leadscore-night-", dir=place) as made:
        folder = Path(made)
        stage = Stage.make(folder)
        total = KillVerdict()
        play("a night", stage, folder, kills - retraining, total)
        if retraining:
            learning = stage.retraining(folder / "learning")
            play("a night that retrains", learning, folder, retraining, total)
    for note in total.notes[:SHOWN]:
        print(f"    {note}")
    return bars(total, kills)


def play(name: str, stage: Stage, folder: Path, kills: int, total: KillVerdict) -> None:
    """Kill this night so often, spread over its operations."""
    reference = Reference.of(stage, folder / "calm")
    print(f"{name}: {reference.operations} operations, {kills} kills", flush=True)
    began = time.monotonic()
    for done, points in enumerate(kill_points(reference.operations, kills), 1):
        total.add(judge_kill(stage.copy(folder / "killed"), reference, points))
        if done % 25 == 0 or done == kills:
            seconds = (time.monotonic() - began) / done
            print(f"{done} kills, {total.violations} violations, {seconds:.1f} s each", flush=True)


def kill_points(operations: int, kills: int) -> list[tuple[int, ...]]:
    """Spread kills over the operations; those beyond kill the next run too, at a drawn one."""
    single = min(operations, kills)
    points: list[tuple[int, ...]] = [
        (1 + number * operations // single,) for number in range(single)
    ]
    draw = random.Random(operations)
    # A run that recovers has fewer operations: the second kill comes within the first ones.
    points += [
        (draw.randrange(1, operations + 1), draw.randrange(1, 20)) for _ in range(kills - single)
    ]
    return points


def bars(total: KillVerdict, kills: int) -> list[Verdict]:
    """Give a line per bar."""
    figures = {
        "night: kills that did not come": total.not_killed,
        "night: next run not complete, or not one line of JSON": total.not_completed,
        "night: wrong scores in CRM or file": total.wrong,
        "night: leads written twice": total.twice,
        "night: sent or done again by a further run": total.second,
        "night: files half written or missing": total.broken,
        "night: temporary files left": total.left,
    }
    tried = (total.tried >= kills, "night: kills tried", f"{total.tried}", f">= {kills}")
    return [tried, *((not figure, name, f"{figure}", "0") for name, figure in figures.items())]
