"""A simulated company of any size as two Parquet files and a project file, made in seconds.

About 20 events a lead over 120 days, at a pace that its hidden interest sets; 4 % of the leads
convert, by a hazard of interest, pace, source, industry, country and size. Lead i is the same in
every company of one seed, so that larger ones hold the smaller.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.durations import DAY

BLOCK = 50_000
"""Leads that are drawn together."""
YEAR = 365 * DAY
START = 1_735_689_600_000_000  # 2025-01-01, in microseconds
UNTIL = START + YEAR + 120 * DAY
TYPES = ("email_open", "email_click", "page_view", "pricing_page", "webinar", "call", "meeting")
SHARES = np.array([0.34, 0.16, 0.28, 0.06, 0.05, 0.07, 0.04])
PULLS = np.array([0.0, 0.1, 0.05, 0.5, 0.3, 0.2, 0.6])
"""How much more often the interested do each."""
SOURCES = ("web", "fair", "partner", "advert", "referral", "list", "cold_call", "social")
INDUSTRIES = tuple(f"industry {number:02d}" for number in range(24))
COUNTRIES = tuple(f"country {number:02d}" for number in range(40))
PROJECT = """\
[project]
name = "large_company"
timezone = "UTC"
observed_until = "2026-05-01"

[leads]
source = "leads.parquet"
id = "lead"
created_at = "created"
converted_at = "converted"
fixed = ["source", "industry", "country", "employees"]

[[events]]
source = "events.parquet"
lead = "lead"
at = "at"
type = ["type"]
channel = "channel"

[conversion]
horizon = "60d"
snapshots = ["1d", "7d", "14d", "30d", "60d"]
"""


def write_company(folder: Path, n_leads: int, *, seed: int = 7) -> Path:
    """Write leads.parquet, events.parquet and the project file; returns the project file."""
    folder.mkdir(parents=True, exist_ok=True)
    writers: list[pq.ParquetWriter] = []
    for first in range(0, n_leads, BLOCK):
        tables = _block(first, min(BLOCK, n_leads - first), seed)
        if not writers:
            names = ("leads.parquet", "events.parquet")
            writers = [
                pq.ParquetWriter(folder / name, table.schema)
                for name, table in zip(names, tables, strict=True)
            ]
        for writer, table in zip(writers, tables, strict=True):
            writer.write_table(table, row_group_size=500_000)
    for writer in writers:
        writer.close()
    file = folder / "company.toml"
    file.write_text(PROJECT, encoding="utf-8")
    return file


def _block(first: int, n: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """Draw some leads and their events, in the order of leads."""
    rng = np.random.default_rng([seed, first])
    created = START + rng.integers(0, YEAR, n)
    industry_effect = np.random.default_rng(seed).normal(0, 0.5, len(INDUSTRIES))
    country_effect = np.random.default_rng(seed + 1).normal(0, 0.3, len(COUNTRIES))
    source = rng.integers(0, len(SOURCES), n)
    industry = rng.choice(len(INDUSTRIES), n, p=_falling(len(INDUSTRIES)))
    country = rng.choice(len(COUNTRIES), n, p=_falling(len(COUNTRIES)))
    employees = np.maximum(1.0, np.round(rng.lognormal(4, 1.3, n)))
    interest = rng.normal(0, 1, n)
    fit = industry_effect[industry] + country_effect[country] + 0.25 * (np.log(employees) - 4)
    fit += 0.5 * np.isin(source, (2, 4)) - 0.3 * (source == 5)
    fit += 0.6 * (np.isin(source, (0, 3)) & (industry % 3 == 0))
    each = rng.poisson(20 * np.exp(0.5 * interest - 0.125))
    lead = np.repeat(np.arange(n), each)
    at = created[lead] + (rng.beta(0.8, 1.6, len(lead)) * 120 * DAY).astype(np.int64)
    kinds = _kinds(rng, interest[lead])
    hazard = np.exp(-8.1 + 0.9 * interest + fit)  # a day
    waited = rng.exponential(1 / hazard) * DAY
    converts = waited < 150 * DAY
    converted = created + np.minimum(waited, 400 * DAY).astype(np.int64)
    before = (at < np.where(converts, converted, UNTIL)[lead]) & (at < UNTIL)
    lead, at, kinds = lead[before], at[before], kinds[before]
    order = np.lexsort((at, lead))
    lead, at, kinds = lead[order], at[order], kinds[order]
    names = pa.array([f"L{first + i:09d}" for i in range(n)])
    known = converts & (converted < UNTIL)
    leads = pa.table(
        {
            "lead": names,
            "created": pa.array(created, pa.timestamp("us", "UTC")),
            "converted": pa.array(converted, pa.timestamp("us", "UTC"), mask=~known),
            "source": pa.array(SOURCES).take(source),
            "industry": pa.array(INDUSTRIES).take(industry),
            "country": pa.array(COUNTRIES).take(country),
            "employees": employees,
        }
    )
    channels = pa.array(["email", "web", "phone"])
    events = pa.table(
        {
            "lead": names.take(lead),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "type": pa.array(TYPES).take(kinds),
            "channel": channels.take(np.where(kinds < 2, 0, np.where(kinds < 5, 1, 2))),
        }
    )
    return leads, events


def _falling(n: int) -> NDArray[np.float64]:
    """Give shares that fall from the first to the last."""
    weight = 1 / np.arange(1, n + 1) ** 0.7
    shares: NDArray[np.float64] = weight / weight.sum()
    return shares


def _kinds(rng: np.random.Generator, interest: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw what each event is: the interested do other things."""
    shares = SHARES * np.exp(PULLS * interest[:, None])
    upto = np.cumsum(shares, axis=1)
    return (rng.random(len(interest))[:, None] * upto[:, -1:] > upto).sum(axis=1)
