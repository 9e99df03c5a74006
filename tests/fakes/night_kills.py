"""`leadscore night` of a small company, killed at a file operation in a forked, warm process.

Counted are: opening for writing, renaming, removing, making folders, below the company's folder,
and every statement with which SQLite changes something. A kill at opening leaves a file without a
byte. What C++ libraries write is killed before and after, not in between.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data.world import make_world, project_file, write_world
from serving.worklist.stored_pages import newest_run
from tests.fakes.company_months import export_until
from tests.golden.product import Run, leadscore

LEADS = 420
"""Of them some 140 are open."""
BEFORE, TONIGHT = "2026-10-30", "2026-10-31"
CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "BEGIN", "COMMIT", "REPLACE", "ALTER", "DROP")
ENDS = {".html": "</html>", ".prom": "\n"}
FILES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
OF_THE_RUN = ("run_id", "scored_at")
DATABASES = (".sqlite", ".db")
EVERY = 16
"""Of rows that are written one after the other, every so many counts as an operation."""


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

    def night(self, *options: object) -> Run:
        """Do the night in this process."""
        return leadscore(*self.command, *options)

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
class Mishap:
    """What befalls a night: a signal at an operation (0: none), or no room beyond `most` bytes."""

    at: int = 0
    by: int = signal.SIGKILL
    most: int | None = None


CALM = Mishap()
Build = Callable[[], None]
"""Takes a safeguard away before the night begins (tests/fakes/night_broken.py)."""


def sound() -> None:
    """Leave the product as it is."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a forked night ended: its code (-9: killed), its operations, what it answered.

    A letter per operation: o for opening to write, f for another file operation, s for SQL.
    """

    code: int
    operations: str
    run: Run | None

    def as_meant(self, mishap: Mishap) -> bool:
        """Tell whether the signal came; after SIGTERM one line of JSON says so, with code 4."""
        if mishap.by == signal.SIGKILL:
            return self.code == -signal.SIGKILL
        return self.run is not None and one_answer(self.run)["exit_code"] == self.run.code == 4


def one_answer(run: Run) -> dict[str, Any]:
    """Read the one line of JSON that every night answers with; exit code -1 where it did not."""
    try:
        (line,) = run.out.splitlines()
        return dict(json.loads(line))
    except ValueError:
        return {"exit_code": -1, "no answer": run.out}


@dataclass(frozen=True, slots=True)
class Started:
    """A night in a process of its own: the file it will answer in, and its operations so far."""

    pid: int
    answer: Path
    operations: mmap.mmap

    def wait(self) -> Ended:
        """Wait until it has ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        operations = self.operations[:].rstrip(b"\0").decode()
        if not self.answer.is_file():
            return Ended(status, operations, None)
        run = Run(*json.loads(self.answer.read_text()))
        self.answer.unlink()
        return Ended(status, operations, run)


def forked_night(stage: Stage, mishap: Mishap = CALM, build: Build = sound) -> Ended:
    """Do a night in a fork of this process, with a mishap."""
    return start_night(stage, mishap, build).wait()


def start_night(stage: Stage, mishap: Mishap = CALM, build: Build = sound) -> Started:
    """Fork a night and go on."""
    operations = mmap.mmap(-1, 1 << 16)
    sys.stdout.flush()
    answers = stage.home.parent / f"{stage.home.name}-answers"
    answers.mkdir(exist_ok=True)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(240)  # a night that hangs is one that failed
            gc.disable()
            build()
            _count_operations(str(stage.home) + os.sep, mishap, operations)
            with _small_files(mishap.most):
                run = stage.night()
            _stop_counting()
            (answers / str(os.getpid())).write_text(json.dumps([run.code, run.out, run.err]))
            code = 0
        finally:
            os._exit(code)
    return Started(pid, answers / str(pid), operations)


