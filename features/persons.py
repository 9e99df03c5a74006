"""Job titles and e-mail addresses -> seniority, department, kind of domain.

Keyword tables in English, Italian, French and German; the first that matches wins. A title that
matches none is "other"; no title is missing (None).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SENIORITY: Final = (
    ("founder", r"founder|owner|co-?founder|propriet|titolare|fondat|gérant|inhaber|gründer"),
    ("vp", r"\bs?e?vp\b|vice president|vice-président|vicepresident"),
    (
        "c_level",
        r"\bc[efimostpr]o\b|chief|president|amministratore delegato|pdg|"
        r"managing director|direttore generale|directeur général|geschäftsf",
    ),
    ("director", r"director|direttore|direct(?:eur|rice)|\bhead\b|leiter|responsab[il]+e"),
    ("manager", r"manager|\blead\b|supervisor|capo|chef|coordinat"),
    ("student", r"student|intern\b|trainee|stagiair|stagista|étudiant|praktikant|werkstudent"),
    ("senior", r"senior|\bsr\b|principal|expert|staff"),
    ("junior", r"junior|\bjr\b|assistant|assistente|associate"),
)
_DEPARTMENT: Final = (
    ("marketing", r"marketing|brand|content|growth|seo|communicat|comunicazione|\bpr\b|\bcmo\b"),
    ("sales", r"sales|vendit|vente|vertrieb|account exec|business develop|commercial|\bcro\b"),
    ("finance", r"financ|account(?!.*exec)|\bcfo\b|controll|treasur|compta|contabil|buchhalt"),
    ("it", r"\bit\b|software|developer|engineer|data|tech|\bc[ti]o\b|devops|informati|système"),
    ("hr", r"\bhr\b|human|people|talent|recruit|risorse umane|ressources humaines|personal"),
    ("operations", r"operation|\bcoo\b|supply|logist|production|produzione|procure|acquist|achat"),
    ("legal", r"legal|counsel|lawyer|compliance|avvocat|juri"),
    ("product", r"product|prodotto|produit|\bux\b|design"),
    ("support", r"support|customer|service|success|client"),
    ("education", r"teacher|professor|docente|enseign|research|lecturer"),
)
_FREE: Final = frozenset(
    [
        "gmail",
        "googlemail",
        "yahoo",
        "ymail",
        "hotmail",
        "outlook",
        "live",
        "msn",
        "aol",
        "icloud",
        "me",
        "mac",
        "gmx",
        "web",
        "proton",
        "protonmail",
        "pm",
        "mail",
        "yandex",
        "libero",
        "virgilio",
        "tiscali",
        "alice",
        "orange",
        "free",
        "laposte",
        "wanadoo",
        "sfr",
        "t-online",
        "qq",
        "163",
        "126",
        "rediffmail",
        "zoho",
        "fastmail",
        "hey",
        "tutanota",
    ]
)
_DISPOSABLE: Final = frozenset(
    [
        "mailinator",
        "guerrillamail",
        "10minutemail",
        "tempmail",
        "temp-mail",
        "yopmail",
        "trashmail",
        "sharklasers",
        "getnada",
        "throwawaymail",
        "dispostable",
        "maildrop",
        "fakeinbox",
    ]
)


@lru_cache(maxsize=65536)
def seniority(title: str) -> str | None:
    """Read the rank from a job title.

    >>> seniority("VP of Sales"), seniority("Responsabile marketing"), seniority("  ")
    ('vp', 'director', None)
    """
    return _first(_SENIORITY, title)


@lru_cache(maxsize=65536)
def department(title: str) -> str | None:
    """Read the department from a job title.

    >>> department("VP of Sales"), department("Astronaut")
    ('sales', 'other')
    """
    return _first(_DEPARTMENT, title)


@lru_cache(maxsize=65536)
def domain_kind(email: str) -> str | None:
    """Tell a company's domain from free mail, schools, governments and throw-away addresses.

    >>> domain_kind("a@gmail.com"), domain_kind("b@acme.io"), domain_kind("c@mit.edu")
    ('free', 'company', 'education')
    """
    if not email.strip():
        return None
    _, sign, domain = email.strip().lower().rpartition("@")
    parts = domain.split(".")
    if not sign or len(parts) < 2 or not all(parts):
        return "invalid"
    if parts[0] in _DISPOSABLE or parts[-2] in _DISPOSABLE:
        return "disposable"
    if {"edu", "ac"} & set(parts[1:]):
        return "education"
    if {"gov", "gouv", "gob", "mil"} & set(parts):
        return "government"
    return "free" if parts[0] in _FREE or parts[-2] in _FREE else "company"


def _first(table: tuple[tuple[str, str], ...], text: str) -> str | None:
    """Name the first row whose pattern matches within the first 200 characters."""
    plain = text.strip().lower()[:200]
    if not plain:
        return None
    return next((name for name, pattern in table if re.search(pattern, plain)), "other")
