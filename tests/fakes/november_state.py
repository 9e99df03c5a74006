"""The company of November 2026 in a folder of its own: project file, tables, state, service."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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


def good_request(company: November) -> tuple[dict[str, Any], list[str]]:
    """Write a request for one lead with its touches, and list some ids."""
    data = company.file.parent
    leads = pd.read_parquet(data / "leads.parquet")
    lead = leads.iloc[5]
    touches = pd.read_parquet(data / "touches.parquet")
    accounts = pd.read_parquet(data / "accounts.parquet").set_index("account_id", drop=False)
    mine = touches[touches["lead_id"] == lead["lead_id"]].head(10)
    body = {
        "as_of": "2026-09-01T00:00:00Z",
        "leads": [
            {
                "attributes": plain(lead.to_dict()),
                "events": {"0": [plain(row) for row in mine.to_dict("records")]},
                "joined": {"0": plain(accounts.loc[lead["account_id"]].to_dict())},
            }
        ],
    }
    return body, [str(each) for each in leads["lead_id"].head(20)]


def plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Write a row as JSON holds it."""

    def value(given: Any) -> Any:
        if isinstance(given, pd.Timestamp):
            return given.isoformat()
        return None if pd.isna(given) else given.item() if isinstance(given, np.generic) else given

    return {str(name): value(given) for name, given in row.items()}