def of_each_kind(operations: str, most: int) -> list[int]:
    """Pick operations, each kind of them as often, first at its last one; all where they are few.

    >>> of_each_kind("ooosf", 4)
    [3, 4, 5, 2]
    """
    of_kind = [[n for n, each in enumerate(operations, 1) if each == kind] for kind in "osf"]
    picked = [
        places[len(places) * (most - turn) // most - 1]
        for turn in range(most)
        for places in of_kind
        if places
    ]
    return (
        list(dict.fromkeys(picked))[:most]
        if most < len(operations)
        else [*range(1, len(operations) + 1)]
    )


@contextmanager
def _small_files(most: int | None) -> Iterator[None]:
    """Let no file grow beyond `most` bytes, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft if most is None else most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


_counting = True


def _stop_counting() -> None:
    global _counting
    _counting = False


def _count_operations(root: str, mishap: Mishap, operations: mmap.mmap) -> None:
    steps = alike = 0
    before, late = "", False

    def is_the_one(kind: bytes) -> bool:
        nonlocal steps
        if not _counting:
            return False
        operations[steps : steps + 1] = kind
        steps += 1
        return steps == mishap.at

    def hook(event: str, args: tuple[Any, ...]) -> None:
        written = (
            event == "open" and len(args) > 2 and int(args[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        )
        nonlocal late
        if late:
            late = False
            os.kill(os.getpid(), mishap.by)
        if not (written or event in FILES) or not str(args[0]).startswith(root):
            return
        if is_the_one(b"o" if written else b"f"):
            if written and mishap.by == signal.SIGKILL:  # the file is there, without a byte
                _stop_counting()
                os.open(args[0], int(args[2]), 0o666)
            os.kill(os.getpid(), mishap.by)

    def statement(text: str) -> None:
        nonlocal alike, before, late
        head = text.lstrip()[:24].upper()
        alike, before = (alike + 1 if head == before else 0), head
        if head.startswith(CHANGES) and alike % EVERY == 0 and is_the_one(b"s"):
            if mishap.by == signal.SIGKILL:
                os.kill(os.getpid(), mishap.by)
            late = True  # SQLite lets no exception out of here

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
class NightVerdict:
    """Counts of what must not be, over any number of kills."""

    tried: int = 0
    not_killed: int = 0  # the signal did not come; or SIGTERM was not answered by JSON and code 4
    not_completed: int = 0  # the next run has another exit code than 0, or is no single JSON line
    wrong: int = (
        0  # leads whose fields in the CRM are not as they should be; file, report, champion
    )
    twice: int = 0  # leads that were written to more often than once tonight
    second: int = 0  # rows sent, or steps done again, by a run after the completed one
    broken: int = 0  # files that are half written
    left: int = 0  # temporary files
    notes: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Count what must not be, kind by kind, where there is any."""
        counts = asdict(self).items()
        return {name: n for name, n in counts if n and name not in ("tried", "notes")}

    @property
    def violations(self) -> int:
        return sum(self.counts().values())

    def add(self, other: NightVerdict) -> None:
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed night leaves in CRM and files, and how many operations it has."""

    crm: dict[str, dict[str, Any]]
    files: frozenset[str]
    scores: list[dict[str, Any]]
    page: str
    champion: str
    operations: str

    @classmethod
    def of(cls, stage: Stage, home: Path) -> Reference:
        """Do the night undisturbed, on a copy."""
        calm = stage.copy(home)
        done = forked_night(calm)
        assert done.run is not None, "the night hangs when forked"
        assert done.run.code == 0, done.run.err
        files, scores, page = files_of(calm), scores_of(calm), page_of(calm)
        return cls(calm.crm(), files, scores, page, calm.champion(), done.operations)


def files_of(stage: Stage) -> frozenset[str]:
    """Name the files of the state folder that a night leaves, but registry and databases.

    The folders of the live pages' runs are numbered, oldest first: a run more has a number more.
    """
    names = {
        path.relative_to(stage.state).as_posix()
        for path in stage.state.rglob("*")
        if path.is_file() and "mlartifacts" not in path.parts
    }
    names = {name.rpartition("/")[2] if name.startswith("scores/") else name for name in names}
    runs = sorted(path.name for path in stage.state.glob("pages/*/"))
    for number, run in enumerate(runs, 1):
        names = {name.replace(f"pages/{run}/", f"pages/{number}/") for name in names}
    passing = ("-wal", "-shm", "-journal", ".lock")
    return frozenset(name for name in names if not name.endswith(passing) and "audits" not in name)


def scores_of(stage: Stage) -> list[dict[str, Any]]:
    table = pq.read_table(stage.state / "scores.parquet").drop_columns(list(OF_THE_RUN))
    return list(table.to_pylist())


def page_of(stage: Stage) -> str:
    """Read the report, without the name of the run and of the company's folder."""
    page = (stage.state / "report" / "report-en.html").read_text("utf-8")
    page = page.replace(str(stage.home), "")
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "", page)


