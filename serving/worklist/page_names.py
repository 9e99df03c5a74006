"""The fixed words of the report: page titles, columns, states, verdicts, in one language."""

from __future__ import annotations

from markupsafe import Markup

from models.explain.fixed_sentences import BASE_RATE, RULES, RULES_UPDATED
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
        figures = view.funnel or view.forecast or view.week.owners
        pages: list[tuple[str, Markup, object]] = [
            ("today", t("Today"), True),
            ("changes", t("Changes"), view.movers),
            ("pipeline", t("Pipeline"), figures),
            ("proof", t("Proof"), view.trust or view.experiment),
        ]
        return [(key, title) for key, title, page in pages if page]

    def ranks(self) -> list[tuple[str, Markup]]:
        """List the orders of the list."""
        t, view = self.words.t, self.view
        valued = any(lead.worth is not None for lead in view.leads)
        ranks = [
            ("chance", t("by chance") if view.about.ranked else t("newest first")),
            ("value", t("by value")),
            ("urgency", t("by urgency")),
            ("change", t("by change")),
            ("company", t("by company")),
            ("name", t("by name")),
        ]
        return [(key, title) for key, title in ranks if valued or key != "value"]

    def lanes(self) -> dict[str, Markup]:
        """Name the lanes above the list."""
        t = self.words.t
        return {
            "answer": t("Answer now"),
            "cold": t("Going cold"),
            "hot": t("Newly hot"),
            "back": t("Back again"),
        }

    def lane_reasons(self, days: int) -> dict[str, Markup]:
        """Say what a lead does in each lane."""
        t, tn = self.words.t, self.words.tn
        return {
            "answer": t("They asked, and sales has not touched them since."),
            "cold": tn(
                "They score high enough for the calls; sales has not touched them for a day.",
                "They score high enough for the calls; sales has not touched them for {n} days.",
                days,
            ),
            "hot": t("They rose into one of the two best bands within the week."),
            "back": t("They were closed and came back, the latest first."),
        }

    def facets(self) -> dict[str, tuple[Markup, Markup]]:
        """Name the filters: title, and the word for all."""
        t = self.words.t
        return {
            "owner": (t("Owner"), t("All owners")),
            "team": (t("Team"), t("All teams")),
            "stage": (t("Stage"), t("All stages")),
            "source": (t("Source"), t("All sources")),
            "band": (t("Band"), t("All bands")),
            "trend": (t("Trend"), t("All trends")),
            "lane": (t("Lane"), t("All lanes")),
        }

    def trends(self) -> dict[str, str]:
        """Name the ways in which a score can have moved."""
        attr = self.words.attr
        return {
            "rising": attr("rising"),
            "steady": attr("steady"),
            "falling": attr("falling"),
            "new": attr("not enough history"),
        }

    def causes(self) -> dict[str, tuple[Markup, Markup]]:
        """Name what moves scores, and say what it is."""
        t = self.words.t
        return {
            "intent": (t("New activity"), t("Something happened within the week.")),
            "quiet": (t("Gone quiet"), t("Nothing new weighs as much as what has become older.")),
            "edited": (t("Edited"), t("Facts about the lead were filled in or corrected.")),
            "model": (t("New model"), t("The same facts, scored by another model.")),
        }

    def hours(self, hours: float) -> Markup:
        """Write a length of time in hours, in days from two days on."""
        if hours < 48:
            return self.words.tn("{n} hour", "{n} hours", round(hours))
        return self.words.tn("{n} day", "{n} days", round(hours / 24))

    def tables(self) -> dict[str, object]:
        """Translate every fixed list of states that the templates look up."""
        t = self.words.t
        strong, medium, weak = t("strong"), t("medium"), t("weak")
        return {
            "trends": self.trends(),
            "fits": {"A": strong, "B": medium, "C": medium, "D": weak},
            "engagements": {"1": strong, "2": medium, "3": medium, "4": weak},
            "kinds": {
                "events": t("new events"),
                "time": t("time passing"),
                "edits": t("edited facts"),
                "model": t("new model"),
                "card": t("new score card"),
                "limit": t("limit of the scale"),
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
                "disqualify": t("disqualified"),
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
                "care": t(
                    "With care: it orders leads well, but some bands promised too much or too "
                    "little."
                ),
                "flat": t(
                    "Its order, yes. Its percentages are too cautious: the best leads convert more "
                    "often than promised, the weakest less often."
                ),
                "steep": t(
                    "Its order, yes. Its percentages are too bold: the best leads convert less "
                    "often than promised, the weakest more often."
                ),
                "low": t(
                    "Its order, yes. Its percentages are too low: more leads convert than promised."
                ),
                "high": t(
                    "Its order, yes. Its percentages are too high: fewer leads convert than "
                    "promised."
                ),
                "base": t(BASE_RATE),
                "off": t("Not its percentages: some bands promised too much or too little."),
                "ordered off": t(
                    "Its order, yes. Not its percentages: some bands promised too much or too "
                    "little."
                ),
                "unproven": t("Not yet: too few outcomes to verify its promises."),
                "ordered": t(
                    "Its order, yes. Its percentages, not yet: too few outcomes to verify them."
                ),
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
