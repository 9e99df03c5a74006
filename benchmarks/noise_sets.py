"""Data sets without any signal: whatever stands in them is drawn without looking at the outcome.

They have the shapes in which something looks like a signal: dates as text, tables joined by key,
blanks, categories of few and of many levels, several snapshots of a lead, events. `leaky` sets hold
one more column that is filled in after the outcome, as exports have them: blank for those who did
not convert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from data.project import check_project
from data.schema import Project

DAY: Final = pd.Timedelta(days=1)
START: Final = pd.Timestamp("2025-01-06")
DATE_FORMATS: Final = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d %b %Y", "%Y/%m/%d")
SHAPES: Final = ("static", "ordered", "timed", "flagged")


@dataclass(frozen=True, slots=True)
class NoiseSet:
    """A project, its tables by name, and the columns that were filled in after the outcome."""

    shape: str
    project: Project
    frames: Mapping[str, pd.DataFrame]
    leaks: tuple[str, ...]


def make_noise(seed: int, *, shape: str | None = None, leaky: bool | None = None) -> NoiseSet:
    """Make set number `seed`: its shape, size and base rate follow from the seed."""
    rng = np.random.default_rng([seed, 211])
    shape = SHAPES[seed % len(SHAPES)] if shape is None else shape
    leaky = bool(seed // len(SHAPES) % 2) if leaky is None else leaky
    n = int(rng.integers(400, 2001))
    won = rng.random(n) < rng.uniform(0.08, 0.5)
    leads = _columns(n, rng)
    accounts = _accounts(rng)
    leads["account_id"] = rng.choice(accounts["account_id"].to_numpy(object), n)
    leads["account_id"] = leads["account_id"].mask(rng.random(n) < rng.uniform(0, 0.2))
    leaks: tuple[str, ...] = ()
    if leaky:
        name, make = LEAKS[seed // (2 * len(SHAPES)) % len(LEAKS)]
        leads[name] = make(won, rng)
        leaks = (name,)
    build = _timed if shape == "timed" else _flagged if shape == "flagged" else _static
    return build(shape, leads, accounts, won, leaks, rng)


def _columns(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw the columns that every set has: numbers, categories, texts, dates, all with blanks."""
    blank = rng.uniform(0, 0.5, 8)
    sources = np.array(["web", "referral", "fair", "partner", "cold call"], object)
    cities = np.array([f"City {i}" for i in range(int(rng.integers(20, 200)))], object)
    titles = np.array(["CEO", "Head of IT", "Sales manager", "Buyer", "Engineer", "Intern"], object)
    day = START - rng.integers(0, 900, n) * DAY
    columns: dict[str, Any] = {
        "lead_id": [f"L{i:05d}" for i in rng.permutation(n)],
        "source": rng.choice(sources, n, p=rng.dirichlet(np.ones(len(sources)) * 2)),
        "city": rng.choice(cities, n),
        "job_title": rng.choice(titles, n),
        "employees": np.round(rng.lognormal(4, 1.5, n)),
        "budget": np.round(rng.lognormal(9, 1, n), 2),
        "visits": rng.poisson(3, n).astype(float),
        "newsletter": rng.choice(np.array(["yes", "no"], object), n),
        "founded_on": pd.Series(day).dt.strftime(str(rng.choice(DATE_FORMATS))).to_numpy(object),
    }
    frame = pd.DataFrame(columns)
    for name, share in zip(frame.columns[1:], blank, strict=True):
        frame[name] = frame[name].mask(rng.random(n) < share)
    return frame


def _accounts(rng: np.random.Generator) -> pd.DataFrame:
    n = int(rng.integers(30, 300))
    return pd.DataFrame(
        {
            "account_id": [f"A{i:04d}" for i in range(n)],
            "industry": rng.choice(np.array(["retail", "steel", "food", "law"], object), n),
            "revenue": pd.Series(np.round(rng.lognormal(12, 2, n))).mask(rng.random(n) < 0.3),
            "country": rng.choice(np.array(["IT", "FR", "IR", None], object), n),
        }
    )


# --- columns filled in after the outcome --------------------------------------------------------


def _owner_of_the_won(won: np.ndarray, rng: np.random.Generator) -> pd.Series:
    names = rng.choice(np.array(["Ada", "Bo", "Cleo"], object), len(won))
    return pd.Series(names).mask(~won & (rng.random(len(won)) < 0.6))


def _date_of_the_won(won: np.ndarray, rng: np.random.Generator) -> pd.Series:
    day = pd.Series(START + rng.integers(0, 400, len(won)) * DAY)
    text = day.dt.strftime(str(rng.choice(DATE_FORMATS)))
    return text.astype(object).mask(~won & (rng.random(len(won)) < 0.7))


def _size_of_the_won(won: np.ndarray, rng: np.random.Generator) -> pd.Series:
    return pd.Series(np.round(rng.lognormal(3, 1, len(won)))).mask(~won)


