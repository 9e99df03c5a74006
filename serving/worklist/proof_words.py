"""What was promised and what came of it -> the first sentences of page "Proof"."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from serving.worklist.language import Words
from serving.worklist.view import ReportView
from serving.worklist.view_figures import (
    ArmRow,
    BandRow,
    ExperimentPage,
    ForecastPage,
    TrustCase,
)

FEWEST_FORECASTS = 3


def proof_sentences(view: ReportView, words: Words) -> list[Markup]:
    """Say whether bands kept their promise, and how results run against the forecast.

    Where outcomes are too few to tell, which the page says next, no band is said to have kept it;
    those that did not are named all the same. Nor where all scores together show that percentages
    are off: a band of few scores keeps its promise easily.
    """
    trust = view.trust
    settled = trust is not None and trust.verdict not in ("unproven", "base")
    bands = _bands(trust.bands, words, settled=settled) if trust is not None else None
    if trust is not None and trust.doubt is not None and all(row.kept for row in trust.bands):
        bands = Markup("{}.").format(badges(words)[trust.case])
    results = _results(view.forecast, words) if view.forecast else None
    return [sentence for sentence in (bands, results) if sentence is not None]


def badges(words: Words) -> dict[TrustCase, Markup]:
    """Say in a few words how far scores can be trusted, for each case."""
    t = words.t
    return {
        "trust": t("Ranking reliable, percentages verified"),
        "mostly": t("Ranking reliable, most percentages verified"),
        "care": t("Ranking reliable, some percentages were off"),
        "flat": t("Ranking reliable, percentages too cautious"),
        "steep": t("Ranking reliable, percentages too bold"),
        "low": t("Ranking reliable, percentages too low"),
        "high": t("Ranking reliable, percentages too high"),
        "unproven": t("Too few outcomes yet to verify the percentages"),
        "ordered": t("Too few outcomes yet to verify the percentages"),
        "ordered off": t("Some percentages were off"),
        "off": t("Some percentages were off"),
        "rules": t("Scored by rules"),
        "base": t("Not learned"),
    }


def experiment_sentence(trial: ExperimentPage | None, words: Words) -> Markup | None:
    """Say what two arms reached, and whether that can tell; None where there are not two."""
    if trial is None or len(trial.arms) != 2:
        return None
    first, second = _scored_first(trial.arms)
    values = {
        "first": words.word(first.arm),
        "a": words.percent(first.rate.value, 1),
        "second": words.word(second.arm),
        "b": words.percent(second.rate.value, 1),
        "points": _points(first.rate.value - second.rate.value, words),
    }
    if trial.difference.low > 0 or trial.difference.high < 0:
        return words.t("{first}: {a} against {b} ({second}): {points} points.", **values)
    if trial.needed_per_arm is None:
        return words.t(
            "{first}: {a} against {b} ({second}): {points} points, too early to tell.", **values
        )
    return words.t(
        "{first}: {a} against {b} ({second}): {points} points, too early to tell; "
        "{n} leads in each arm are needed.",
        n=words.number(trial.needed_per_arm),
        **values,
    )


def _scored_first(arms: Sequence[ArmRow]) -> tuple[ArmRow, ArmRow]:
    first, second = arms
    return (second, first) if second.arm == "score" else (first, second)


def _points(difference: float, words: Words) -> Markup:
    plus = "+" if difference > 0 else ""
    return Markup("{}{}").format(plus, words.number(100 * difference, 1))


def _bands(bands: Sequence[BandRow], words: Words, *, settled: bool) -> Markup | None:
    """Name the bands that kept their promise, else those that did not."""
    if not bands:
        return None
    broken = [row for row in bands if not row.kept]
    if not broken and not settled:
        return None
    if not broken and len(bands) > 1:
        return words.t(
            "Bands {first} to {last} kept their promise.", first=bands[0].band, last=bands[-1].band
        )
    if not broken:
        return words.t("Band {band} kept its promise.", band=bands[0].band)
    named = ", ".join(row.band for row in broken)
    many = [row for row in broken if row.promised > row.observed.high]
    others = settled and len(broken) < len(bands)
    if len(many) == len(broken) and not others:
        return words.t("Promised too much: {bands}.", bands=named)
    if not many and not others:
        return words.t("Promised too little: {bands}.", bands=named)
    if len(many) == len(broken):
        return words.t(
            "Promised too much: {bands}. The other bands kept their promise.", bands=named
        )
    if not many:
        return words.t(
            "Promised too little: {bands}. The other bands kept their promise.", bands=named
        )
    return words.t("Not kept: the promises of {bands}.", bands=named)


def _results(forecast: ForecastPage, words: Words) -> Markup | None:
    """Compare what past forecasts promised with what happened."""
    if len(forecast.past) < FEWEST_FORECASTS:
        return None
    promised = sum(past.forecast.value for past in forecast.past)
    happened = sum(past.observed for past in forecast.past)
    if promised <= 0:
        return None
    share = happened / promised - 1
    if abs(share) < 0.05:
        return words.t("Results run as forecast.")
    if share > 0:
        return words.t("Results run {share} above the forecast.", share=words.percent(share, 0))
    return words.t("Results run {share} below the forecast.", share=words.percent(-share, 0))
