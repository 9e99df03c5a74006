"""Parts scored by a Dask cluster: equal bits, workers killed, schedulers gone, nothing shared."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from data.buckets import Part
from data.errors import InputError, OutsideError
from data.schema import NetworkSection
from serving import cluster as dask_cluster
from serving.cluster import open_cluster
from serving.parts import cluster_parts
from serving.parts.cluster_parts import NotShared, SentPart, do_sent_part, do_shared_part, files_of
from serving.parts.part_job import AskedRun, PartJob
from serving.parts.run_parts import PartsPlan, score_in_parts
from serving.session import Session, open_session
from tests.serving.parts.test_score_in_parts import AT, kept, scored

pytest.importorskip("distributed")
ROOT = Path(__file__).resolve().parents[3]


def silent(*_: object) -> None:
    """Show no progress."""


@dataclass
class Processes:
    """A scheduler and its workers, each a process."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    """Start a real scheduler and two workers; end them at the end."""
    file, dask = tmp_path / "scheduler.json", [sys.executable, "-m", "dask"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*dask, *words], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL
        )

    own = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    scheduler = start("scheduler", *own, "--scheduler-file", str(file))
    until = time.monotonic() + 60
    while not (file.is_file() and file.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]
    quiet = ("--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard")
    place = [str(tmp_path / f"w{number}") for number in (0, 1)]
    workers = [start("worker", address, *quiet, "--local-directory", each) for each in place]
    yield Processes(address, scheduler, workers)
    for each in (*workers, scheduler):
        each.kill()
        each.wait()


@pytest.fixture
def opened(company, tmp_path) -> Callable[[str], Session]:
    def made(name: str) -> Session:
        session = open_session(company.file, state=tmp_path / name, threads=2)
        session.state.folder.mkdir()
        here = NetworkSection(allow=("127.0.0.1",))
        return replace(session, project=session.project.model_copy(update={"network": here}))

    return made


def on_cluster(
    session: Session,
    model,
    address: str,
    on_part: Callable[[int, int], None],
    on_stage: Callable[[str], None] = silent,
):
    return score_in_parts(
        session,
        model,
        PartsPlan(6, cluster=address),
        AskedRun(AT, "r1"),
        accept=True,
        on_stage=on_stage,
        on_part=on_part,
    )


def test_two_workers_of_which_one_is_killed_score_what_one_process_scores(
    company, opened, processes
):
    expected = scored(opened("whole"), company.model, PartsPlan(1))

    def kill_one(done: int, _: int) -> None:
        if done == 1:
            processes.workers[0].send_signal(signal.SIGKILL)

    session = opened("cluster")
    night = on_cluster(session, company.model, processes.address, kill_one)
    assert (night, kept(session.state.folder)) == expected
    assert not session.state.parts.exists()


def test_a_scheduler_that_goes_away_is_one_line_and_nothing_is_written(company, opened, processes):
    session = opened("gone")

    def kill_scheduler(*_: int) -> None:
        processes.scheduler.send_signal(signal.SIGKILL)
        processes.scheduler.wait()

    with pytest.raises(OutsideError, match="went away") as refusal:
        on_cluster(session, company.model, processes.address, kill_scheduler)
    assert "\n" not in str(refusal.value)
    assert not session.state.scores.exists()
    assert not session.state.parts.exists()


def test_a_scheduler_without_workers_is_not_said_to_be_gone(
    company, opened, processes, monkeypatch
):
    for worker in processes.workers:
        worker.kill()
        worker.wait()
    monkeypatch.setattr(cluster_parts, "WITHOUT_WORKERS", 1.0)
    with pytest.raises(OutsideError, match=r"has had no worker for 1 seconds; start one"):
        on_cluster(opened("idle"), company.model, processes.address, silent)


def test_an_address_where_nothing_answers_is_one_line(monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(OutsideError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        open_cluster("tcp://127.0.0.1:9", workers=1, allow=["127.0.0.1"]),
    ):
        pass


def test_without_the_extra_the_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"pip install 'leadscore\[scale\]'"),
        open_cluster("local", workers=1),
    ):
        pass


def test_a_part_that_fails_three_times_is_named_and_stops_the_run(company, opened):
    """Its rows cannot be written: a folder stands where the file belongs."""
    session = opened("fails")

    def spoil(_: str) -> None:
        (session.state.parts / "part-002-of-006.parquet" / "x").mkdir(parents=True, exist_ok=True)

    with pytest.raises(OutsideError, match=r"part 2/6 failed 3 times: .* can't be written"):
        on_cluster(session, company.model, "local", silent, on_stage=spoil)
    assert not session.state.scores.exists()


def test_a_worker_that_shares_no_folder_scores_what_it_is_sent(company, opened, tmp_path):
    session, folder = opened("sent"), tmp_path / "here"
    folder.mkdir()
    job = PartJob.of(session, company.model, folder, AskedRun(AT, "r1"))
    assert do_shared_part(job, Part(1, 2)) == NotShared()
    for part in (Part(1, 2), Part(2, 2)):
        reading = job.read(part, company.model)
        sent = SentPart(job.give(reading, company.model), files_of(company.model.folder))
        arrived = pickle.loads(pickle.dumps((job, part, sent)))  # noqa: S301  # made above
        here = job.score(part, job.give(reading, company.model), company.model)
        assert do_sent_part(*arrived) == here