def _loss_reason(won: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """Say, for most of the lost, in one of many ways why: none of them converted."""
    words = np.array([f"reason {i}" for i in range(60)], object)
    return pd.Series(rng.choice(words, len(won))).mask(won | (rng.random(len(won)) < 0.4))


def _account_of_the_won(won: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """Leave the key of the joined table empty for all others: all its columns are blank there."""
    return pd.Series(rng.permutation(len(won)) % 30).map("A{:04d}".format).where(won)


LEAKS: Final[tuple[tuple[str, Callable[[np.ndarray, np.random.Generator], pd.Series]], ...]] = (
    ("account_id", _account_of_the_won),
    ("contact_person", _owner_of_the_won),
    ("signup_date", _date_of_the_won),
    ("team_size", _size_of_the_won),
    ("remark", _loss_reason),
)


# --- projects -------------------------------------------------------------------------------


def _static(
    shape: str,
    leads: pd.DataFrame,
    accounts: pd.DataFrame,
    won: np.ndarray,
    leaks: tuple[str, ...],
    rng: np.random.Generator,
) -> NoiseSet:
    """Rows without a clock; `ordered` ones follow a column of dates."""
    leads = leads.assign(won=np.where(won, "yes", "no"))
    section: dict[str, Any] = {"name": f"noise-{shape}"}
    if shape == "ordered":
        leads["entered_on"] = _days(len(leads), rng).dt.strftime("%Y-%m-%d")
        section["order_by"] = "entered_on"
    project = {
        "project": section,
        "leads": _leads(converted="won", join=[_join()]),
        "conversion": {},
    }
    frames = {"leads": leads, "join.0": accounts}
    return NoiseSet(shape, check_project(project), frames, leaks)


def _timed(
    shape: str,
    leads: pd.DataFrame,
    accounts: pd.DataFrame,
    won: np.ndarray,
    leaks: tuple[str, ...],
    rng: np.random.Generator,
) -> NoiseSet:
    """Leads with creation, conversion and touches, seen at up to three ages."""
    n = len(leads)
    created = _days(n, rng) + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s")
    converted = (created + pd.to_timedelta(rng.exponential(20, n), unit="D")).where(won)
    leads = leads.assign(created_at=created, converted_at=converted)
    ages = [["0s"], ["1d"], ["1d", "7d", "14d"]][int(rng.integers(0, 3))]
    project = {
        "project": {"name": "noise-timed"},
        "leads": _leads(
            created_at="created_at",
            converted_at="converted_at",
            fixed=_fixed(leads),
            join=[_join(fixed=["industry", "revenue", "country"])],
        ),
        "events": [{"source": "touches.csv", "lead": "lead_id", "at": "at", "type": ["type"]}],
        "conversion": {"horizon": "60d", "snapshots": ages},
    }
    frames = {"leads": leads, "join.0": accounts, "events.0": _touches(leads, rng)}
    return NoiseSet(shape, check_project(project), frames, leaks)


def _flagged(
    shape: str,
    leads: pd.DataFrame,
    accounts: pd.DataFrame,
    won: np.ndarray,
    leaks: tuple[str, ...],
    rng: np.random.Generator,
) -> NoiseSet:
    """Leads with a date of creation and a flag that says whether they converted, not when."""
    leads = leads.assign(created_at=_days(len(leads), rng), won=won.astype(int))
    project = {
        "project": {"name": "noise-flagged"},
        "leads": _leads(
            created_at="created_at",
            converted="won",
            fixed=_fixed(leads),
            join=[_join(fixed=["industry", "revenue", "country"])],
        ),
        "conversion": {"horizon": "30d"},
    }
    return NoiseSet(shape, check_project(project), {"leads": leads, "join.0": accounts}, leaks)


def _leads(**more: Any) -> dict[str, Any]:
    return {"source": "leads.csv", "id": "lead_id", "title": "job_title", **more}


def _join(**more: Any) -> dict[str, Any]:
    return {"source": "accounts.csv", "on": "account_id", "prefix": "account_", **more}


def _fixed(leads: pd.DataFrame) -> list[str]:
    """List the columns known at creation; dates are no features in time mode either."""
    dates = ("lead_id", "account_id", "founded_on", "signup_date")
    clocks = ("created_at", "converted_at", "won")
    return [str(name) for name in leads if name not in (*dates, *clocks)]


def _days(n: int, rng: np.random.Generator) -> pd.Series:
    return pd.Series(START + rng.integers(0, 500, n) * DAY)


def _touches(leads: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw touches at any time after creation, whatever becomes of the lead."""
    count = rng.poisson(4, len(leads))
    lead = np.repeat(np.arange(len(leads)), count)
    at = leads["created_at"].to_numpy()[lead] + pd.to_timedelta(
        rng.exponential(30, len(lead)), unit="D"
    )
    types = np.array(["visit", "email", "call", "webinar"], object)
    touches = pd.DataFrame(
        {
            "lead_id": leads["lead_id"].to_numpy(object)[lead],
            "at": pd.to_datetime(at).floor("s"),
            "type": rng.choice(types, len(lead)),
        }
    )
    return touches[touches["at"] < START + 520 * DAY].reset_index(drop=True)
