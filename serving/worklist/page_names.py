"""The fixed words of the report: page titles, columns, states, verdicts, in one language."""

from __future__ import annotations

from markupsafe import Markup

from models.explain.fixed_sentences import RULES, RULES_UPDATED
from serving.worklist.language import Words
from serving.worklist.view import ReportView


def rule_sentence(conversions: int, words: Words) -> Markup:
    """Say that rules score, and how many conversions they were updated by."""
    return words.t(RULES_UPDATED, n=words.number(conversions)) if conversions else words.t(RULES)


class PageNames:
    """The fixed words of one report, in the language of `words`."""

    def __init__(self, view: ReportView, words: Words) -> None:
        self.view, self.words = view, words

    def pages(self) -> list[tuple[str, Markup]]:
        """List the pages that this report has, as (anchor, title)."""
        t, view = self.words.t, self.view
        pages: list[tuple[str, Markup, object]] = [
            ("week", t("This week"), view.week),
            ("movers", t("Movers"), view.movers),
            ("leads", t("All leads"), view.leads),
            ("funnel", t("Funnel"), view.funnel),
            ("forecast", t("Forecast"), view.forecast),
            ("trust", t("Can I trust it?"), view.trust),
            ("experiment", t("Experiment"), view.experiment),
        ]
        return [(key, title) for key, title, page in pages if page is not None]

    def columns(self) -> list[tuple[str, Markup, str]]:
        """List the columns of all leads: (sort key or "", title, class)."""
        t = self.words.t
        return [
            ("rank", t("#"), "n"),
            ("name", t("Lead"), ""),
            ("owner", t("Owner"), "own"),
            ("score", t("Score"), "sc"),
            ("probability", t("Chance"), "n p"),
            ("", t("Why"), "w"),
            ("touch", t("Last touch"), "touch"),
        ]

    def hours(self, hours: float) -> Markup:
        """Write a length of time in hours, in days from two days on."""
        if hours < 48:
            return self.words.tn("{n} hour", "{n} hours", round(hours))
        return self.words.tn("{n} day", "{n} days", round(hours / 24))

    def tables(self) -> dict[str, object]:
        """Translate every fixed list of states that the templates look up."""
        t, attr = self.words.t, self.words.attr
        return {
            "trends": {
                "rising": attr("rising"),
                "steady": attr("steady"),
                "falling": attr("falling"),
                "new": attr("not enough history"),
            },
            "kinds": {
                "events": t("new events"),
                "time": t("time passing"),
                "edits": t("edited facts"),
                "model": t("new model"),
                "card": t("new score card"),
                "rest": t("everything else"),
            },
            "questions": {
                "need": t("Need"),
                "budget": t("Budget"),
                "authority": t("Authority"),
                "timing": t("Timing"),
            },
            "answered": {
                "right": t("right"),
                "wrong": t("wrong"),
                "too_high": t("too high"),
                "too_low": t("too low"),
                "wrong_stage": t("wrong stage"),
                "done": t("done"),
                "snooze": t("snoozed"),
                "reopen": t("back on the list"),
                "undo": t("taken back"),
                "disqualify": t("take it out"),
                "note": t("note"),
            },
            "claims": {
                "too_high": t("called too high"),
                "too_low": t("called too low"),
                "disqualify": t("disqualified"),
                "right": t("called right"),
            },
            "winners": {
                "reps": t("the reps were right"),
                "model": t("the model was right"),
                "open": t("too early to say"),
                "agreed": "",
            },
            "families": [
                ("fit", t("Fit: who they are")),
                ("engagement", t("Engagement: what they do")),
                ("qualification", t("Qualification: what they told")),
                ("context", t("Context: when and where from")),
            ],
            "verdicts": {
                "trust": t("Yes: its promises came true on leads that it had never seen."),
                "mostly": t("Yes: most of its promises came true on leads that it had never seen."),
                "care": t("With care: it orders leads well, but some promises were off."),
                "unproven": t("Not yet: too few outcomes to verify its promises."),
            },
            "curves": curve_names(self.words),
        }


def curve_names(words: Words) -> dict[str, str]:
    """Name the ways of ordering leads that gains curves compare."""
    attr = words.attr
    return {
        "model": attr("by score"),
        "newest": attr("newest first"),
        "rule": attr("rule of thumb"),
        "random": attr("at random"),
        "logistic": attr("logistic regression"),
        "prior": attr("average"),
    }
