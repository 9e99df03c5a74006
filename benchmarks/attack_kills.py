"""Every command killed at a system call that writes, renames or syncs: is anything half-written?

`strace` counts the calls of a command once, and then kills it at one of them, the writes of C++
libraries included. Each command runs in a fork of a process that has imported the product, so that
three hundred kills take minutes and not hours. After each every file that is there is whole. After
one or more kills in a row, the run that mends being killed as well, the same command run again ends
as it should, what stands in scores and CRM is what stands there without a kill, and the doctor
finds nothing wrong but what `--fix` removes.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from benchmarks.attack import Verdict
from tests.fakes.november_state import November

CALLS: Final = ("write", "pwrite64", "writev", "rename", "renameat2", "fsync", "fdatasync")
LEAD: Final = "L0000187"
MOST_S: Final = 300.0
"""No command of so small a company takes longer."""
OF_THE_RUN: Final = ["run_id", "scored_at", "model_version"]
WARM: Final = (
    "benchmarks.attack_kills",
    "lightgbm",
    "mlflow.pyfunc",
    "serving.cli.app",
    "serving.check",
    "serving.experiment_arms",
    "serving.explain",
    "serving.forget",
    "serving.night_steps",
    "serving.people.people_store",
    "serving.people.passwords",
    "serving.raw_pyfunc",
    "serving.score",
    "serving.upkeep.backup",
    "serving.upkeep.doctor",
    "serving.verbs",
    "serving.write_reports",
    "serving.writeback.write_back",
    "training.publish",
    "training.train",
    "training.watch.model_watch",
)
"""What every fork finds imported; none of it starts a thread."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A command to kill; `ends` are the exit codes of a good end, `kills` its part of 300.

    So many `in_a_row` come before the command is let run to its end, more where that takes long.
    `done` are words with which a second run may refuse: the first one was killed when all was done.
    """

    verb: str
    options: tuple[str, ...] = ()
    ends: tuple[int, ...] = (0,)
    kills: int = 20
    in_a_row: int = 2
    short: bool = False
    done: str | None = None
    place: str = "state"

    def arguments(self, company: November, out: Path) -> list[str]:
        """Write the command line; `experiment` and the others name a state folder alike."""
        given = [each.format(out=out, data=company.file.parent) for each in self.options]
        file = [] if self.verb == "init" else [str(company.file)]
        state = [] if self.verb == "init" else ["--state", str(company.folder / self.place)]
        return [*self.verb.split(), *file, *given, *state]


VICTIMS: Final = (
    Victim("feedback", (LEAD, "note", "--because", "killed"), short=True),
    Victim("backup", ("--out", "{out}/backup.tar.gz"), done="is there already", short=True),
    Victim("restore", ("{out}/ready.tar.gz",), place="restored", done="is there already"),
    Victim("people add", ("ann", "--role", "manager"), done="there is a user", short=True),
    Victim("write-back", short=True),
    Victim("promote", ("1",)),
    Victim("init", ("{data}/leads.parquet", "--yes", "--out", "{out}/own.toml"), kills=10),
    Victim("doctor", ("--fix",), ends=(0, 3), kills=10),
    Victim("forget", (LEAD,), done="nothing"),
    Victim("experiment assign", (), ends=(0, 2), kills=10),
    Victim("export", ("--out", "{out}/model"), done="is there already", kills=10),
    Victim("monitor", (), ends=(0, 3), kills=10),
    Victim("score", ("--accept",), kills=30, in_a_row=5),
    Victim("report", ("--out", "{out}", "--lang", "en"), kills=25, in_a_row=5),
    Victim("night", ("--accept",), ends=(0, 3), kills=25, in_a_row=5),
    Victim("train", ("--fast", "--learner", "logistic"), ends=(0, 3), kills=30, in_a_row=5),
)


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Kill 300 times, 30 of them `train`; or four times."""
    if shutil.which("strace") is None:
        print("strace is not installed: no kill was tried")
        return []
    draw = random.Random(3)
    forks = Forks(place, warm=WARM if full else WARM[:1])
    victims = [each for each in VICTIMS if full or each.short]
    kills: Counter[str] = Counter()
    harmed = 0
    if full:
        forks.run(VICTIMS[-1], forks.whole)  # a second version, so that one can be promoted
    for victim in victims:
        began = time.monotonic()
        count, expected = forks.measured(victim)
        wanted, tries = victim.kills if full else 1, 0
        while kills[victim.verb] < wanted and tries < 3 * wanted:
            company, harm, points = forks.company(), list[str](), list[str]()
            for _ in range(min(victim.in_a_row, wanted - kills[victim.verb])):
                call = draw.choice([name for name in CALLS if count.get(name)])
                number, tries = draw.randint(1, count[call]), tries + 1
                code, _ = forks.run(victim, company, f"inject={call}:signal=KILL:when={number}")
                kills[victim.verb] += code == -9
                points.append(f"{call} {number} (ended {code})")
                harm += _broken_files(forks, victim, company)
            harm += _harm(forks, victim, company, expected)
            harmed += len(harm)
            for wrong in harm:
                print(f"  {victim.verb} at {', '.join(points)}: {wrong}", flush=True)
        spent = time.monotonic() - began
        print(f"  {victim.verb}: killed {kills[victim.verb]} times, {spent:.0f} s", flush=True)
    words = f"harm by {kills.total()} kills at writes, renames, syncs"
    bars = [(harmed == 0, words, str(harmed), "0")]
    if full:
        met = kills.total() >= 300 and kills["train"] >= 30
        bars.append((met, "kills, of train", f"{kills.total()}, {kills['train']}", "300, 30"))
    return bars


