"""A small simulated company, trained once: the road that several tests walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.reading.read_tables import CrmData
from data.world import make_world, write_world
from serving.loaded_model import LoadedModel
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.session import Session, open_session
from serving.verbs import train_model
from serving.worklist.pages.report_input import ReportInput
from tests.fakes.made_once import made_once
from training.publish import Published
from training.trained_model import TrainedModel

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "software_trial.toml"


@dataclass(frozen=True)
class Company:
    """A project with its champion; `file` is the project file, tables lie beside it."""

    file: Path
    session: Session
    reading: CrmData
    model: LoadedModel


def silent(_: str) -> None:
    """Show no progress."""


@pytest.fixture(scope="session")
def quiet() -> Callable[[str], None]:
    return silent


def train_company(folder: Path) -> tuple[TrainedModel, Published]:
    """Simulate the company, train its champion, and leave both in the folder."""
    write_world(make_world("software_trial", 2000, 7), folder, project=EXAMPLE)
    session = open_session(folder / EXAMPLE.name, state=folder / "state", threads=1)
    return train_model(session, session.read(), fast=True, on_stage=silent)


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = made_once(tmp_path_factory, "company", train_company)
    file = folder / EXAMPLE.name
    session = open_session(file, state=folder / "state", threads=1)
    return Company(file, session, session.read(), session.model("champion"))


@pytest.fixture(scope="module")
def source(company: Company) -> ReportInput:
    """Score the open leads of the company as of the end of its data: what pages are made of."""
    project, reading = company.session.project, company.reading
    scored = score_leads(
        project,
        reading.tables,
        reading.outcomes,
        company.model,
        RunMoment(reading.tables.observed_until, 0, "r1"),
        for_report=True,
    )
    return ReportInput(project, reading, company.model, scored, "p.toml", 1)
