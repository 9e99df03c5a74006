"""Accounts, contacts and the profile of each lead, with the true effect of every level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.world.kinds import WorldConstants
from data.world.process import Floats, Ints

SOURCES: Final = {
    "content": (0.26, 0.0),
    "search": (0.27, 0.15),
    "social": (0.18, -0.35),
    "campaign": (0.14, -0.15),
    "referral": (0.08, 0.7),
    "event": (0.07, 0.25),
}
COUNTRIES: Final = {
    "Italy": (0.24, 0.1),
    "France": (0.18, 0.1),
    "Germany": (0.14, 0.15),
    "United Kingdom": (0.12, 0.05),
    "Spain": (0.09, 0.0),
    "Iran": (0.07, 0.0),
    "Netherlands": (0.06, 0.1),
    "Poland": (0.05, -0.1),
    "Brazil": (0.03, -0.3),
    "India": (0.02, -0.4),
}
SENIORITY: Final = {
    "student": (0.04, -2.2, "Student"),
    "junior": (0.22, -0.5, "{} Assistant"),
    "specialist": (0.28, -0.1, "{} Specialist"),
    "manager": (0.26, 0.35, "{} Manager"),
    "director": (0.13, 0.5, "Director of {}"),
    "chief": (0.07, 0.4, "Chief {} Officer"),
}
DEPARTMENT_WORDS: Final = {
    "it": "IT",
    "operations": "Operations",
    "marketing": "Marketing",
    "finance": "Finance",
    "hr": "HR",
}
OWNERS: Final = (
    "Anna Bianchi",
    "Luc Moreau",
    "Sara Ahmadi",
    "Tom Baker",
    "Giulia Conti",
    "Marie Dubois",
    "Reza Karimi",
    "Jane Cooper",
    "Paolo Ferri",
    "Claire Petit",
)
TEAMS: Final = (*("North",) * 5, *("South",) * 5)
"""The team of each owner."""
FIRST_NAMES: Final = (
    "Giulia",
    "Marco",
    "Francesca",
    "Luca",
    "Chloé",
    "Hugo",
    "Léa",
    "Nicolas",
    "Emma",
    "Oliver",
    "Amelia",
    "Jack",
    "زهرا",
    "علی",
    "مریم",
    "رضا",
    "Anja",
    "Jürgen",
    "Sofía",
    "Piotr",
)
LAST_NAMES: Final = (
    "Rossi",
    "Esposito",
    "Ricci",
    "Marino",
    "Lefèvre",
    "Garnier",
    "Faure",
    "Smith",
    "Taylor",
    "O'Neill",
    "Walker",
    "محمدی",
    "حسینی",
    "کریمی",
    "Müller",
    "Schäfer",
    "García",
    "Kowalski",
)
COMPANY_WORDS: Final = (
    "Alba",
    "Nord",
    "Sole",
    "Lumière",
    "Delta",
    "Orion",
    "Pars",
    "Vento",
    "Atlas",
    "Riva",
    "Cedar",
    "Falk",
    "Mira",
    "Quanta",
    "Terra",
    "Zeno",
    "Isla",
    "Brio",
    "Kite",
    "Loom",
)
COMPANY_ENDS: Final = ("Srl", "SAS", "Ltd", "GmbH", "Group", "Labs", "& Co", "Systems")
FREE_MAIL: Final = ("gmail.com", "outlook.com", "yahoo.com")


@dataclass(frozen=True, slots=True)
class People:
    """Tables of accounts and contacts, one profile row per lead, and the fit of each lead."""

    accounts: pd.DataFrame
    contacts: pd.DataFrame
    profile: pd.DataFrame
    fit: Floats
    effects: pd.DataFrame


def make_people(kind: WorldConstants, n_leads: int, age: Floats, drift: float, seed: int) -> People:
    """Draw who the leads are; `age` is creation as a share of the period, which drift acts on."""
    rng = np.random.default_rng([seed, 1])
    n_accounts = max(1, round(n_leads / 1.9))
    accounts = _accounts(rng, kind, n_accounts)
    account = rng.choice(n_accounts, n_leads, p=_sizes(rng, n_accounts))
    source = _draw(rng, SOURCES, n_leads)
    if drift:  # later leads come more often from social media and campaigns
        moved = rng.random(n_leads) < np.clip(0.5 * drift * age, 0, 0.9)
        source[moved] = rng.choice(np.array(["social", "campaign"], object), int(moved.sum()))
    seniority = _draw(rng, {k: v[:2] for k, v in SENIORITY.items()}, n_leads)
    department = rng.choice(np.array(list(kind.departments), object), n_leads)
    title = np.array(
        [
            SENIORITY[level][2].format(DEPARTMENT_WORDS[team])
            for level, team in zip(seniority, department, strict=True)
        ],
        dtype=object,
    )
    free = rng.random(n_leads) < np.where(seniority == "student", 0.7, 0.16)
    competitor = rng.random(n_leads) < 0.012
    first = rng.integers(0, len(FIRST_NAMES), n_leads)
    last = rng.integers(0, len(LAST_NAMES), n_leads)
    industry = accounts["industry"].to_numpy(object)[account]
    country = accounts["country"].to_numpy(object)[account]
    employees = accounts["employees"].to_numpy(np.float64)[account]
    amount = kind.amount_median * (employees / 10**kind.best_log10_employees) ** 0.3
    amount = np.round(amount * rng.lognormal(0, 0.5, n_leads), -2) + 100
    fit = (
        _effect(industry, kind.industries)
        + _effect(country, {k: v[1] for k, v in COUNTRIES.items()})
        + _effect(source, {k: v[1] for k, v in SOURCES.items()})
        + _effect(seniority, {k: v[1] for k, v in SENIORITY.items()})
        + _effect(department, kind.departments)
        - 0.8 * ((np.log10(employees) - kind.best_log10_employees) / 1.0) ** 2
        - 0.4 * free
        - 2.5 * competitor
        + 0.6 * ((source == "referral") & np.isin(seniority, ["director", "chief"]))
        - 1.0 * drift * age
        + drift * age * np.where(source == "search", -0.8, np.where(source == "content", 0.4, 0.0))
    )
    pairs = zip(first, last, strict=True)
    profile = pd.DataFrame(
        {
            "account": account,
            "contact": np.arange(n_leads),
            "company": accounts["company"].to_numpy(object)[account],
            "person": [f"{FIRST_NAMES[a]} {LAST_NAMES[b]}" for a, b in pairs],
            "email": _emails(rng, accounts, account, free, seniority, competitor),
            "job_title": pd.Series(title).where(rng.random(n_leads) >= 0.08, None),
            "source": source,
            "country": country,
            "industry": industry,
            "expected_amount": amount,
            "owner": rng.choice(np.array(OWNERS, object), n_leads),
        }
    )
    accounts.loc[rng.random(n_accounts) < 0.10, "employees"] = np.nan
    return People(accounts, _contacts(rng, profile, accounts), profile, fit, _effects(kind))


def _accounts(rng: np.random.Generator, kind: WorldConstants, n: int) -> pd.DataFrame:
    industry = rng.choice(np.array(list(kind.industries), object), n)
    words, ends = rng.integers(0, len(COMPANY_WORDS), (n, 2)), rng.integers(0, len(COMPANY_ENDS), n)
    company = [
        f"{COMPANY_WORDS[a]} {COMPANY_WORDS[b]} {COMPANY_ENDS[e]}"
        for (a, b), e in zip(words, ends, strict=True)
    ]
    employees = np.maximum(1, np.round(10 ** rng.normal(kind.best_log10_employees - 0.3, 0.8, n)))
    return pd.DataFrame(
        {
            "account_id": [f"A{i:06d}" for i in range(n)],
            "company": company,
            "industry": industry,
            "country": _draw(rng, COUNTRIES, n),
            "employees": employees,
            "founded_year": rng.integers(1950, 2025, n),
        }
    )


def _contacts(
    rng: np.random.Generator, profile: pd.DataFrame, accounts: pd.DataFrame
) -> pd.DataFrame:
    """One contact per lead and, for a quarter of the leads, a colleague of the same account."""
    colleagues = np.flatnonzero(rng.random(len(profile)) < 0.25)
    rows = np.concatenate([np.arange(len(profile)), colleagues])
    colleague = np.arange(len(rows)) >= len(profile)
    names = accounts["account_id"].to_numpy(object)
    return pd.DataFrame(
        {
            "contact_id": [f"C{i:07d}" for i in range(len(rows))],
            "account_id": names[profile["account"].to_numpy()[rows]],
            "lead": rows,
            "person": np.where(colleague, "Colleague", profile["person"].to_numpy(object)[rows]),
            "email": np.where(colleague, None, profile["email"].to_numpy(object)[rows]),
            "job_title": np.where(colleague, None, profile["job_title"].to_numpy(object)[rows]),
            "newsletter_consent": np.where(rng.random(len(rows)) < 0.6, "yes", "no"),
        }
    )


def _emails(
    rng: np.random.Generator,
    accounts: pd.DataFrame,
    account: Ints,
    free: NDArray[np.bool_],
    seniority: NDArray[np.object_],
    competitor: NDArray[np.bool_],
) -> list[str]:
    """Write ASCII addresses at the company, a free provider, a university or a competitor."""
    names = [name.split()[0].lower() for name in accounts["company"]]
    ascii_names = [name.encode("ascii", "ignore").decode() or "firm" for name in names]
    provider = rng.integers(0, len(FREE_MAIL), len(account))
    out = []
    for row, (a, is_free) in enumerate(zip(account, free, strict=True)):
        domain = f"{ascii_names[a]}{a}.example"
        if competitor[row]:
            domain = "rival-software.example"
        elif is_free:
            domain = "campus.edu" if seniority[row] == "student" else FREE_MAIL[provider[row]]
        out.append(f"person{row}@{domain}")
    return out


def _effects(kind: WorldConstants) -> pd.DataFrame:
    tables = {
        "industry": kind.industries,
        "country": {k: v[1] for k, v in COUNTRIES.items()},
        "source": {k: v[1] for k, v in SOURCES.items()},
        "seniority": {k: v[1] for k, v in SENIORITY.items()},
        "department": kind.departments,
        "employees": {f"squared distance of log10 from {kind.best_log10_employees}": -0.8},
        "email": {"free": -0.4, "competitor": -2.5},
        "source x seniority": {"referral x director or chief": 0.6},
    }
    rows = [(factor, level, e) for factor, levels in tables.items() for level, e in levels.items()]
    return pd.DataFrame(rows, columns=["factor", "level", "effect"])


def _draw(
    rng: np.random.Generator, table: dict[str, tuple[float, float]], n: int
) -> NDArray[np.object_]:
    shares = np.array([share for share, _ in table.values()])
    return rng.choice(np.array(list(table), object), n, p=shares / shares.sum())


def _effect(values: NDArray[np.object_], effects: dict[str, float]) -> Floats:
    return np.asarray(pd.Series(values).map(effects), dtype=np.float64)


def _sizes(rng: np.random.Generator, n: int) -> Floats:
    weights = rng.lognormal(0, 0.8, n)
    return np.asarray(weights / weights.sum(), dtype=np.float64)
