"""A company in parts, scored one after the other, by several processes, or by a cluster.

The parts lie in the state folder while a run lasts, and are put together at its end.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.buckets import Part
from data.errors import OutsideError
from data.part import buckets_of_rows
from data.reading.read_tables import CrmData
from data.store.cut_leads import take_rows
from serving.loaded_model import LoadedModel
from serving.parts.gather_parts import ScoredNight, gather_parts
from serving.parts.part_job import AskedRun, PartJob, do_part
from serving.parts.parts_lock import clear_parts, only_parts
from serving.session import Session
from training.state import StatePaths

Counted = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PartsPlan:
    """How a company is cut and who scores: so many `processes` here, or the `cluster`."""

    parts: int = 1
    processes: int = 1
    cluster: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is scored in one piece, in this process."""
        return self.parts == 1 and self.cluster is None


def score_in_parts(
    session: Session,
    model: LoadedModel,
    plan: PartsPlan,
    asked: AskedRun,
    *,
    reading: CrmData | None = None,
    accept: bool = False,
    on_stage: Callable[[str], None],
    on_part: Counted = lambda _done, _total: None,
) -> ScoredNight:
    """Score all open leads part by part, guard the night, and keep the run.

    Each part is read by itself, or cut from `reading`, which holds all. The run is the same, bit
    for bit, in however many parts.
    """
    with _folder_of_parts(session.state) as folder:
        job = PartJob.of(session, model, folder, asked)
        on_stage("scores and reasons")
        parts = [Part(number, plan.parts) for number in range(1, plan.parts + 1)]
        if plan.cluster is not None:
            from serving.parts.cluster_parts import score_on_cluster

            score_on_cluster(
                plan.cluster, job, parts, model, workers=session.threads, on_part=on_part
            )
        elif plan.processes > 1:
            _by_processes(job, parts, plan.processes, on_part)
        else:
            _one_by_one(job, parts, model, reading, on_part)
        return gather_parts(
            session, model, folder, run_id=asked.run_id, accept=accept, on_stage=on_stage
        )


def _one_by_one(
    job: PartJob,
    parts: list[Part],
    model: LoadedModel,
    whole: CrmData | None,
    on_part: Counted,
) -> None:
    buckets = None if whole is None else buckets_of_rows(whole.tables)
    for done, part in enumerate(parts, 1):
        if whole is None or buckets is None:
            reading = job.read(part, model)
        else:
            reading = take_rows(whole, np.flatnonzero(part.holds(buckets)))
        job.score(part, job.give(reading, model), model).write(job.folder)
        on_part(done, len(parts))


def _by_processes(job: PartJob, parts: list[Part], processes: int, on_part: Counted) -> None:
    """Score parts by processes of one thread each; OutsideError names the part that ended one."""
    single = replace(job, threads=1)
    context = multiprocessing.get_context("spawn")  # a fork would copy threads that hold locks
    pool = ProcessPoolExecutor(min(processes, len(parts)), mp_context=context)
    try:
        waiting = {pool.submit(do_part, single, part): part for part in parts}
        for done, future in enumerate(as_completed(waiting), 1):
            future.result()
            on_part(done, len(parts))
    except BrokenProcessPool:
        raise OutsideError(
            "a process that scored a part was killed", cure="give more parts, or less --memory"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _folder_of_parts(state: StatePaths) -> Iterator[Path]:
    """Give an empty folder for the parts of one run, and remove it at its end.

    OutsideError where another run in parts goes on; what a killed one left is removed.
    """
    state.folder.mkdir(parents=True, exist_ok=True)
    with only_parts(state):
        clear_parts(state)
        state.parts.mkdir(mode=0o700)
        try:
            yield state.parts
        finally:
            shutil.rmtree(state.parts, ignore_errors=True)
