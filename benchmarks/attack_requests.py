"""Requests that were damaged at random, answered in process: crashes and freezes are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.attack import Verdict
from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from tests.fakes.asgi_calls import RawRequest, attack
from tests.fakes.damaged_requests import damaged_requests
from tests.fakes.november_state import November

KEY = "ls_attack"
FREEZE_S = 0.1


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Send 10,000 of them, or 1,200."""
    n = 10_000 if full else 1_200
    company = November.unpack(place)
    service = company.service()
    limits = Limits(requests_per_second=1e9, burst=10**9)
    app = create_app(service, {"attack": digest(KEY)}, limits)
    good, leads = good_request(company)
    warm = [
        RawRequest(
            "GET",
            f"/v1/leads/{leads[0]}/score",
            b"",
            ((b"authorization", f"Bearer {KEY}".encode()),),
        )
    ]
    attack(app, warm * 3)
    found = attack(app, damaged_requests(good, KEY, leads, n, seed=7))
    counted = ", ".join(f"{status}: {count}" for status, count in sorted(found.statuses.items()))
    print(
        f"requests: {counted}; longest turn {found.longest_s * 1000:.0f} ms by {found.longest_by}"
    )
    for crash in found.crashes[:20]:
        print(f"  crash {crash}")
    frozen = found.longest_s > FREEZE_S
    return [
        (not found.crashes, f"crashes in {n:,} damaged requests", str(len(found.crashes)), "0"),
        (
            not frozen,
            "longest turn of the main thread",
            f"{found.longest_s * 1000:.0f} ms",
            "<= 100 ms",
        ),
    ]


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
