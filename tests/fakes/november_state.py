"""The company of November 2026 in a folder of its own: project file, tables, state, service."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from serving.http.score_requests import Service
from serving.session import Session, open_session

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "state_2026_11.tar.xz"
NAME = "software_trial"


@dataclass(frozen=True, slots=True)
class November:
    """Where it was unpacked."""

    folder: Path

    @classmethod
    def unpack(cls, folder: Path) -> November:
        with tarfile.open(FIXTURE) as archive:
            archive.extractall(folder, filter="data")
        return cls(folder / "demo")

    @property
    def file(self) -> Path:
        return self.folder / "data" / "software_trial.toml"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def session_of(self, state: Path) -> Session:
        return open_session(self.file, state=state, threads=1)

    def session(self) -> Session:
        return self.session_of(self.state)

    def service(self) -> Service:
        """Load the champion and hold the leads, as `leadscore serve` does."""
        session = self.session()
        service = Service(session.project, session.registry, state=session.state)
        service.load()
        service.hold(session.read(kinds=service.current().kinds))
        return service
