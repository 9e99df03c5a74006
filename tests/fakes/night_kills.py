"""`leadscore night` of a small company, killed at a file operation in a forked, warm process.

Counted are: opening for writing, renaming, removing, making folders, below the company's folder,
and every statement with which SQLite changes something. What C++ libraries write is killed before
and after, not in between.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data.world import make_world, project_file, write_world
from tests.fakes.company_months import export_until
from tests.golden.product import Run, leadscore

LEADS = 600
"""Of them some 200 are open."""
BEFORE, TONIGHT = "2026-10-30", "2026-10-31"
CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "BEGIN", "COMMIT", "REPLACE", "ALTER", "DROP")
ENDS = {".html": "</html>", ".prom": "\n"}
FILES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
OF_THE_RUN = ("run_id", "scored_at")
EVERY = 16
"""Of rows that are written one after the other, every so many counts as an operation."""
_count = mmap.mmap(-1, 8)


@dataclass(frozen=True, slots=True)
class Stage:
    """A company whose last night was yesterday's; `home` holds its tables and its state."""

    home: Path

    @property
    def file(self) -> Path:
        return self.home / "company" / "software_trial.toml"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @classmethod
    def make(cls, folder: Path) -> Stage:
        """Simulate a company, train, do the night before, and write tonight's tables."""
        stage, whole = cls(folder / "stage"), folder / "whole"
        world = make_world("software_trial", LEADS, 11)
        write_world(world, whole, project=project_file("software_trial"))
        stage.tables(whole, BEFORE)
        # In a process of its own: training starts threads, and a fork of it could not train again.
        command = [sys.executable, "-m", "leadscore", *map(str, stage.command)]
        first = subprocess.run(command, capture_output=True, text=True, check=False)
        assert first.returncode in (0, 3), first.stderr  # there is no champion: it trains the first
        assert len({lead["score"] for lead in stage.crm().values()}) > 10
        stage.tables(whole, TONIGHT)
        stage.copy(folder / "warm").night()  # what this process imports and keeps, forks have
        return stage

    def tables(self, whole: Path, until: str) -> None:
        """Write what the CRM exports at a moment, and the project file."""
        file = export_until(whole, self.home / "company", until)
        text = file.read_text("utf-8").replace("[train]", '[train]\nlearner = "logistic"')
        text = re.sub(r"languages = .*", 'languages = ["en"]', text)
        text += '\n[night]\nretrain = "never"\n'
        file.write_text(text, "utf-8")

    @property
    def command(self) -> tuple[object, ...]:
        return ("night", self.file, "--state", self.state, "--threads", 1)

    def night(self) -> Run:
        """Do the night in this process."""
        return leadscore(*self.command)

    def copy(self, home: Path) -> Stage:
        """Copy the company to another folder."""
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.home, home)
        return Stage(home)

    def retraining(self, home: Path) -> Stage:
        """Copy the company to another folder, where tonight is a night of retraining."""
        other = self.copy(home)
        text = other.file.read_text("utf-8")
        other.file.write_text(text.replace('retrain = "never"', 'retrain = "daily"'), "utf-8")
        return other

    def champion(self) -> str:
        """Name the champion by its content, as the registry holds it."""
        query = (
            "select value from model_version_tags"
            " join registered_model_aliases using (name, version)"
            " where alias = 'champion' and key = 'content'"
        )
        with closing(sqlite3.connect(self.state / "mlflow.db")) as registry:
            return str(registry.execute(query).fetchone())

    def crm(self) -> dict[str, dict[str, Any]]:
        """Read the leads of the CRM; `version` counts what was ever written to one."""
        with closing(sqlite3.connect(self.state / "crm.sqlite")) as crm:
            crm.row_factory = sqlite3.Row
            rows = [dict(row) for row in crm.execute("select * from leads")]
        return {
            row["lead_id"]: {name: value for name, value in row.items() if name not in OF_THE_RUN}
            for row in rows
        }


@dataclass(frozen=True, slots=True)
class Killed:
    """How a forked night ended: its code (-9: killed), operations counted, what it answered."""

    code: int
    operations: int
    run: Run | None


def forked_night(stage: Stage, kill_at: int = 0) -> Killed:
    """Do a night in a fork of this process; it is killed at the operation of this number."""
    _count[:] = struct.pack("q", 0)
    answer = stage.home.parent / f"{stage.home.name}.answer.json"
    answer.unlink(missing_ok=True)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(240)  # a night that hangs is one that failed
            gc.disable()
            _count_operations(str(stage.home), kill_at)
            run = stage.night()
            _stop_counting()
            answer.write_text(json.dumps([run.code, run.out, run.err]), "utf-8")
            code = 0
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    operations = struct.unpack("q", _count[:])[0]
    if not answer.is_file():
        return Killed(status, operations, None)
    run = Run(*json.loads(answer.read_text("utf-8")))
    answer.unlink()
    return Killed(status, operations, run)


_counting = True


def _stop_counting() -> None:
    global _counting
    _counting = False


