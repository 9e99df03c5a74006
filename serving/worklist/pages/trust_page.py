"""The model's card -> page "Can I trust it?": promised against observed, gains, what is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Literal

from data.clock import DAY, iso
from data.labels import label, make_snapshots
from models.note import Note
from serving.experiment_arms import arms_of
from serving.figures.reps_against_model import ClaimFigures, compare_reps
from serving.held_back import RANDOM_ARM
from serving.lead_ages import count_older
from serving.worklist.pages.last_list import follow_list
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.phrase import Phrase
from serving.worklist.view_figures import BandRow, Doubt, GainsCurve, TrustPage
from serving.worklist.view_parts import Interval, Point, RepClaims, ShownClaim
from training.model_card import ModelCard

CURVES: Final = ("model", "newest", "rule", "logistic")
ENOUGH_OUTCOMES: Final = 100
"""Conversions, and other outcomes, that the test rows need before the model can be judged."""
MAX_MODEL_AGE_DAYS: Final = 45
"""An older model is said to need retraining."""
SLOPE_RANGE: Final = (0.85, 1.15)
"""Calibration slopes that count as near 1."""
BASE_RATE_MOVED: Final = "the base rate moved"
"""How the note of training.evaluate begins that says so."""
MAX_LEVEL_ERRORS: Final = 3.0
"""Standard errors by which the calibration intercept may differ from 0 on the test rows."""
LEAST_SHARE: Final = 0.05
"""Rows after scoring matter from this share on; of those, so many in a random arm are enough."""


def make_trust(source: ReportInput) -> TrustPage:
    """Fill the page from what was measured on the test leads when the model was trained."""
    card = source.model.card
    age = int((source.scored.as_of - card.trained_until) // DAY) if card.has_clock else 0
    older = count_older(source.project, source.tables.created_at, source.scored.snapshots)
    verdict = _verdict(card)
    return TrustPage(
        verdict=verdict,
        doubt=_doubt(card) if verdict == "care" else None,
        model_version=source.model.version,
        trained_at=iso(card.trained_until) if card.has_clock else None,
        trained_leads=card.train_leads,
        trained_conversions=card.train_leads_converted,
        tested_leads=card.test_leads,
        tested_conversions=card.test_leads_converted,
        tested_scores=card.test_rows,
        bands=() if source.model.bands_edited else tuple(_band(row) for row in card.bands),
        reliability=tuple(_point(row) for row in card.tenths),
        gains=_gains(card) if card.ranks else (),
        auc=_interval(card.figure("auc")) if card.ranks else None,
        log_loss_skill=_interval(card.figure("skill")),
        top_captured=_captured(card, 0.1) if card.ranks else None,
        base_rate=card.test_conversions / card.test_rows if card.test_rows else None,
        model_age_days=max(age, 0) if card.has_clock else None,
        data_until=iso(source.tables.observed_until) if card.has_clock else None,
        unknowns=tuple(_unknowns(card, age, older, edited=source.model.bands_edited)),
        shaped_by_scores=is_shaped_by_scores(source),
        reps=make_claims(source),
        last_list=follow_list(
            source.stored_list, source.tables, source.outcomes, source.scored.as_of
        ),
    )


def make_claims(source: ReportInput) -> RepClaims | None:
    """Hold reps' answers against what became of the leads; None where there are none."""
    found = compare_reps(
        source.feedback,
        source.tables,
        source.outcomes,
        source.project,
        source.model.scorer.card,
    )
    if found is None:
        return None

    def shown(claims: tuple[ClaimFigures, ...]) -> tuple[ShownClaim, ...]:
        return tuple(
            ShownClaim(c.claim, c.observed.n, c.promised, interval(c.observed), c.winner)
            for c in claims
        )

    reps = tuple((rep, shown(claims)) for rep, claims in found.reps)
    return RepClaims(shown(found.claims), found.waiting, reps)


def is_shaped_by_scores(source: ReportInput) -> bool:
    """Tell whether the model learnt from leads that sales already worked by earlier scores."""
    project, tables, outcomes = source.project, source.tables, source.outcomes
    if source.scored_from is None or project.static:
        return False
    rows = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    learnt = rows.closes_at <= source.model.card.trained_until
    later = learnt & (rows.snapshots.as_of >= source.scored_from)
    if later.sum() < max(1, LEAST_SHARE * learnt.sum()):
        return False
    if project.experiment.random_arm == 0:
        return True
    arms = arms_of(tables, project)[rows.snapshots.lead[later]]
    return bool((arms == RANDOM_ARM).mean() < LEAST_SHARE)


