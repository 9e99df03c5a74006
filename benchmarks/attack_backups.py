"""Backups taken while jobs run, each restored elsewhere with the original gone: is it whole?"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.attack import Verdict
from serving.upkeep.backup import back_up, restore
from serving.upkeep.doctor import examine
from tests.fakes.november_state import NAME, November
from tests.golden.product import Run, leadscore
from training.state import StatePaths

OF_THE_RUN = ["run_id", "scored_at", "model_version"]
JOBS = """
while true; do
  "$0" -W ignore -m leadscore score "$1" --state "$2" --accept
  "$0" -W ignore -m leadscore write-back "$1" --state "$2"
  "$0" -W ignore -m leadscore feedback "$1" L0000187 note --because busy --state "$2"
  {train}
done
"""
TRAIN = '"$0" -W ignore -m leadscore train "$1" --fast --learner logistic --state "$2"'


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Take 50 backups, or 2; score in each, and train in 5 of them, or in none."""
    n, trained = (50, 5) if full else (2, 0)
    company = November.unpack(place / "own")
    reference = _scores(company, company.state, place)
    archives = [place / f"{number}.tar.gz" for number in range(n)]
    with jobs_running(company, train=full):
        for archive in archives:
            back_up(StatePaths(company.state), NAME, archive, at=0)
            time.sleep(3 if full else 0.5)
    shutil.move(company.state, place / "gone")
    whole = same = learned = 0
    for number, archive in enumerate(archives):
        state = StatePaths(place / f"restored{number}")
        restore(state, NAME, archive)
        session = company.session_of(state.folder)
        wrong = [each for each in examine(session, at=0) if each.condition == "wrong"]
        lost = [each for each in wrong if each.check != "disk"]
        for each in lost:
            print(f"  backup {number}: {each.check}: {each.words}")
        whole += not lost
        scored = _scores(company, state.folder, place) if full or number == 0 else reference
        same += scored == reference
        if number < trained:
            ended = _run(company, "train", state.folder, "--fast", "--learner", "logistic")
            learned += ended.code in (0, 3)
        shutil.rmtree(state.folder)
    words = f"backups during jobs that restore whole, of {n}"
    bars: list[Verdict] = [(whole == n, words, str(whole), str(n))]
    bars.append((same == n, f"of them score as before, of {n}", str(same), str(n)))
    if trained:
        bars.append((learned == trained, "of them train", str(learned), str(trained)))
    return bars


@contextmanager
def jobs_running(company: November, *, train: bool) -> Iterator[None]:
    """Score, write back and answer in a loop of processes; killed at the end, wherever they are."""
    script = JOBS.format(train=TRAIN if train else "")
    command = ["sh", "-c", script, sys.executable, str(company.file), str(company.state)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as jobs:
        try:
            yield
        finally:
            os.killpg(jobs.pid, signal.SIGKILL)


def _scores(company: November, state: Path, place: Path) -> bytes:
    """Score by the first model; without what names run and clock."""
    out = place / "scores.parquet"
    ended = _run(company, "score", state, "--model", "1", "--accept", "--out", out)
    if ended.code != 0:
        print(f"  {ended.err[-300:]}")
        return ended.err.encode()
    sink = io.BytesIO()
    table = pq.read_table(out).drop_columns(OF_THE_RUN).replace_schema_metadata(None)
    pq.write_table(table, sink)
    return sink.getvalue()


def _run(company: November, verb: str, state: Path, *options: object) -> Run:
    return leadscore(verb, company.file, "--state", state, *options)
