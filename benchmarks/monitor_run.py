"""A simulated company -> what monitor and guard say of it, in process and by the commands."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.monitor_world import WEEK, Company
from data.clock import NEVER
from data.project import load_project
from data.reading.read_tables import CrmData, read_with_notes
from data.reading.sort_events import assemble
from data.schema import Project
from data.tables import Outcomes, Tables
from serving.loaded_model import LoadedModel
from serving.session import open_session
from serving.verbs import train_model
from training.watch.breach import Breach
from training.watch.model_watch import watch_model
from training.watch.night_checks import check_night
from training.watch.night_profile import NightProfile, profile_of_night
from training.watch.signal import Signal

PROJECT = """
[project]
name = "simulated"
[leads]
source = "leads.parquet"
id = "lead"
created_at = "created"
converted_at = "converted"
disqualified_at = "closed"
owner = "owner"
email = "email"
fixed = ["source", "size"]
exclude = ["owner", "email"]
[[events]]
source = "web.parquet"
lead = "lead"
at = "at"
recorded_at = "recorded"
type = "type"
[[events]]
source = "mail.parquet"
lead = "lead"
at = "at"
recorded_at = "recorded"
type = "type"
[conversion]
horizon = "90d"
snapshots = ["1d", "7d", "30d"]
[train]
windows = [30]
"""


def as_times(column: pd.Series[int]) -> pd.Series[pd.Timestamp]:
    """Turn microseconds into UTC timestamps, NEVER into missing ones."""
    missing = column == NEVER
    times = pd.to_datetime(column.where(~missing, 0), unit="us", utc=True).dt.as_unit("us")
    return times.mask(missing)


def tables_of(company: Company) -> dict[str, pd.DataFrame]:
    """Write the frames as an export has them."""
    leads = company.leads.reset_index()
    for name in ("created", "converted", "closed"):
        leads[name] = as_times(leads[name])
    events = {}
    for name, frame in (("web", company.web), ("mail", company.mail)):
        events[name] = frame.assign(at=as_times(frame["at"]), recorded=as_times(frame["recorded"]))
    return {"leads": leads, **events}


def project_at(as_of: int) -> Project:
    """Give the project whose observation ends at `as_of`."""
    raw = tomllib.loads(PROJECT)
    raw["project"]["observed_until"] = str(np.datetime64(as_of, "us"))
    return load_project(raw)


def read(company: Company, as_of: int) -> CrmData:
    """Read an export in process."""
    frames = tables_of(company)
    given = {"leads": frames["leads"], "events.0": frames["web"], "events.1": frames["mail"]}
    crm = read_with_notes(project_at(as_of), frames=given)
    names = ["leads", "web", "mail", "conversions"]
    feeds = [replace(feed, name=name) for feed, name in zip(crm.feeds, names, strict=True)]
    return CrmData(crm.tables, crm.outcomes, crm.notes, tuple(feeds))


def bare(company: Company, as_of: int) -> tuple[Tables, Outcomes]:
    """Give when leads came and what became of them, without events and columns."""
    leads, n = company.leads, len(company.leads)
    tables = Tables(
        lead_ids=leads.index.to_numpy(object),
        created_at=leads["created"].to_numpy(np.int64),
        recorded_at=None,
        account=np.full(n, -1),
        attributes=(),
        events=assemble([], (), np.full(n, NEVER), None),
        display=pd.DataFrame(index=pd.RangeIndex(n)),
        observed_until=as_of,
    )
    converted, closed = (leads[name].to_numpy(np.int64) for name in ("converted", "closed"))
    return tables, Outcomes(converted, closed, as_of)


def write_files(company: Company, folder: Path, as_of: int) -> Path:
    """Write an export and its project file; the project file is the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables_of(company).items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    file = folder / "simulated.toml"
    until = f'observed_until = "{np.datetime64(as_of, "us")}"'
    file.write_text(PROJECT.replace('name = "simulated"', f'name = "simulated"\n{until}'))
    return file


def train_by_command(company: Company, as_of: int, folder: Path) -> LoadedModel:
    """Train as `leadscore train --fast --learner logistic` does, and load the champion."""
    file = write_files(company.until(as_of), folder, as_of)
    session = open_session(file, state=folder / "state", threads=1)
    train_model(session, session.read(), fast=True, learner="logistic", on_stage=lambda _: None)
    if session.registry.champion() is None:
        session.registry.promote("1")
    return session.model("champion")


@dataclass(frozen=True)
class Looker:
    """Looks at a company with one model, as the commands do."""

    model: LoadedModel

    def monitor(self, crm: CrmData, as_of: int) -> list[Signal]:
        """Say what `leadscore monitor` says."""
        return watch_model(
            project_at(as_of),
            crm.tables,
            crm.outcomes,
            crm.feeds,
            self.model.watched,
            as_of=as_of,
            threads=1,
        )

    def night(self, crm: CrmData, as_of: int) -> NightProfile:
        """Count a night as the guard of `leadscore score` does, without scores."""
        return profile_of_night(
            crm.tables,
            crm.outcomes,
            crm.feeds,
            score=np.empty(0),
            top=100.0,
            as_of=as_of,
            scored_at=as_of,
            model_version="1",
        )

    def guard(self, now: NightProfile, then: NightProfile) -> list[Breach]:
        """Compare a night with the last good one."""
        return check_night(now, then, declared_end=True)


def lights(signals: list[Signal]) -> list[Signal]:
    """Leave out the age of the model, which is a fact and no finding."""
    return [s for s in signals if s.state != "green" and s.name != "age of the model"]


def by_command(file: Path, state: Path) -> list[dict[str, str]]:
    """Run `leadscore monitor --json` in a process of its own."""
    found = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "leadscore", "monitor", str(file)),
            *("--state", str(state), "--threads", "1", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode not in (0, 3):
        raise RuntimeError(found.stderr)
    answer: list[dict[str, str]] = json.loads(found.stdout)["signals"]
    return answer


def moment_of(company: Company, week: int) -> int:
    """The moment at which a week has ended."""
    return company.start + week * WEEK
