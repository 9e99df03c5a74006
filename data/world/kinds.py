"""Three synthetic companies as constants: what leads do in each state, and who fits.

A lead is in one of four hidden states (cold, curious, engaged, hot). The state moves by a Markov
chain at every full day of age; acts are Poisson by state. A lead converts only from the hot state,
and only after the key act of the world (a trial, a seminar, a download). Its *push* is a latent
score, like log-odds, that speeds up the moves towards hot and conversion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

WorldKind = Literal["software_trial", "consulting", "digital_agency"]

CONVERTED: Final = 4
DISQUALIFIED: Final = 5

# acts per day in each state; outbound acts are those of sales, who contact engaged leads more often
_ACTS: Final[dict[str, tuple[float, float, float, float]]] = {
    "web_visit": (0.040, 0.120, 0.230, 0.340),
    "newsletter": (0.085, 0.095, 0.090, 0.080),
    "form": (0.001, 0.006, 0.012, 0.020),
    "ebook": (0.002, 0.020, 0.020, 0.010),
    "webinar": (0.001, 0.010, 0.020, 0.010),
    "seminar": (0.0005, 0.005, 0.012, 0.008),
    "chat": (0.0005, 0.004, 0.012, 0.020),
    "phone": (0.0005, 0.002, 0.008, 0.020),
    "pricing_page": (0.002, 0.010, 0.040, 0.090),
    "demo_request": (0.0003, 0.002, 0.009, 0.030),
    "trial": (0.0003, 0.002, 0.012, 0.030),
    "email_reply": (0.001, 0.010, 0.030, 0.070),
    "sales_email": (0.045, 0.055, 0.075, 0.090),
    "sales_call": (0.008, 0.015, 0.040, 0.060),
    "sales_meeting": (0.0002, 0.001, 0.006, 0.030),
}
ACTS: Final = tuple(_ACTS)
OUTBOUND: Final = ("sales_email", "sales_call", "sales_meeting")
CHANNELS: Final[dict[str, str]] = {
    "web_visit": "web",
    "newsletter": "email",
    "form": "web",
    "ebook": "web",
    "webinar": "online_event",
    "seminar": "event",
    "chat": "web",
    "phone": "phone",
    "pricing_page": "web",
    "demo_request": "web",
    "trial": "product",
    "email_reply": "email",
    "sales_email": "email",
    "sales_call": "phone",
    "sales_meeting": "meeting",
}
FIRST_ACTS: Final = ("form", "newsletter", "ebook", "webinar", "chat", "demo_request")
# the act by which a lead is created: rows are states
FIRST_ACT_SHARES: Final = np.array(
    [
        [0.25, 0.38, 0.26, 0.08, 0.02, 0.01],
        [0.24, 0.20, 0.34, 0.15, 0.05, 0.02],
        [0.34, 0.08, 0.24, 0.17, 0.10, 0.07],
        [0.42, 0.03, 0.12, 0.11, 0.12, 0.20],
    ]
)

BANT: Final[dict[str, tuple[str, ...]]] = {
    "need": ("none", "some", "clear"),
    "budget": ("none", "maybe", "known"),
    "authority": ("user", "influencer", "decider"),
    "timing": ("later", "this_year", "this_quarter"),
}
# answers per day in each state while the question is open: [answer, state], the best answer last
BANT_RATES: Final = np.array(
    [
        [0.0020, 0.0030, 0.0020, 0.0010],
        [0.0008, 0.0030, 0.0060, 0.0060],
        [0.0002, 0.0015, 0.0080, 0.0250],
    ]
)

REASONS: Final = (
    "no_budget",
    "no_need",
    "unreachable",
    "competitor",
    "student",
    "out_of_territory",
)


@dataclass(frozen=True, slots=True)
class WorldConstants:
    """The constants of one world; effects are in units of the push."""

    name: WorldKind
    key_act: str
    key_boost: float
    base_rate: float
    horizon_days: int
    departments: dict[str, float]
    industries: dict[str, float]
    best_log10_employees: float
    amount_median: float

    @property
    def rates(self) -> np.ndarray:
        """Give acts per day, (n_acts, 4)."""
        rates = np.array([_ACTS[act] for act in ACTS])
        rates[ACTS.index(self.key_act)] *= self.key_boost
        return rates


_NEUTRAL: Final = {
    "software": 0.2,
    "manufacturing": 0.0,
    "finance": 0.1,
    "health": 0.0,
    "retail": 0.0,
    "education": -0.4,
    "public": -0.5,
    "logistics": 0.1,
    "hospitality": -0.2,
    "professional services": 0.1,
}

KINDS: Final[dict[str, WorldConstants]] = {
    "software_trial": WorldConstants(
        name="software_trial",
        key_act="trial",
        key_boost=2.5,
        base_rate=0.08,
        horizon_days=90,
        departments={"it": 0.5, "operations": 0.2, "marketing": 0.1, "finance": 0.0, "hr": -0.1},
        industries=_NEUTRAL | {"software": 0.5, "logistics": 0.4},
        best_log10_employees=2.0,
        amount_median=9_000.0,
    ),
    "consulting": WorldConstants(
        name="consulting",
        key_act="seminar",
        key_boost=4.0,
        base_rate=0.05,
        horizon_days=90,
        departments={"it": 0.0, "operations": 0.5, "marketing": -0.1, "finance": 0.4, "hr": 0.2},
        industries=_NEUTRAL | {"manufacturing": 0.5, "finance": 0.4},
        best_log10_employees=2.7,
        amount_median=40_000.0,
    ),
    "digital_agency": WorldConstants(
        name="digital_agency",
        key_act="ebook",
        key_boost=1.5,
        base_rate=0.10,
        horizon_days=90,
        departments={"it": -0.3, "operations": -0.1, "marketing": 0.7, "finance": -0.3, "hr": -0.2},
        industries=_NEUTRAL | {"retail": 0.5, "hospitality": 0.4},
        best_log10_employees=1.6,
        amount_median=15_000.0,
    ),
}