def _verdict(card: ModelCard) -> Literal["trust", "care", "unproven", "rules", "base"]:
    """Answer "trust" where outcomes are enough, and bands, slope and level hold on the test.

    "rules" and "base" are said where rules, or the base rate, score in place of a model.
    """
    if card.rule_updated_by is not None:
        return "rules"
    if not card.ranks:
        return "base"
    if min(card.tested) < ENOUGH_OUTCOMES:
        return "unproven"
    bands_hold = sum(bool(row["kept"]) for row in card.bands) >= 0.75 * len(card.bands)
    checked = card.figure("slope") is not None
    return "trust" if checked and _doubt(card) is None and bands_hold else "care"


def _doubt(card: ModelCard) -> Doubt | None:
    """Say which way percentages are off over all test scores: their level first, then their spread.

    A slope above 1 means that what happened lies further apart than what was promised.
    """
    slope, level = card.figure("slope"), card.figure("intercept")
    if level is not None and abs(level["value"]) > MAX_LEVEL_ERRORS * level["error"]:
        return "low" if level["value"] > 0 else "high"
    least, most = SLOPE_RANGE
    if slope is None or (slope["low"] <= most and slope["high"] >= least):
        return None
    return "flat" if slope["low"] > most else "steep"


def _unknowns(card: ModelCard, age: int, older: int, *, edited: bool = False) -> list[Phrase]:
    """List what the model does not know: its `age` is in days, `older` counts open leads."""
    phrases = [Phrase("Whom a call would persuade: it says who is likely to convert.")]
    converted, _ = card.tested
    if converted < ENOUGH_OUTCOMES:
        phrases.append(
            Phrase(
                "Only {n} conversions were there to check the promises with; about 100 are needed.",
                {"n": converted},
            )
        )
    phrases += _moved(card)
    if older:
        phrases.append(
            Phrase(
                "{n} open leads are far older than any that it learned from: if old leads convert "
                "less, their scores are too high.",
                {"n": older},
            )
        )
    if edited:
        phrases.append(
            Phrase(
                "The bands were edited after training: what each one promises is checked at the "
                "next training."
            )
        )
    if age > MAX_MODEL_AGE_DAYS:
        phrases.append(Phrase("The model has not been retrained for {n} days.", {"n": age}))
    return phrases


def _moved(card: ModelCard) -> list[Phrase]:
    """Say that another share converted in the test rows than in training, where that is shown."""
    more = Phrase(
        "Opportunities have become more frequent: {now} in 100 scores of the test came before one, "
        "{then} in 100 of those it learned from. Train again once newer outcomes are known."
    )
    less = Phrase(
        "Opportunities have become rarer: {now} in 100 scores of the test came before one, {then} "
        "in 100 of those it learned from. Train again once newer outcomes are known."
    )
    moved = [n for n in card.notes if isinstance(n, Note) and n.msgid.startswith(BASE_RATE_MOVED)]
    rates = [[100 * float(note.values[name]) for name in ("then", "now")] for note in moved]
    return [
        replace(more if now > then else less, params={"then": then, "now": now})
        for then, now in rates
    ]


def _band(row: dict[str, Any]) -> BandRow:
    observed = Interval(float(row["observed"]), float(row["low"]), float(row["high"]))
    return BandRow(str(row["band"]), int(row["n"]), float(row["promised"]), observed)


def _point(row: dict[str, Any]) -> Point:
    return Point(
        x=float(row["promised"]),
        y=float(row["observed"]),
        low=row.get("low"),
        high=row.get("high"),
        n=None if row.get("n") is None else int(row["n"]),
    )


def _gains(card: ModelCard) -> tuple[GainsCurve, ...]:
    diagonal = tuple(Point(x, x) for x in (0.0, 1.0))
    drawn = [
        GainsCurve(name, tuple(Point(x, y) for x, y in card.gains[name]))
        for name in CURVES
        if name in card.gains
    ]
    return (*drawn, GainsCurve("random", diagonal))


def _captured(card: ModelCard, share: float) -> float | None:
    pairs = card.gains.get("model", [])
    near = [y for x, y in pairs if x >= share]
    return near[0] if near else None


def _interval(figure: dict[str, float] | None) -> Interval | None:
    return None if figure is None else Interval(figure["value"], figure["low"], figure["high"])
