"""One write-back in a forked process that can be killed, stopped or starved at any I/O step."""

from __future__ import annotations

import contextlib
import gc
import json
import mmap
import os
import resource
import shutil
import signal
import sqlite3
import ssl
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

import serving.writeback.ledger_store as stores
import serving.writeback.write_back as product
from data.errors import InputError, OutsideError
from data.schema import NetworkSection, Project, ProjectSection
from data.schema_steps import WriteBackSection
from data.schema_tables import ConversionSection, LeadsSection
from serving.crm.rest.writer import RestCrm
from serving.crm.retries import RetryPolicy
from serving.writeback import ledger_place
from serving.writeback.payload import Chunk

EPOCH = 1_790_000_000_000_000
RETRY_POLICY = RetryPolicy(tries=7, first_wait_s=0.001, longest_wait_s=0.01, lease_wait_s=20.0)
NOBODY = 65_534  # a user who may read the state folder and not write it
LOST = 3  # requests that fail in a row: a run can outlast them
_count = mmap.mmap(-1, 8)


def own_counter() -> None:
    """Give this process a step counter of its own, which only its children share."""
    global _count
    _count = mmap.mmap(-1, 8)
    gc.freeze()  # what stands now is never touched by a collection: forks stay cheap


@dataclass(frozen=True)
class Job:
    """One run: what is scored, where the ledger is, and what happens to the process."""

    scores: Path
    state: Path
    now: int = EPOCH
    kill_at: int = 0
    stop_at: int = 0
    term_at: int = 0
    timeout_s: float = 0.05
    file_limit: int = 0  # bytes: a disk that fills up
    read_only: bool = False  # the state folder
    lost_at: int = 0  # from this step on, some requests find no host, or one that fails at TLS
    lost_how: str = "DNS"
    promote_at: int = 0  # a model is promoted: its scores take the place of those being sent
    promoted: Path | None = None
    lease_s: float = 0.3
    broken: Callable[[], None] | None = None  # patches the product: a build with a fault


@dataclass
class Outcome:
    """How a run ended: exit code, or minus the signal; steps counted; seconds."""

    code: int
    steps: int = 0
    seconds: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)


def project(batch: int = 5) -> Project:
    return Project(
        project=ProjectSection(name="faults"),
        leads=LeadsSection(source="leads.csv", id="lead_id", converted="converted"),
        conversion=ConversionSection(),
        network=NetworkSection(allow=("127.0.0.1",)),
        write_back=WriteBackSection(crm="rest", batch=batch, requests_per_second=1e6),
    )


def write_scores(
    path: Path, leads: Sequence[str], scores: Sequence[int], as_of: int, model: str = "7"
) -> None:
    """Write a score file as `leadscore score` does."""
    stamp = pa.array([as_of] * len(leads), pa.timestamp("us", "UTC"))
    reason = {"factor": "visits", "family": "engagement", "points": 4, "fact": ""}
    table = pa.table(
        {
            "lead_id": list(leads),
            "as_of": stamp,
            "score": list(scores),
            "band": ["A" if score >= 50 else "B" for score in scores],
            "probability": [score / 100 for score in scores],
            "percentile": [score / 101 for score in scores],
            "trend": ["steady"] * len(leads),
            "reasons": [[{**reason, "text": f"Visited {score} pages"}] for score in scores],
            "model_version": [model] * len(leads),
            "scored_at": stamp,
            "run_id": [f"score-{as_of}"] * len(leads),
        }
    )
    pq.write_table(table, path)


def write_standings(path: Path, standings: Sequence[str | None]) -> None:
    """Let reps' answers stand on the leads of a score file: disqualified ones have no band."""
    table = pq.read_table(path)
    out = [each == "disqualified" for each in standings]
    band = [
        None if gone else each for each, gone in zip(table["band"].to_pylist(), out, strict=True)
    ]
    table = table.set_column(table.column_names.index("band"), "band", pa.array(band, pa.string()))
    why = ["no budget" if gone else None for gone in out]
    for name, column in (("standing", list(standings)), ("standing_reason", why)):
        table = table.append_column(name, pa.array(column, pa.string()))
    pq.write_table(table, path)


class SteppingTransport(httpx.BaseTransport):
    """Counts two I/O steps per request: before it leaves, and after it was answered.

    From a step on it may lose the way to the CRM for some requests: a name that no server knows,
    or a server that does not speak TLS.
    """

    def __init__(self, step: Callable[[], int], job: Job) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._inner = httpx.HTTPTransport(verify=context)
        self._step, self._job = step, job
        self._lost = LOST if job.lost_at else 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._step() >= self._job.lost_at and self._lost:
            self._lost -= 1
            away = {"host": "no-such-host.invalid"} if self._job.lost_how == "DNS" else {}
            request.url = request.url.copy_with(**(away or {"scheme": "https"}))
        response = self._inner.handle_request(request)
        response.read()
        self._step()
        return response

    def close(self) -> None:
        self._inner.close()


def start(url: str, job: Job, crm: type[RestCrm] = RestCrm) -> int:
    """Fork a process that runs one write-back; give its id."""
    _count[:] = struct.pack("q", 0)
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(_child(url, job, crm))
    return pid


