"""A company whose customers pay: leads, touches and payments as the CSV files that it exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

UNTIL = pd.Timestamp("2026-11-01")
SOURCES = ("referral", "search", "event")
SIZES = ("small", "medium", "large")
PRICE = {"small": 400.0, "medium": 1500.0, "large": 6000.0}
CONVERTS = {"referral": 0.4, "search": 0.15, "event": 0.03}


def export_paying(folder: Path, *, leads: int = 1500, seed: int = 0, sigma: float = 1.0) -> Path:
    """Write leads.csv, touches.csv and payments.csv of two years; returns the folder.

    Each customer pays in one to three parts, nine in ten pay at all, one payment in fifteen is
    refunded; how much depends on the size of the company.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    created = UNTIL - pd.to_timedelta(np.sort(rng.uniform(1, 730, leads))[::-1], unit="D")
    created = created.floor("s")
    source = rng.choice(SOURCES, leads, p=(0.3, 0.5, 0.2))
    size = rng.choice(SIZES, leads, p=(0.5, 0.35, 0.15))
    warm = rng.random(leads) < 0.4
    chance = np.array([CONVERTS[name] for name in source]) * np.where(warm, 2.0, 0.25)
    won = rng.random(leads) < chance
    after = pd.to_timedelta(rng.gamma(2, 12, leads) + 1.5, unit="D").floor("s")
    converted = pd.Series(created + after).where(won)
    converted = converted.where(converted < UNTIL)
    ids = np.array([f"L{i:05d}" for i in range(leads)])
    table = pd.DataFrame(
        {
            "lead_id": ids,
            "created_at": created,
            "source": source,
            "company_size": size,
            "converted_at": converted,
        }
    )
    table.to_csv(folder / "leads.csv", index=False)
    _touches(rng, table, warm).to_csv(folder / "touches.csv", index=False)
    _payments(rng, table, sigma).to_csv(folder / "payments.csv", index=False)
    return folder


def _touches(rng: np.random.Generator, leads: pd.DataFrame, warm: np.ndarray) -> pd.DataFrame:
    """Draw a few touches of each lead in its first days, more of those that are warm."""
    count = rng.poisson(np.where(warm, 4, 1.5))
    row = np.repeat(np.arange(len(leads)), count)
    at = leads["created_at"].to_numpy()[row] + pd.to_timedelta(rng.exponential(4, len(row)), "D")
    at = pd.Series(at).dt.floor("s")
    kind = np.where(rng.random(len(row)) < np.where(warm[row], 0.5, 0.1), "demo", "visit")
    made = pd.DataFrame({"lead_id": leads["lead_id"].to_numpy()[row], "at": at, "type": kind})
    return made[made["at"] < UNTIL].sort_values("at")


def _payments(rng: np.random.Generator, leads: pd.DataFrame, sigma: float) -> pd.DataFrame:
    rows = []
    for lead in leads[leads["converted_at"].notna()].itertuples():
        if rng.random() > 0.9:
            continue
        total = PRICE[lead.company_size] * rng.lognormal(-(sigma**2) / 2, sigma)
        parts = int(rng.integers(1, 4))
        for part in range(parts):
            at = lead.converted_at + pd.Timedelta(days=5 + 30 * part + float(rng.uniform(0, 9)))
            amount = round(total / parts, 2)
            rows.append((lead.lead_id, at.floor("s"), f"{amount:.2f}", "payment"))
            if rng.random() < 1 / 15:
                back = at + pd.Timedelta(days=6)
                rows.append((lead.lead_id, back.floor("s"), f"{amount:.2f}", "refund"))
    table = pd.DataFrame(rows, columns=["lead_id", "paid_at", "amount", "kind"])
    table["currency"] = "EUR"
    return table[table["paid_at"] < UNTIL].sort_values("paid_at")
