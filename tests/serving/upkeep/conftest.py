"""A company with a state folder of November 2026, unpacked: models, scores, ledger, answers."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.golden.product import Run, leadscore
from training.state import StatePaths

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "state_2026_11.tar.xz"


@dataclass(frozen=True)
class Kept:
    """A project file and a copy of the state folder."""

    file: Path
    state: Path

    def run(self, verb: str, *arguments: object) -> Run:
        return leadscore(verb, self.file, *arguments, "--state", self.state)

    @property
    def paths(self) -> StatePaths:
        return StatePaths(self.state)


@pytest.fixture(scope="session")
def november(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("november")
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "demo"


@pytest.fixture
def kept(november: Path, tmp_path: Path) -> Kept:
    shutil.copytree(november / "state", tmp_path / "state")
    return Kept(november / "data" / "software_trial.toml", tmp_path / "state")
