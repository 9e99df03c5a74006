"""Requests that were damaged at random, answered in process: crashes and freezes are counted."""

from __future__ import annotations

from pathlib import Path

from benchmarks.attack import Verdict
from serving.http.application import create_app
from serving.http.guard import Limits
from serving.http.keys import digest
from tests.fakes.asgi_calls import RawRequest, attack
from tests.fakes.damaged_requests import damaged_requests
from tests.fakes.november_state import November, good_request

KEY = "ls_attack"
FREEZE_S = 0.1


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Send 10,000 of them, or 1,200."""
    n = 10_000 if full else 600
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
