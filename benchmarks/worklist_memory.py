"""Does a server of the live pages grow? Its memory over thousands of requests.

python -m benchmarks.worklist memory [--full]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from benchmarks.in_parts import Verdict
from benchmarks.worklist_load import PASSWORD, add_people, serving
from serving.worklist.stored_pages import write_pages
from tests.fakes.live_site import fields
from tests.fakes.report_view import make_view
from training.state import StatePaths

WARM = 0.1
"""The share of requests after which caches are full and memory is held against the end."""


def measure(*, full: bool) -> Iterator[Verdict]:
    """Read lists, leads and other pages over and over; memory after the first tenth is the bar."""
    count = 20_000 if full else 1_000
    with tempfile.TemporaryDirectory() as folder:
        state = StatePaths(Path(folder) / "state")
        view = make_view(2_000, owners=6, top_per_owner=2_000)
        write_pages(state.pages, view, view.leads, made_at=1)
        name = add_people(state, sorted({lead.owner for lead in view.leads}))[0]
        ids = [lead.lead_id for lead in view.leads]
        taken = []
        with serving(state) as (server, url), httpx.Client(base_url=url, timeout=60) as client:
            client.headers["accept"] = "text/html"
            given = {**fields(client.get("/login").text), "name": name, "password": PASSWORD}
            client.post("/login", data=given)
            for number in range(count):
                answer = client.get(_address(number, ids))
                if answer.status_code != 200:
                    yield False, "requests answered", f"{answer.status_code} at {number}", "200"
                    return
                if number in (round(count * WARM), count - 1):
                    taken.append(server.memory_info().rss)
    grown = (taken[1] - taken[0]) / 1e6
    print(f"{taken[0] / 1e6:.0f} MB after {round(count * WARM):,} requests of {count:,}")
    yield grown < 20, f"growth of a server over {count:,} requests, MB", f"{grown:.1f}", "< 20"


def _address(number: int, ids: list[str]) -> str:
    if number % 3:
        return f"/lead/{ids[number % len(ids)]}"
    return ("/changes", "/pipeline", f"/today?page={number % 40 + 1}")[number // 3 % 3]
