"""Worlds of a company on its first day: a rule that is good, mediocre or wrong, and the truth.

A lead has counts of six events, days of silence, a title, its size, industry and two answers. The
truth is a line over what the rule looks at, and over two columns it does not look at. In a good
world the rule's points are nearly the truth's, in a mediocre one half right, in a wrong one
unrelated or the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from features.frame import Feature
from models.fit.encoders import TrainingColumns, read_columns
from models.fit.rule_points import Rule, RulePoints, make_rule
from models.predictor import Floats

EVENTS: Final = ("demo_request", "trial", "webinar", "ebook", "email_open", "newsletter")
KINDS: Final = ("good", "mediocre", "wrong")
SIZES: Final = (0, 5, 20, 60, 200)
AHEAD: Final = 20_000


@dataclass(frozen=True, slots=True)
class DayOneWorld:
    """Leads with their true probabilities, the rule of the company, and the rate it expects."""

    kind: str
    features: tuple[Feature, ...]
    leads: pd.DataFrame
    truth: Floats
    rate: float
    expected: float

    def columns(self, rows: slice) -> TrainingColumns:
        """Read some leads."""
        return read_columns(self.leads.iloc[rows], self.features)

    def points(self) -> RulePoints:
        """Give the company's rule."""
        profile = (
            ("employees between 50 and 500", 2.0),
            ("industry in ('software', 'retail')", 1.0),
        )
        return RulePoints(
            answers=("budget", "timing"), profile=profile, expected_rate=self.expected
        )


def _features() -> tuple[Feature, ...]:
    def one(name: str, kind: str, template: str, **params: str) -> Feature:
        return Feature(name, kind, "fit", name, name, template, params)  # type: ignore[arg-type]

    counts = [one(f"n_{event}_ever", "number", "count_ever", event=event) for event in EVENTS]
    told = ("employees", "industry", "country", "budget", "timing", "visits")
    kinds = {"employees": "number", "visits": "number"}
    return (
        *counts,
        one("days_since_last_event", "number", "days_since_last_event"),
        one("seniority", "category", "seniority"),
        *(one(n, kinds.get(n, "category"), "attribute", column=n) for n in told),
    )


def _leads(rng: np.random.Generator, n: int) -> pd.DataFrame:
    busy = rng.gamma(1.0, 1.0, n)
    rare = {"demo_request": 0.12, "trial": 0.15, "webinar": 0.3, "ebook": 0.5}
    counts = {
        f"n_{event}_ever": rng.poisson(busy * rare.get(event, 1.5)).astype(float)
        for event in EVENTS
    }
    words = {
        "seniority": (["c_level", "director", "manager", "other"], [0.1, 0.2, 0.3, 0.4]),
        "industry": (["software", "retail", "health", "public"], [0.3, 0.2, 0.3, 0.2]),
        "country": (["IT", "FR", "DE", "ES", "PT"], [0.4, 0.2, 0.2, 0.1, 0.1]),
        "budget": (["yes", None], [0.3, 0.7]),
        "timing": (["soon", None], [0.4, 0.6]),
    }
    drawn = {name: rng.choice(np.array(v, object), n, p=p) for name, (v, p) in words.items()}
    return pd.DataFrame(
        {
            **counts,
            "days_since_last_event": rng.exponential(40, n),
            "employees": np.exp(rng.normal(4.5, 1.3, n)).round(),
            "visits": rng.poisson(3 * busy).astype(float),
            **drawn,
        }
    )


def make_world(kind: str, seed: int, n: int = 12_000) -> DayOneWorld:
    """Draw a world: the first rows are the company's leads, the last `AHEAD` are to come."""
    rng = np.random.default_rng([seed, KINDS.index(kind), 71])
    leads = _leads(rng, n + AHEAD)
    features = _features()
    rate = float(np.exp(rng.uniform(np.log(0.03), np.log(0.2))))
    expected = float(np.clip(rate * np.exp(rng.normal(0, 0.3)), 0.005, 0.5))
    bare = DayOneWorld(kind, features, leads, np.zeros(0), rate, expected)
    rows = bare.columns(slice(None))
    rule: Rule = make_rule(bare.points(), rows)
    terms = np.array([term.values(rows) - term.mean for term in rule.terms])
    k = len(terms)
    weight = {
        "good": lambda: rng.normal(rng.uniform(0.7, 1.2), 0.3, k),
        "mediocre": lambda: rng.normal(0.4, 0.7, k),
        "wrong": lambda: rng.normal(0.0, 0.6, k) if seed % 2 else -rng.uniform(0, 0.8, k),
    }[kind]()
    country = leads["country"].map(
        dict(zip(("IT", "FR", "DE", "ES", "PT"), rng.normal(0, 0.4, 5), strict=True))
    )
    other = country.to_numpy(float) + rng.normal(0, 0.4) * np.log1p(leads["visits"].to_numpy())
    margin = weight @ terms + other
    level = brentq(lambda b: float(expit(margin + b).mean()) - rate, -50, 50)
    return DayOneWorld(kind, features, leads, expit(margin + level), rate, expected)