def live_pages_are_of_the_scores(stage: Stage) -> bool:
    """Tell whether the live pages that are shown are those of the run that scored."""
    runs = pq.read_table(stage.state / "scores.parquet", columns=["run_id"])["run_id"].unique()
    return runs.to_pylist() == [newest_run(stage.state / "pages")]


def judge(
    stage: Stage, reference: Reference, mishaps: Sequence[Mishap], build: Build = sound
) -> NightVerdict:
    """Let these befall a night, one run after the other; then let it be done."""
    verdict = NightVerdict(tried=1)
    at = ", ".join(f"{signal.Signals(each.by).name} at {each.at}" for each in mishaps)
    for each in mishaps:
        verdict.not_killed += not forked_night(stage, each, build).as_meant(each)
        verdict.broken += len(half_written(stage, passing=DATABASES))
    done = forked_night(stage, build=build).run
    if done is None or one_answer(done)["exit_code"] != 0:
        verdict.not_completed += 1
        verdict.notes.append(f"{at}: {done and (done.code, done.out, done.err[-600:])}")
        return verdict
    crm = stage.crm()
    for lead in reference.crm.keys() | crm.keys():
        wanted, found = dict(reference.crm.get(lead, {})), dict(crm.get(lead, {}))
        verdict.twice += found.pop("version", 0) != wanted.pop("version", 0)
        verdict.wrong += found != wanted
    verdict.wrong += scores_of(stage) != reference.scores
    verdict.wrong += page_of(stage) != reference.page
    verdict.wrong += stage.champion() != reference.champion
    verdict.wrong += not live_pages_are_of_the_scores(stage)
    verdict.broken += len(half_written(stage))
    missing = reference.files ^ files_of(stage)
    verdict.broken += len(missing)
    verdict.left += sum(path.suffix == ".part" for path in stage.home.rglob(".*"))
    again = forked_night(stage, build=build).run
    if again is None or again.code != 0:
        verdict.not_completed += 1
    else:
        answer = json.loads(again.out)
        outcomes = {name: step["outcome"] for name, step in answer["steps"].items()}
        kept = outcomes["score"] == outcomes["report"] == "kept"
        verdict.second += answer["sent"] + (not kept) + (outcomes["retrain"] == "done")
        verdict.twice += stage.crm() != crm
    if verdict.violations:
        verdict.notes.append(f"{at}: {verdict.counts()}; {sorted(missing)} {half_written(stage)}")
    return verdict


def half_written(stage: Stage, passing: tuple[str, ...] = ()) -> list[str]:
    """Read every file of the state folder that a night writes; name those that are not whole.

    Files with an ending in `passing` are left alone: reading a database mends it.
    """
    broken = []
    for path in sorted(stage.state.rglob("*")):
        if not path.is_file() or "mlartifacts" in path.parts or path.suffix in passing:
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
    elif path.suffix in DATABASES:
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("pragma quick_check").fetchone()[0] == "ok"
    elif path.suffix in ENDS:
        assert path.read_text("utf-8").endswith(ENDS[path.suffix]), "has no end"
