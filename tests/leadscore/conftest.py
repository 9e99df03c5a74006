"""A small simulated company, trained once by the door: what these tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import leadscore as ls


@dataclass(frozen=True)
class Trained:
    """A company, its CRM read with a state folder, its model, and what the gate said of it."""

    company: ls.SimulatedCompany
    file: Path
    state: Path
    crm: ls.CrmProject
    model: ls.LeadModel
    published: ls.Publication


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("company")
    company = ls.simulate("software_trial", leads=2000, seed=7)
    file = company.write(folder / "data")
    crm = ls.read(file, state=folder / "state", threads=1)
    model = ls.train(crm, fast=True)
    return Trained(company, file, folder / "state", crm, model, ls.publish(model))