def finish(pids: Sequence[int], jobs: Sequence[Job]) -> list[Outcome]:
    """Wait for all; those that were paused go on only after the others have ended."""
    paused: list[int] = []
    codes: dict[int, int] = {}
    for pid in pids:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            paused.append(pid)
        else:
            codes[pid] = os.waitstatus_to_exitcode(status)
    for pid in paused:
        if len(pids) == 1:
            time.sleep(0.01)
        os.kill(pid, signal.SIGCONT)
        codes[pid] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    steps = struct.unpack("q", _count[:])[0]
    return [
        Outcome(codes[pid], steps, result=_result(job)) for pid, job in zip(pids, jobs, strict=True)
    ]


def run(url: str, job: Job, crm: type[RestCrm] = RestCrm) -> Outcome:
    """Run one write-back to its end."""
    began = time.perf_counter()
    outcome = finish([start(url, job, crm)], [job])[0]
    outcome.seconds = time.perf_counter() - began
    return outcome


def _child(url: str, job: Job, crm: type[RestCrm]) -> int:
    signal.alarm(120)
    gc.disable()
    with contextlib.suppress(OSError):
        (job.state / "result.json").unlink(missing_ok=True)
    steps = 0
    began: list[Path] = []  # score files that the run has begun to read

    def step() -> int:
        nonlocal steps
        steps += 1
        _count[:] = struct.pack("q", steps)
        if steps == job.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if steps == job.stop_at:
            os.kill(os.getpid(), signal.SIGSTOP)
        if steps == job.term_at:
            os.kill(os.getpid(), signal.SIGTERM)
        if steps >= job.promote_at and job.promoted and began and job.promoted.exists():
            job.promoted.replace(job.scores)
        return steps

    try:
        _interpose(job, step, began)
        if job.broken:
            job.broken()
        target = crm(
            url,
            ("127.0.0.1",),
            ("user", "password"),
            timeout_s=job.timeout_s,
            transport=SteppingTransport(step, job),
        )
        result = product.write_back(
            job.scores,
            project(),
            job.state,
            now=job.now,
            run_id=f"run-{os.getpid()}",
            retry_policy=replace(RETRY_POLICY, lease_s=job.lease_s),
            crm=target,
        )
        (job.state / "result.json").write_text(json.dumps({"sent": result.sent}))
    except OutsideError as error:
        _tell(job, f"4 {error}")
        return 4
    except InputError as error:
        _tell(job, f"2 {error}")
        return 2
    except BaseException:
        _tell(job, traceback.format_exc())
        return 1
    return 0


def _interpose(job: Job, step: Callable[[], int], began: list[Path]) -> None:
    """Count every SQL statement of the ledger and every file operation in the state folder."""
    read_scores = product.read_scores

    def read(
        path: Path, say_rule: Callable[[str], str] | None = None, *, disposition: bool = False
    ) -> Iterator[Chunk]:
        for chunk in read_scores(path, say_rule, disposition=disposition):
            began.append(path)
            yield chunk

    product.read_scores = read  # type: ignore[assignment]

    def open_store(where: str | Path | None) -> stores.Store:
        step()
        store = stores.SqliteStore(None if where is None else Path(where), timeout_s=0.3)
        store._connection.set_trace_callback(lambda _: step())
        return store

    product.open_store = ledger_place.open_store = open_store  # type: ignore[assignment]
    state = str(job.state)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove") and str(args[0]).startswith(state):
            step()

    sys.addaudithook(hook)
    if job.read_only:
        _be_read_only(job.state)
    if job.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.file_limit, job.file_limit))


def _be_read_only(state: Path) -> None:
    """Take this process the right to write the folder; root has it always, so be somebody else."""
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    else:
        state.chmod(0o555)


def _tell(job: Job, text: str) -> None:
    with contextlib.suppress(OSError), (job.state / "said.txt").open("a") as file:
        file.write(text + "\n")


def _result(job: Job) -> dict[str, Any]:
    try:
        return dict(json.loads((job.state / "result.json").read_text()))
    except (OSError, ValueError):
        return {}


def corrupt(state: Path, how: str, byte: int) -> None:
    """Damage a ledger as disks and people do."""
    path = state / "ledger.sqlite"
    if not path.exists():
        return
    data = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "overwritten":
        at = byte % max(1, len(data) - 64)
        data[at : at + 64] = b"\xa5" * 64
        path.write_bytes(data)
    elif how == "lost tail":  # what was committed last is gone, without a trace
        state.joinpath("ledger.sqlite-wal").unlink(missing_ok=True)
    else:
        path.write_bytes(b"not a database at all " * 100)


def cure(state: Path) -> None:
    """Do what the message says: move the damaged ledger away."""
    for path in state.glob("ledger.sqlite*"):
        path.unlink()


def readable(state: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(state / "ledger.sqlite")) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False


def scratch() -> Path:
    """Give a folder in memory where there is one: kill -9 does not test the disk."""
    base = (
        Path("/dev/shm")
        if os.access("/dev/shm", os.W_OK)
        else Path(os.environ.get("TMPDIR", "/tmp"))
    )
    folder = base / f"leadscore-faults-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