class Forks:
    """Commands in forks of a process that has the product imported, each under strace."""

    def __init__(self, place: Path, warm: Sequence[str]) -> None:
        for name in ("NUMBA", "OPENBLAS", "OMP"):
            os.environ[f"{name}_NUM_THREADS"] = "1"
        os.environ["PYTHONWARNINGS"] = "ignore::RuntimeWarning:runpy"  # each fork runs main anew
        self.place, self.out = place, place / "out"
        self.whole = November.unpack(place / "whole")
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(list(warm))
        (place / "password").write_text("seven plain words for one bench\n")
        whole = Victim("backup", ("--out", str(place / "ready.tar.gz")))
        self.out.mkdir()
        self.run(whole, self.whole)

    def company(self) -> November:
        """Lay out the company anew, beside an empty folder for what is written."""
        shutil.rmtree(self.place / "own", ignore_errors=True)
        shutil.rmtree(self.out)
        self.out.mkdir()
        shutil.copy(self.place / "ready.tar.gz", self.out)
        shutil.copytree(self.whole.folder, self.place / "own")
        return November(self.place / "own")

    def run(self, victim: Victim, company: November, inject: str | None = None) -> tuple[int, str]:
        """Run a command to its end; under strace where something is to be injected or counted."""
        log, ready, gate = (self.place / name for name in ("log", "ready", "gate"))
        arguments = victim.arguments(company, self.out)
        given = (arguments, *map(str, (log, self.place / "password", ready, gate)))
        ready.unlink(missing_ok=True)
        gate.unlink(missing_ok=True)
        command = self.context.Process(target=run_command, args=given)
        command.start()
        _wait_for(ready, command.is_alive)
        tracer = None
        if inject is not None:
            tracer = subprocess.Popen(
                [
                    *("strace", "-f", "-o", str(self.place / "trace"), "-p", str(command.pid)),
                    *("-e", f"trace={','.join(CALLS)}", "-e", inject),
                ],
                stderr=subprocess.PIPE,
                text=True,
            )
            assert tracer.stderr is not None
            assert "attached" in (line := tracer.stderr.readline()), line
        gate.touch()
        command.join(MOST_S)
        if command.exitcode is None:
            command.kill()
            raise RuntimeError(f"{victim.verb} has not ended after {MOST_S} s")
        if tracer is not None:
            tracer.communicate(timeout=MOST_S)
        self.pid = command.pid
        return command.exitcode or 0, log.read_text(errors="replace")

    def measured(self, victim: Victim) -> tuple[dict[str, int], dict[str, str]]:
        """Run a command once: how often its main thread makes each call, and what then stands."""
        company = self.company()
        code, said = self.run(victim, company, "signal=none")
        if code not in victim.ends:
            raise RuntimeError(f"{victim.verb} ends with {code}: {said[-300:]}")
        lines = (self.place / "trace").read_text(errors="replace").splitlines()
        main = re.compile(rf"(?:{self.pid} +)?(\w+)\(")  # one thread alone has no number
        found = [match[1] for line in lines if (match := main.match(line))]
        return {name: found.count(name) for name in CALLS}, standing(company, victim)


