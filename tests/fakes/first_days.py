"""A company that begins: its leads and what they did, exported at one moment after another.

Who asks for a demo or starts a trial, and who decides in a company of the right size, converts
more often; a conversion comes 9 to 20 days after the lead, so that the first days know none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

EVENTS = {"email open": 1.2, "newsletter": 0.8, "webinar": 0.3, "trial": 0.25, "demo request": 0.2}
TITLES = {
    "Founder": 0.5,
    "Head of Operations": 0.6,
    "Marketing Director": 0.6,
    "Office Assistant": -0.3,
    "Engineer": 0.0,
}
BEGIN = pd.Timestamp("2026-01-05")


def first_days(folder: Path, until: str, *, n: int = 3000, seed: int = 3) -> int:
    """Write leads.csv and events.csv as they stood at a date; returns the conversions known."""
    rng = np.random.default_rng(seed)
    created = BEGIN + pd.to_timedelta(np.sort(rng.random(n)) * 330, unit="D")
    title = rng.choice(list(TITLES), n)
    employees = np.exp(rng.normal(4.5, 1.2, n)).round().astype(int) + 1
    counts = {event: rng.poisson(rate, n) for event, rate in EVENTS.items()}
    log_odds = -3.6 + pd.Series(title).map(TITLES).to_numpy() + 0.8 * (employees >= 50)
    for event, worth in {"demo request": 1.2, "trial": 0.9, "webinar": 0.4}.items():
        log_odds = log_odds + worth * np.minimum(counts[event], 3)
    won = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    won_at = created + pd.to_timedelta(9 + 11 * rng.random(n), unit="D")
    leads = pd.DataFrame(
        {
            "lead_id": [f"L{i:05d}" for i in range(n)],
            "created_at": created.floor("s"),
            "company": [f"Company {i}" for i in range(n)],
            "job_title": title,
            "employees": employees,
            "source": rng.choice(["search", "fair", "referral"], n),
            "opportunity_at": pd.Series(won_at).dt.floor("s").where(won),
        }
    )
    rows = [
        (lead, at + pd.Timedelta(days=8 * rng.random()), event)
        for event, times in counts.items()
        for lead, at, k in zip(leads["lead_id"], created, times, strict=True)
        for _ in range(k)
    ]
    events = pd.DataFrame(rows, columns=["lead_id", "at", "type"])
    moment = pd.Timestamp(until)
    leads = leads[leads["created_at"] < moment]
    leads["opportunity_at"] = leads["opportunity_at"].where(leads["opportunity_at"] < moment)
    folder.mkdir(parents=True, exist_ok=True)
    leads.to_csv(folder / "leads.csv", index=False)
    known = events[(events["at"] < moment)].sort_values("at")
    known.assign(at=known["at"].dt.floor("s")).to_csv(folder / "events.csv", index=False)
    return int(leads["opportunity_at"].notna().sum())
