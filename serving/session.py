"""A project file, its state folder and its registry, opened once for a verb."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from data.buckets import Part
from data.clock import show
from data.errors import InputError
from data.project import load_project
from data.reading.read_tables import CrmData, read_lead_ids, read_with_notes, with_answers
from data.reading.rep_answers import AnswerFact
from data.reading.sources import Given
from data.reading.values import moment
from data.schema import Project
from data.store.crm_store import CrmStore
from data.store.cut_leads import cut_to, no_such_lead
from data.tables import Kind
from serving.answers.answer_facts import answer_facts
from serving.answers.answer_store import list_answers
from serving.answers.standing import AnsweredLead, answered_leads
from serving.crm.connectors import refuse_idle_keys
from training.state import StatePaths
from training.state_format import bring_up_to_date

if TYPE_CHECKING:
    from models.signature import Trust
    from serving.loaded_model import LoadedModel
    from training.registry import ModelVersion, Registry


@dataclass(frozen=True, slots=True)
class Session:
    """What every verb needs; `threads` is a number from 1.

    `file` is None where the project is not what a file says; `frames` stand in place of sources.
    """

    project: Project
    file: Path | None
    state: StatePaths
    tracking: str | None
    seed: int
    threads: int
    frames: Mapping[str, Given] = field(default_factory=dict)

    def read(
        self,
        leads: str | None = None,
        events: list[str] | None = None,
        kinds: Mapping[str, Kind] | None = None,
        *,
        part: Part | None = None,
        lead: str | None = None,
    ) -> CrmData:
        """Read the sources of the project, or other files of the same shape.

        `kinds` are a model's: columns are then read as they were in training. With `part` only the
        leads of that part are read, with `lead` those of the bucket of that lead: each row as the
        whole has it. The project's own sources are read through the store, which comes into being
        with the state folder: who only looks makes neither.
        """
        own = leads is None and events is None and not self.frames
        if own and self.state.folder.is_dir():
            crm = CrmStore(self.state.store).read(self.project, kinds, part=part, lead=lead)
        else:
            crm = read_with_notes(
                self.project,
                leads=leads,
                events=None if events is None else tuple(events),
                frames=self.frames,
                kinds=kinds,
            )
            crm = cut_to(crm, self.project, part=part, lead=lead)
        return with_answers(crm, self.answers_to_learn_from(), kinds)

    def answers_to_learn_from(self) -> tuple[AnswerFact, ...]:
        """Read what reps said, where the project learns from it."""
        if not self.project.train.answers or self.project.static:
            return ()
        return answer_facts(list_answers(self.state.feedback))

    def answered(self, reading: CrmData, as_of: int, at: int) -> dict[str, AnsweredLead]:
        """Say what reps' answers make of leads in a list of `as_of` that is made now, `at`."""
        answers = list_answers(self.state.feedback)
        return answered_leads(answers, reading.tables, as_of, outcomes=reading.outcomes, at=at)

    def require_lead(self, lead: str) -> None:
        """Refuse an id that the leads' table lacks, before a model or another table is read."""
        if not self.frames and CrmStore(self.state.store).has_lead(self.project, lead):
            return
        ids = read_lead_ids(self.project, self.frames)
        if not pc.any(pc.equal(ids, lead)).as_py():
            raise no_such_lead(lead, self.project, str(ids[0].as_py()))

    @property
    def registry(self) -> Registry:
        """Open the registry; the state folder is made where it is the default store."""
        from training.registry import Registry

        return Registry.of(
            self.state,
            self.project.project.name,
            self.tracking,
            trust=self.trust,
            allow=self.project.network.allow,
        )

    @property
    def trust(self) -> Trust:
        """Say whose signature a model needs, and with which key one is signed."""
        from models.signature import Trust

        artifact = self.project.artifact
        return Trust.of(
            os.environ.get(artifact.key, ""), demanded=artifact.signed, variable=artifact.key
        )

    def champion(self) -> ModelVersion | None:
        """Find the champion; None where there is none yet. No registry is made to look."""
        if self.tracking is None and not self.state.registry.is_file():
            return None
        return self.registry.champion()

    def model(self, reference: str) -> LoadedModel:
        """Find and load a model by version, alias or folder.

        InputError where the project lacks events that the model was trained on.
        """
        from serving.loaded_model import find_model
        from serving.lost_inputs import refuse_lost_events

        bands = self.project.score.bands
        model = find_model(self.registry, reference, threads=self.threads, bands=bands)
        refuse_lost_events(model.catalogue, self.project)
        return model

    def moment(self, as_of: str | None, reading: CrmData, key: str = "--as-of") -> int:
        """Read --as-of; left out, it is the end of observation. Errors name it by `key`."""
        until = reading.tables.observed_until
        if as_of is None:
            return until
        given = moment(as_of, self.project, key)
        if given > until:
            raise InputError(
                f"{show(given)} lies after the end of observation, {show(until)}: nothing is known "
                "of that time",
                argument=key,
                cure="leave it out, or set observed_until in the project file; a time without a "
                f"zone is one of {self.project.project.timezone}",
            )
        return given

    def earlier(self, since: str, as_of: int, key: str = "--since") -> int:
        """Read --since, a moment before `as_of`. A day without a time means its last moment.

        That is what the page of that day showed: its scores are made when the day is over.
        """
        text = since.strip()
        at = moment(text, self.project, key)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            following = date.fromisoformat(text) + timedelta(days=1)
            at = moment(following.isoformat(), self.project, key) - 1
        if at >= as_of:
            raise InputError(
                "is not before the moment that is explained",
                argument=key,
                cure="give an earlier day, or the time of day too",
            )
        return at

    @property
    def fingerprint(self) -> str:
        """Hash the project: a changed definition is another model."""
        given = self.file
        text = self.project.model_dump_json().encode() if given is None else given.read_bytes()
        return hashlib.sha256(text).hexdigest()[:16]


def open_session(
    file: Path | Mapping[str, object],
    *,
    frames: Mapping[str, Given] = MappingProxyType({}),
    overrides: Mapping[str, object] = MappingProxyType({}),
    state: Path | None = None,
    tracking: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
) -> Session:
    """Load the project (a file, or the dict that one holds) and find its folders.

    `frames` stand in place of sources, by the names that `data.read.read_tables` knows;
    `overrides` are dotted keys. Nothing is created; a state folder of an earlier format is
    brought to this one's.
    """
    project = load_project(file, overrides=overrides)
    refuse_idle_keys(project.write_back)
    paths = StatePaths.of(project, state)
    bring_up_to_date(paths)
    return Session(
        project=project,
        file=None if overrides or isinstance(file, Mapping) else file,
        state=paths,
        tracking=tracking,
        seed=project.train.seed if seed is None else seed,
        threads=threads or project.train.threads or os.cpu_count() or 1,
        frames=frames,
    )
