"""Tonight's counts and those of the last good night -> what is wrong with tonight's data.

What was already so on the last good night is not wrong tonight. The limits are wide on purpose: a
night is stopped for what no quiet night does (benchmarks/loops_monitor.py measures how often).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from scipy import stats

from data.clock import DAY
from training.watch.breach import CHANCE, LEAST, Breach
from training.watch.feature_watch import stability_index
from training.watch.night_profile import ColumnCounts, NightProfile
from training.watch.source_checks import check_sources

UNKNOWN: Final = (0.10, 0.20)
MISSING: Final = (0.20, 0.30)
"""By how much a share may rise among all open leads, and among new ones."""
UNIT: Final = 4.0
SHIFT: Final = 0.25


def check_night(
    now: NightProfile, then: NightProfile, *, declared_end: bool, own_sources: bool = True
) -> list[Breach]:
    """Compare tonight with the last good night, gravest first.

    `declared_end` says that somebody named the moment, so that it may well lie in the past.
    `own_sources` False leaves out the checks of files, which are other ones.
    """
    breaches = check_sources(now, then, declared_end=declared_end) if own_sources else []
    breaches += check_columns(now.everyone, then, 0, "open leads")
    named = {(b.check, b.subject) for b in breaches}
    young = check_columns(now.newcomers, then, 1, "leads of the last 14 days")
    breaches += [b for b in young if (b.check, b.subject) not in named]
    breaches += _scores(now, then)
    return breaches


def check_columns(
    now: Mapping[str, ColumnCounts], then: NightProfile, group: int, whom: str
) -> list[Breach]:
    """Compare each column with that of the last good night."""
    found: list[tuple[float, Breach]] = []
    for name, tonight in now.items():
        before = (then.everyone if group == 0 else then.newcomers).get(name)
        if before is None or tonight.n < LEAST or before.n < LEAST:
            continue
        rise = tonight.missing_share - before.missing_share
        if rise > MISSING[group] and _beyond(tonight.missing, tonight.n, before.missing_share):
            found.append((rise, _missing(name, tonight, before, whom)))
            continue
        breach = _unit(name, tonight, before, whom) if tonight.typical else None
        breach = breach or _unknown(name, tonight, then, group, whom)
        if breach is not None:
            found.append(breach)
    return [breach for _, breach in sorted(found, key=lambda pair: -pair[0])]


def _beyond(count: int, n: int, share: float) -> bool:
    base = (share * n + 1) / (n + 2)
    return float(stats.binom.sf(count - 1, n, base)) < CHANCE


def _missing(name: str, tonight: ColumnCounts, before: ColumnCounts, whom: str) -> Breach:
    return Breach(
        "missing",
        f"column {name}: missing for {tonight.missing_share:.0%} of {whom}, last run "
        f"{before.missing_share:.0%}",
        "look whether the export still fills it",
        name,
    )


def _unit(
    name: str, tonight: ColumnCounts, before: ColumnCounts, whom: str
) -> tuple[float, Breach] | None:
    if not (tonight.typical and before.typical):
        return None
    ratio = tonight.typical / before.typical
    if 1 / UNIT < ratio < UNIT:
        return None
    return (
        abs(float(np.log(ratio))),
        Breach(
            "unit",
            f"column {name}: a typical value of {whom} is {tonight.typical:,.6g}, last run "
            f"{before.typical:,.6g}",
            "look whether its unit changed",
            name,
        ),
    )


def _unknown(
    name: str, tonight: ColumnCounts, then: NightProfile, group: int, whom: str
) -> tuple[float, Breach] | None:
    """Find values that the last good night did not have."""
    befores = [c for c in (then.everyone.get(name), then.newcomers.get(name)) if c is not None]
    known = {level for before in befores for level in before.levels}
    n = tonight.n - tonight.missing
    covered = sum(count for level, count in tonight.levels.items() if level in known)
    base = max((before.uncovered for before in befores), default=0.0)
    rise = (1 - covered / n if n else 0.0) - base
    if n < LEAST or rise <= UNKNOWN[group] or not _beyond(n - covered, n, base):
        return None
    fresh = [level for level in tonight.levels if level not in known]
    words = ", ".join(repr(tonight.texts.get(level, "")) for level in fresh[:3])
    return (
        rise,
        Breach(
            "unknown levels",
            f"column {name}: {1 - covered / n:.0%} of {whom} have a value that the last run did "
            f"not know{f' ({words})' if fresh else ''}",
            "look for a renamed level",
            name,
        ),
    )


def _scores(now: NightProfile, then: NightProfile) -> Iterator[Breach]:
    """Compare how scores are spread with the last good night of the same model."""
    n, m = sum(now.scores), sum(then.scores)
    near = 0 <= now.as_of - then.as_of <= 14 * DAY
    if now.model_version != then.model_version or min(n, m) < 100 or not near:
        return
    if now.top == then.top and then.top_band >= 15 and now.top_band < then.top_band / 3:
        yield Breach(
            "scores",
            f"best band: {now.top_band} leads, last run {then.top_band}",
            "look at what is missing from the data",
        )
        return
    index = stability_index(np.asarray(then.scores, float), np.asarray(now.scores, float))
    if index > SHIFT and stats.chi2.sf(index / (1 / n + 1 / m), len(now.scores) - 1) < CHANCE:
        yield Breach(
            "scores",
            f"scores: spread otherwise than in the last run (stability index {index:.2f})",
            "look at what is missing from the data",
        )
