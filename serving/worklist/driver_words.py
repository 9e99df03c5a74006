"""Factors, values and the choice among candidates -> the words of the model page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from features.templates import BY_TYPE, OF_ALL, TEMPLATES
from models.explain import fixed_sentences as fixed
from models.explain.speech import capital
from models.fit.candidates import DEFAULT
from models.predictor import FeatureColumn
from models.winners import CONSTANT, LINE, RULE
from serving.figures.drivers import Dependence, ValueGroup
from serving.worklist.language import Labels, Words
from serving.worklist.safe_text import shown

SMALL: Final = 100
"""Whole numbers up to here are written as ranges, from and to; larger ones would be too long."""
_BY_TYPE = frozenset(row.name for row in BY_TYPE)
_OF_ALL = frozenset(row.name for row in OF_ALL)


def factor_name(feature: FeatureColumn, words: Words, labels: Labels) -> str:
    """Name the factor of a feature: in the company's own words, else by its field or event."""
    if feature.params.get("pooled"):
        return words.attr("Rare kinds of activity")
    known = _factor_names(words).get(feature.factor)
    if known is not None and feature.template not in _BY_TYPE | {"attribute", "known_since"}:
        return known
    derived = feature.template in ("seniority", "department", "email_domain_kind")
    key = feature.factor if derived else feature.params.get("event", feature.params.get("column"))
    return capital(shown(words.label(str(key or feature.factor), labels), 60))


def _factor_names(words: Words) -> Mapping[str, str]:
    attr = words.attr
    return {
        "activity": attr("Activity of every kind"),
        "outbound": attr("Touches by sales"),
        "value": attr("Time and money spent"),
        "campaigns": attr("Campaigns"),
        "people": attr("People involved"),
        "completeness": attr("Details that are not known"),
        "age": attr("Age of the lead"),
        "calendar": attr("When it was created"),
        "closed_before": attr("Closed before"),
        "seniority": attr("Seniority"),
        "department": attr("Department"),
        "email_domain": attr("Kind of e-mail address"),
    }


def value_name(feature: FeatureColumn, words: Words) -> Markup:
    """Say what the values of a feature are: a count within days, days since, a field."""
    t, days = words.t, feature.params.get("days")
    row = TEMPLATES.get(feature.template)
    if feature.template in _BY_TYPE | _OF_ALL and isinstance(days, (int, float)):
        return words.tn(*fixed.PERIODS["days"], max(round(days), 1))
    if feature.template == "count_ever":
        return t("times since the beginning")
    if feature.template == "known_since":
        return t("days since it is known")
    if feature.template in ("days_since", "days_since_last_event"):
        return t("days since the latest")
    if row is not None and row.is_duration:
        return t("days")
    return Markup("")


def group_name(of: Dependence, group: ValueGroup, *, words: Words, labels: Labels) -> str:
    """Write a group of values: "2–3", "≥ 8", "< 1.5", a level, "not known"."""
    feature, whole, is_first = of.feature, of.whole, group is of.groups[0]
    if group.level is not None:
        return shown(words.label(group.level, labels), 40)
    if group.least is None or group.most is None:
        return words.attr("not known")
    row = TEMPLATES.get(feature.template)
    if row is not None and row.names:
        place = int(group.least) - row.first
        return words.word(row.names[place]) if 0 <= place < len(row.names) else ""
    least, most = group.least, group.most
    if not math.isfinite(least) or not math.isfinite(most):
        return _number(least if math.isfinite(least) else most, words)
    if whole and most - least <= 1:
        return _number(least, words)
    if whole and most <= SMALL:
        return f"{_number(least, words)}–{_number(most - 1, words)}"
    return f"< {_number(most, words)}" if is_first else f"≥ {_number(least, words)}"


def _number(value: float, words: Words) -> str:
    return str(words.figure(value))


def candidate_name(name: str, words: Words) -> str:
    """Say a candidate in words: the mean of its components."""
    attr = words.attr
    parts = {
        "linear": attr("logistic regression"),
        "extra": attr("randomised trees"),
        "boosted": attr("trees on top of the regression"),
        "plain": attr("boosted trees"),
        "deep": attr("larger boosted trees"),
        RULE: attr("rule of thumb"),
        CONSTANT: attr("base rate"),
    }
    return " + ".join(parts.get(part, shown(part, 40)) for part in name.split(" + "))


def why_it_won(candidates: Mapping[str, Any], words: Words) -> list[Markup]:
    """Say why the winner won: the rule of the choice, and the figures that it was applied to."""
    t, winner = words.t, str(candidates.get("winner") or "")
    first = candidates.get("forward_folds") or candidates.get("random_folds") or []
    rows = {row["candidate"]: row for row in first if "behind" in row}
    if winner == CONSTANT:
        return [t("No model could be proven: every lead gets the base rate.")]
    if winner not in rows:
        return []
    if len(rows) == 1:
        one = t(
            "{winner} was the only candidate.",
            winner=_bold(winner, words),
        )
        return [one]
    return list(_reasons(winner, rows, candidates, words))


def _reasons(
    winner: str, rows: Mapping[str, Mapping[str, float]], report: Mapping[str, Any], words: Words
) -> Iterator[Markup]:
    t, ahead = words.t, bool(report.get("forward_folds"))
    default = DEFAULT if DEFAULT in rows else next(iter(rows))
    names = {"winner": _bold(winner, words), "default": _bold(default, words)}
    places = (
        t("on later months that it had not seen")
        if ahead
        else t("on rows that it had not seen, drawn at random")
    )
    yield t("{n} candidates were judged, each {places}.", n=words.number(len(rows)), places=places)
    mine, others = rows[winner], _others(rows, winner)
    figures = {
        "gap": _loss(abs(mine["behind"]), words),
        "error": _loss(mine["between"], words),
        **names,
    }
    if winner == default:
        best = min(others, key=lambda name: rows[name]["log_loss"])
        gap, error = rows[best]["behind"], rows[best]["between"]
        yield t(
            "{winner} is taken unless another is better by more than one standard error.", **names
        )
        best_other = {
            "name": _bold(best, words),
            "gap": _loss(abs(gap), words),
            "error": _loss(error, words),
        }
        yield (
            t(
                "The best other, {name}, was worse by {gap} in log loss (standard error {error}).",
                **best_other,
            )
            if gap > 0
            else t(
                "The best other, {name}, was better by {gap} in log loss (standard error {error}).",
                **best_other,
            )
        )
    elif winner == LINE:
        yield t(
            "{winner}, the simplest, is taken where it is no worse than {default} on any rows; it was better by {gap} in log loss (standard error {error}).",  # noqa: E501
            **figures,
        )
        best = min(rows, key=lambda name: rows[name]["log_loss"])
        if best != winner:
            yield t(
                "{name} had the least log loss, by {gap}: the simpler one is kept all the same.",
                name=_bold(best, words),
                gap=_loss(mine["log_loss"] - rows[best]["log_loss"], words),
            )
    else:
        yield t(
            "{winner} was better than {default} by {gap} in log loss, more than one standard error ({error}).",  # noqa: E501
            **figures,
        )


def _others(rows: Mapping[str, object], winner: str) -> Sequence[str]:
    return [name for name in rows if name != winner]


def _bold(candidate: str, words: Words) -> Markup:
    return Markup("<b>{}</b>").format(candidate_name(candidate, words))


def _loss(value: float, words: Words) -> Markup:
    return words.number(value, 4)