def run_command(arguments: list[str], log: str, stdin: str, ready: str, gate: str) -> None:
    """Run the console command in this fork, once it is traced: then the gate is there."""
    sys.dont_write_bytecode = True  # what is killed is the command, not an import
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(written, 1)
    os.dup2(written, 2)
    from serving.cli.app import main

    Path(ready).touch()
    _wait_for(Path(gate), lambda: True)
    with open(stdin) as sys.stdin:
        sys.argv = ["leadscore", *arguments]
        main()


def _wait_for(path: Path, alive: Callable[[], bool]) -> None:
    """Wait for a file, as long as the one that makes it is alive."""
    until = time.monotonic() + MOST_S
    while not path.exists():
        if not alive() or time.monotonic() > until:
            raise RuntimeError(f"{path.name} does not come")
        time.sleep(0.002)


def standing(company: November, victim: Victim) -> dict[str, str]:
    """Write down what users see after a command: scores, the CRM's rows, who may sign in."""
    state = company.folder / victim.place
    scores = pq.read_table(state / "scores.parquet").drop_columns(OF_THE_RUN).to_pydict()
    rows = {"scores": repr(scores)}
    for name, query in (
        ("crm.sqlite", "select lead_id, score, band from leads order by 1"),
        ("people.sqlite", "select name, role from users order by 1"),
    ):
        if (state / name).is_file():
            with closing(sqlite3.connect(state / name)) as database:
                rows[name] = repr(database.execute(query).fetchall())
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in rows.items()}


def _broken_files(forks: Forks, victim: Victim, company: November) -> list[str]:
    """List the files that a kill left half-written under a name of their own."""
    state = company.folder / victim.place
    return [
        f"{path.name} cannot be read: {error}"
        for path in sorted([*state.rglob("*"), *forks.out.rglob("*")])
        if path.is_file() and not path.name.startswith(".") and (error := _broken(path))
    ]


def _harm(forks: Forks, victim: Victim, company: November, expected: dict[str, str]) -> list[str]:
    """Find what is wrong once the same command was let run to its end."""
    harm: list[str] = []
    code, said = forks.run(victim, company)
    if code not in victim.ends and not (victim.done and victim.done in said):
        harm.append(f"run again it ends with {code}: {said[-300:]}")
    now = standing(company, victim)
    harm += [f"{name} is not what it is without a kill" for name in _other(now, expected)]
    _, said = forks.run(Victim("doctor", ("--json",), place=victim.place), company)
    harm += [
        f"{each['check']}: {each['words']}"
        for each in json.loads(said[said.index("{") :])["findings"]
        if each["condition"] == "wrong" and each["check"] not in ("disk", "rights")
    ]
    return harm


def _other(now: dict[str, str], expected: dict[str, str]) -> Iterator[str]:
    yield from (name for name in {**now, **expected} if now.get(name) != expected.get(name))


def _broken(path: Path) -> str:
    """Tell what is wrong with a file that should be whole, "" for nothing."""
    try:
        if path.suffix == ".parquet":
            pq.read_table(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html" and "</html>" not in path.read_text(encoding="utf-8")[-200:]:
            return "it has no end"
    except Exception as error:
        return f"{type(error).__name__} {error}"[:120]
    return ""
