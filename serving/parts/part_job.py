"""What a worker needs to score one part, and the scoring itself, in whichever process it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from data.buckets import Part
from data.errors import OutsideError
from data.reading.read_tables import CrmData
from serving.answers.standing import AnsweredLead
from serving.loaded_model import LoadedModel, load_model
from serving.newest_scores import read_bands
from serving.parts.part_manifest import PartManifest
from serving.parts.score_part import ScoredPart, score_part
from serving.run_moment import RunMoment
from serving.session import Session
from training.registry import ModelVersion
from training.state import StatePaths


@dataclass(frozen=True, slots=True)
class AskedRun:
    """A scoring run as it was asked for.

    `as_of` is None for the end of observation; `leads` and `events` name other files of the same
    shape, None the project's own.
    """

    scored_at: int
    run_id: str
    as_of: str | None = None
    leads: str | None = None
    events: tuple[str, ...] | None = None

    def moment(self, session: Session, reading: CrmData) -> RunMoment:
        """Find out as of when the run scores."""
        return RunMoment(
            session.moment(self.as_of, reading),
            self.scored_at,
            self.run_id,
            as_of_given=self.as_of is not None,
            own_sources=self.leads is None and self.events is None,
        )

    def read(self, session: Session, model: LoadedModel, part: Part | None = None) -> CrmData:
        """Read the sources, or a part of their leads, as they were read when the model learned."""
        events = None if self.events is None else list(self.events)
        return session.read(self.leads, events, model.kinds, part=part)


@dataclass(frozen=True, slots=True)
class PartJob:
    """Scores parts of a company into `folder`; it can be sent to another process.

    `model` is the folder of the artifact whose hash is `identity`; `fingerprint` is the project
    file's.
    """

    session: Session
    fingerprint: str
    model: Path
    version: str
    identity: str
    folder: Path
    asked: AskedRun
    threads: int = 1

    @classmethod
    def of(cls, session: Session, model: LoadedModel, folder: Path, asked: AskedRun) -> PartJob:
        """Describe the job in paths that hold in another process too."""
        state = StatePaths(session.state.folder.resolve())
        return cls(
            replace(session, state=state, frames=dict(session.frames)),
            session.fingerprint,
            model.folder.resolve(),
            model.version,
            model.identity,
            folder.resolve(),
            asked,
            session.threads,
        )

    def read(self, part: Part, model: LoadedModel) -> CrmData:
        """Read the leads of a part."""
        return self.asked.read(self.session, model, part)

    def give(self, reading: CrmData, model: LoadedModel) -> GivenPart:
        """Gather what the state folder says of the leads of a part."""
        session, run = self.session, self.asked.moment(self.session, reading)
        as_of = session.moment_of_scores(run.as_of, run.scored_at)
        bands = read_bands(
            session.state.scores,
            until=as_of,
            cuts=model.scorer.card.bands,
            tables=reading.tables,
        )
        answered = session.answered(reading, as_of, run.scored_at)
        return GivenPart(reading, replace(run, as_of=as_of), bands, answered)

    def score(self, part: Part, given: GivenPart, model: LoadedModel) -> ScoredPart:
        """Score a part of which everything is known."""
        return score_part(
            self.session.project,
            given.reading,
            model,
            part,
            given.run,
            fingerprint=self.fingerprint,
            threads=self.threads,
            previous_bands=given.bands,
            answered=given.answered,
        )

    def load(self) -> LoadedModel:
        """Load the model in this process, once."""
        return load_model_once(self, self.model)


@dataclass(frozen=True, slots=True)
class GivenPart:
    """Everything about the leads of a part that scoring them needs, beside the model."""

    reading: CrmData
    run: RunMoment
    bands: Mapping[str, str] | None
    answered: Mapping[str, AnsweredLead]


def do_part(job: PartJob, part: Part) -> PartManifest:
    """Score one part into the job's folder, in this process."""
    model = job.load()
    reading = job.read(part, model)
    return job.score(part, job.give(reading, model), model).write(job.folder)


def load_model_once(job: PartJob, folder: Path) -> LoadedModel:
    """Load an artifact; OutsideError where it is another model than the job's."""
    cuts = tuple(sorted(job.session.project.score.bands.items()))
    model = _load(folder, job.version, job.threads, cuts)
    if model.identity != job.identity:
        raise OutsideError(
            f"{folder} holds another model than this run's: {model.identity}, not {job.identity}"
        )
    return model


@lru_cache(maxsize=1)
def _load(
    folder: Path, version: str, threads: int, cuts: tuple[tuple[str, float], ...]
) -> LoadedModel:
    return load_model(ModelVersion(version, folder, {}), threads=threads, bands=dict(cuts))
