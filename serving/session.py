"""A project file, its state folder and its registry, opened once for a verb."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import InputError
from data.project import load_project
from data.reading.read_tables import CrmData, read_with_notes
from data.reading.values import moment
from data.schema import Project
from data.tables import Kind
from training.state import StatePaths

if TYPE_CHECKING:
    from serving.loaded_model import LoadedModel
    from training.registry import Registry


@dataclass(frozen=True, slots=True)
class Session:
    """What every verb needs; `threads` is a number from 1."""

    project: Project
    file: Path
    state: StatePaths
    tracking: str | None
    seed: int
    threads: int

    def read(
        self,
        leads: str | None = None,
        events: list[str] | None = None,
        kinds: Mapping[str, Kind] | None = None,
    ) -> CrmData:
        """Read the sources of the project, or other files of the same shape.

        `kinds` are a model's: columns are then read as they were in training.
        """
        return read_with_notes(
            self.project,
            leads=leads,
            events=None if events is None else tuple(events),
            kinds=kinds,
        )

    @property
    def registry(self) -> Registry:
        """Open the registry; the state folder is made where it is the default store."""
        from models.signature import Trust
        from training.registry import Registry

        artifact = self.project.artifact
        trust = Trust.of(
            os.environ.get(artifact.key, ""), demanded=artifact.signed, variable=artifact.key
        )
        return Registry.of(
            self.state,
            self.project.project.name,
            self.tracking,
            trust=trust,
            allow=self.project.network.allow,
        )

    def model(self, reference: str) -> LoadedModel:
        """Find and load a model by version, alias or folder."""
        from serving.loaded_model import find_model

        return find_model(self.registry, reference, threads=self.threads)

    def moment(self, as_of: str | None, reading: CrmData) -> int:
        """Read --as-of; left out, it is the end of observation."""
        until = reading.tables.observed_until
        if as_of is None:
            return until
        given = moment(as_of, self.project, "--as-of")
        if given > until:
            raise InputError(
                "lies after the end of observation: nothing is known of that time",
                column="--as-of",
                cure="leave it out, or set observed_until in the project file",
            )
        return given

    @property
    def fingerprint(self) -> str:
        """Hash the project file: a changed definition is another model."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()[:16]


def open_session(
    file: Path,
    *,
    state: Path | None = None,
    tracking: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
) -> Session:
    """Load the project file and find its folders; nothing is created."""
    project = load_project(file)
    return Session(
        project=project,
        file=file,
        state=StatePaths.of(project, state),
        tracking=tracking,
        seed=project.train.seed if seed is None else seed,
        threads=threads or project.train.threads or os.cpu_count() or 1,
    )
