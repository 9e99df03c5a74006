"""Parts scored by the workers of a Dask cluster: a worker killed costs the time of its part.

A worker that sees the folder of the parts reads its part and writes it there, and answers with
the manifest alone. One that does not gets what it needs of its part, and answers with the rows.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from data.buckets import Part
from data.errors import LeadScoreError, OutsideError
from data.files import write_text
from models.predictor import MANIFEST, read_artifact
from serving.cluster import open_cluster
from serving.loaded_model import LoadedModel
from serving.parts.part_job import GivenPart, PartJob, do_part, load_model_once
from serving.parts.part_manifest import PartManifest
from serving.parts.score_part import ScoredPart

if TYPE_CHECKING:
    from distributed import Client, Future

TRIES: Final = 3
SHARED: Final = "shared"
"""The file by which a worker knows that it sees the folder of the parts."""
MODEL: Final = "model"
WITHOUT_WORKERS: Final = 60.0
"""Seconds for which a cluster may be without any worker."""
WITHOUT_PARTS: Final = 3600.0
"""Seconds in which at least one part must be done."""
TICK: Final = 2.0
ANSWER: Final = 60
"""Seconds in which a done part must be fetched."""


@dataclass(frozen=True, slots=True)
class NotShared:
    """The answer of a worker that does not see the folder of the parts."""


@dataclass(frozen=True, slots=True)
class SentPart:
    """What a worker without the folder gets of a part, and the files of the model."""

    given: GivenPart
    model: Mapping[str, bytes]


def score_on_cluster(
    address: str,
    job: PartJob,
    parts: Sequence[Part],
    model: LoadedModel,
    *,
    workers: int,
    on_part: Callable[[int, int], None],
) -> None:
    """Score all parts into the job's folder, each once.

    InputError where the project does not allow its host. OutsideError where a worker has another
    leadscore, a part failed three times, no worker is left or the scheduler is gone.
    """
    shutil.copytree(job.model, job.folder / MODEL, dirs_exist_ok=True)
    write_text(job.folder / SHARED, job.asked.run_id)
    single = replace(job, threads=1, model=job.folder / MODEL)
    allow = job.session.project.network.allow
    with open_cluster(address, workers=min(workers, len(parts)), allow=allow) as client:
        _ClusterRun(client, address, single, model, len(parts), on_part).score(parts)


@dataclass(slots=True)
class _ClusterRun:
    """The parts at work, by their future, those that wait, and how often each has failed.

    No more are handed out than there are threads of workers: a part that only waited with a worker
    that is killed would count as one that it was killed by.
    """

    client: Client
    address: str
    job: PartJob
    model: LoadedModel
    total: int
    on_part: Callable[[int, int], None]
    waiting: deque[Part] = field(default_factory=deque)
    at_work: dict[Future[Any], Part] = field(default_factory=dict)
    failed: Counter[Part] = field(default_factory=Counter)
    alone: set[Part] = field(default_factory=set)  # parts whose workers see no folder
    done: int = 0
    moved_at: float = 0.0
    worked_at: float = 0.0

    def score(self, parts: Sequence[Part]) -> None:
        """Hand out the parts and take them in until all are there."""
        import distributed

        first_completed: Any = partial(distributed.wait, return_when="FIRST_COMPLETED")
        self.moved_at = self.worked_at = monotonic()
        try:
            self._refuse_other_versions()
            self.waiting.extend(parts)
            while self.waiting or self.at_work:
                self._look_at_cluster()
                if not self.at_work:  # no worker is there
                    sleep(TICK)
                    continue
                try:
                    over = first_completed(list(self.at_work), timeout=TICK).done
                except TimeoutError:
                    over = set()
                for future in over:
                    self._take(future)
        except LeadScoreError:
            raise
        except (OSError, TimeoutError, distributed.CancelledError, RuntimeError) as error:
            raise OutsideError(
                f"the Dask scheduler at {self.address} went away: {type(error).__name__}",
                cure="start it, and score again",
            ) from None

    def _refuse_other_versions(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=WITHOUT_WORKERS)
        except TimeoutError:
            self._refuse_if_gone()
            raise self._without_workers() from None
        ours, name = version("leadscore"), "leadscore"
        found = self.client.run(version, name, on_error="return")
        for worker, theirs in sorted(found.items()):
            if isinstance(theirs, Exception):
                raise OutsideError(f"worker {worker} has no leadscore", cure="install it there")
            if theirs != ours:
                raise OutsideError(
                    f"worker {worker} has leadscore {theirs}, and this is {ours}",
                    cure="install the same version on all",
                )

    def _hand_out(self, part: Part) -> None:
        number = self.failed[part] + (TRIES if part in self.alone else 0)
        submit: Any = self.client.submit
        key = f"part-{part.number}-of-{part.of}-{self.job.asked.run_id}-{number}"
        if part in self.alone:
            reading = self.job.read(part, self.model)
            given = self.job.give(reading, self.model)
            sent = SentPart(given, files_of(self.job.model))
            held: object = self.client.scatter(sent, hash=False)  # type: ignore[no-untyped-call]
            slim = replace(self.job, session=replace(self.job.session, frames={}))
            future = submit(do_sent_part, slim, part, held, key=key, pure=False)
        else:
            future = submit(do_shared_part, self.job, part, key=key, pure=False)
        self.at_work[future] = part

    def _take(self, future: Any) -> None:
        """Take one answer in; a part that failed goes out again, before the others."""
        part = self.at_work.pop(future)
        if future.status == "finished":
            answer = future.result(timeout=ANSWER)
            if isinstance(answer, NotShared):
                self.alone.add(part)
                self.waiting.appendleft(part)
                return
            if isinstance(answer, ScoredPart):
                if answer.manifest.part != part:
                    raise OutsideError(f"a worker answered with another part than {part.number}")
                answer.write(self.job.folder)
            self.done, self.moved_at = self.done + 1, monotonic()
            self.on_part(self.done, self.total)
            return
        self._refuse_if_gone()
        error = self._cause(future)
        if isinstance(error, LeadScoreError) and not isinstance(error, OutsideError):
            raise error  # the same anywhere
        self.failed[part] += 1
        if self.failed[part] >= TRIES or type(error).__name__ == "KilledWorker":
            raise OutsideError(
                f"part {part.number}/{part.of} failed {_times(error, self.failed[part])}: "
                f"{_words(error)}",
                cure="look at the worker's log; more parts need less memory each",
            )
        self.waiting.appendleft(part)

    def _cause(self, future: Any) -> BaseException:
        if future.status == "cancelled":  # what was sent lay with workers that are gone
            return RuntimeError("its data were lost with a worker")
        error: BaseException = future.exception(timeout=ANSWER)
        return error

    def _look_at_cluster(self) -> None:
        """Hand out as many parts as there are threads for; refuse to wait for nothing."""
        self._refuse_if_gone()
        threads_of: Any = self.client.nthreads
        now, threads = monotonic(), sum(threads_of().values())
        if threads:
            self.worked_at = now
        while self.waiting and len(self.at_work) < threads:
            self._hand_out(self.waiting.popleft())
        if now - self.worked_at > WITHOUT_WORKERS:
            raise self._without_workers()
        if now - self.moved_at > WITHOUT_PARTS:
            raise OutsideError(
                f"no part was done within {WITHOUT_PARTS / 60:.0f} minutes",
                cure="give more parts, or look at the workers",
            )

    def _without_workers(self) -> OutsideError:
        return OutsideError(
            f"the Dask cluster at {self.address} has had no worker for "
            f"{WITHOUT_WORKERS:.0f} seconds",
            cure="start one (dask worker), and score again",
        )

    def _refuse_if_gone(self) -> None:
        if self.client.status != "running":
            raise OutsideError(
                f"the Dask scheduler at {self.address} went away", cure="start it, and score again"
            )


def files_of(folder: Path) -> dict[str, bytes]:
    """Read all files of an artifact after their hashes were checked."""
    return {**read_artifact(folder), MANIFEST: (folder / MANIFEST).read_bytes()}


def do_shared_part(job: PartJob, part: Part) -> PartManifest | NotShared:
    """Score a part on a worker that sees the folder of the parts; say so where it does not."""
    try:
        if (job.folder / SHARED).read_text(encoding="utf-8") != job.asked.run_id:
            return NotShared()
    except OSError:
        return NotShared()
    return do_part(job, part)


def do_sent_part(job: PartJob, part: Part, sent: SentPart) -> ScoredPart:
    """Score a part on a worker that has nothing but what was sent."""
    model = load_model_once(job, _unpacked(job.identity, sent.model))
    return job.score(part, sent.given, model)


_UNPACKED: Final[dict[str, tempfile.TemporaryDirectory[str]]] = {}
_UNPACKING: Final = Lock()


def _unpacked(identity: str, files: Mapping[str, bytes]) -> Path:
    """Write a model's files to a folder of this process, once; it goes with the process."""
    with _UNPACKING:
        if identity not in _UNPACKED:
            made = tempfile.TemporaryDirectory(prefix="leadscore-model-")
            for name, raw in files.items():
                (Path(made.name) / name).write_bytes(raw)
            _UNPACKED[identity] = made
        return Path(_UNPACKED[identity].name)


def _times(error: BaseException, count: int) -> str:
    killed = type(error).__name__ == "KilledWorker"
    return "with every worker that tried it" if killed else f"{count} times"


def _words(error: BaseException) -> str:
    if type(error).__name__ == "KilledWorker":
        return "each was killed"
    if isinstance(error, LeadScoreError):
        return str(error)
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