def _count_operations(root: str, kill_at: int) -> None:
    steps = alike = 0
    before = ""

    def step() -> None:
        nonlocal steps
        if not _counting:
            return
        steps += 1
        _count[:] = struct.pack("q", steps)
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        written = (
            event == "open" and len(args) > 2 and int(args[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        )
        if (written or event in FILES) and str(args[0]).startswith(root):
            step()

    def statement(text: str) -> None:
        nonlocal alike, before
        head = text.lstrip()[:24].upper()
        alike, before = (alike + 1 if head == before else 0), head
        if head.startswith(CHANGES) and alike % EVERY == 0:
            step()

    def counted(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def opened(*args: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*args, **options)
            connection.set_trace_callback(statement)
            return connection

        return opened

    sqlite3.connect = counted(sqlite3.connect)  # type: ignore[assignment]
    sqlite3.dbapi2.connect = counted(sqlite3.dbapi2.connect)  # type: ignore[assignment]
    sys.addaudithook(hook)


@dataclass(slots=True)
class KillVerdict:
    """Counts of what must not be, over any number of kills."""

    tried: int = 0
    not_killed: int = 0
    not_completed: int = 0  # the next run has another exit code than 0, or is no single JSON line
    wrong: int = 0  # leads whose score, band or reasons in the CRM are not what they should be
    twice: int = 0  # leads that were written to more often than once tonight
    second: int = 0  # rows sent, or steps done again, by a run after the completed one
    broken: int = 0  # files that are half written
    left: int = 0  # temporary files
    notes: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        counts = asdict(self)
        return sum(count for name, count in counts.items() if name not in ("tried", "notes"))

    def add(self, other: KillVerdict) -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed night leaves: the CRM, the files, the scores; and its operations."""

    crm: dict[str, dict[str, Any]]
    files: frozenset[str]
    scores: list[dict[str, Any]]
    champion: str
    operations: int

    @classmethod
    def of(cls, stage: Stage, home: Path) -> Reference:
        """Do the night undisturbed, on a copy."""
        calm = stage.copy(home)
        done = forked_night(calm)
        assert done.run is not None, "the night hangs when forked"
        assert done.run.code == 0, done.run.err
        return cls(calm.crm(), files_of(calm), scores_of(calm), calm.champion(), done.operations)


def files_of(stage: Stage) -> frozenset[str]:
    """Name the files of the state folder that a night leaves, but registry and databases."""
    names = {
        path.relative_to(stage.state).as_posix()
        for path in stage.state.rglob("*")
        if path.is_file() and "mlartifacts" not in path.parts
    }
    names = {name.rpartition("/")[2] if name.startswith("scores/") else name for name in names}
    passing = ("-wal", "-shm", "-journal", ".lock")
    return frozenset(name for name in names if not name.endswith(passing) and "audits" not in name)


def scores_of(stage: Stage) -> list[dict[str, Any]]:
    table = pq.read_table(stage.state / "scores.parquet").drop_columns(list(OF_THE_RUN))
    return list(table.to_pylist())


def judge_kill(stage: Stage, reference: Reference, kills: tuple[int, ...]) -> KillVerdict:
    """Kill a night at these operations, one run after the other; then let it be done."""
    verdict = KillVerdict(tried=1)
    at = f"killed at {', '.join(map(str, kills))}"
    for kill in kills:
        verdict.not_killed += forked_night(stage, kill).code != -signal.SIGKILL
    done = forked_night(stage).run
    if done is None or done.code != 0 or len(done.out.splitlines()) != 1:
        verdict.not_completed += 1
        verdict.notes.append(f"{at}: {done and (done.code, done.out, done.err[-600:])}")
        return verdict
    crm = stage.crm()
    for lead in reference.crm.keys() | crm.keys():
        wanted, found = dict(reference.crm.get(lead, {})), dict(crm.get(lead, {}))
        verdict.twice += found.pop("version", 0) != wanted.pop("version", 0)
        verdict.wrong += found != wanted
    verdict.wrong += scores_of(stage) != reference.scores
    verdict.wrong += stage.champion() != reference.champion
    verdict.broken += len(half_written(stage))
    missing = reference.files ^ files_of(stage)
    verdict.broken += len(missing)
    verdict.left += sum(path.suffix == ".part" for path in stage.home.rglob(".*"))
    again = forked_night(stage).run
    if again is None or again.code != 0:
        verdict.not_completed += 1
    else:
        answer = json.loads(again.out)
        outcomes = {name: step["outcome"] for name, step in answer["steps"].items()}
        kept = outcomes["score"] == outcomes["report"] == "kept"
        verdict.second += answer["sent"] + (not kept) + (outcomes["retrain"] == "done")
        verdict.twice += stage.crm() != crm
    if verdict.violations:
        verdict.notes.append(f"{at}: {verdict}; {sorted(missing)} {half_written(stage)}")
    return verdict


def half_written(stage: Stage) -> list[str]:
    """Read every file of the state folder that a night writes; name those that are not whole."""
    broken = []
    for path in sorted(stage.state.rglob("*")):
        if not path.is_file() or "mlartifacts" in path.parts:
            continue
        try:
            _read(path)
        except Exception as error:
            broken.append(f"{path.name}: {error}")
    return broken


def _read(path: Path) -> None:
    if path.suffix == ".parquet":
        pq.read_table(path)
    elif path.suffix == ".json":
        json.loads(path.read_text("utf-8"))
    elif path.suffix in (".sqlite", ".db"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("pragma quick_check").fetchone()[0] == "ok"
    elif path.suffix in ENDS:
        assert path.read_text("utf-8").endswith(ENDS[path.suffix]), "has no end"
