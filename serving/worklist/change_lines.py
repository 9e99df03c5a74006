"""A change of a score -> the lines that say it: what pages and `explain --since` both show.

What time moved is said by what became older: an activity by its newest event of then, or the lead
itself. A field that never changes may move a score where the model reads it together with what did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.schema_steps import OwnWords
from data.tables import Tables
from features.templates import TEMPLATES
from models.explain.change import Change, ScoreChangeLine
from models.explain.reason_rules import ReasonRules
from serving.loaded_model import LoadedModel
from serving.score_changes import line_reason, lines_to_show
from serving.worklist.pages.act_phrases import act_phrase, ago
from serving.worklist.pages.lead_reasons import report_reason
from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import ShownChangeLine

KINDS: Final[Mapping[str, Literal["events", "edits", "time", "model", "card", "limit"]]] = {
    "event": "events",
    "edit": "edits",
    "time": "time",
    "model": "model",
    "card": "card",
    "limit": "limit",
}


class OlderThing(NamedTuple):
    """What became older: events of a type ("" for any) by somebody ("": anybody), or the lead.

    Of events it is the newest one that was known, or the `first` of all.
    """

    event: str = ""
    by: str = ""
    lead: bool = False
    first: bool = False


class ChangeLines:
    """Says what moved scores between `since` and `as_of`, by a model, in a company's own acts."""

    def __init__(
        self,
        model: LoadedModel,
        tables: Tables,
        acts: Mapping[str, OwnWords],
        since: int,
        as_of: int,
    ) -> None:
        self.model, self.tables, self.acts = model, tables, acts
        self.since, self.as_of = since, as_of
        self._features = {each.name: each for each in model.scorer.features}
        self._rules = ReasonRules.of(model.scorer)

    def of(
        self, change: Change, lead: int, value_of: Callable[[str], Any]
    ) -> tuple[ShownChangeLine, ...]:
        """Write the lines of one lead, a row of the tables; they add up to the change of its score.

        `value_of` gives today's value of a feature.
        """
        shown = [
            self._line(line, value_of) for line in lines_to_show(change) if line.kind != "time"
        ]
        shown += self._older(change, lead)
        if change.rest_points:
            shown.append(ShownChangeLine("rest", change.rest_points))
        return tuple(sorted(shown, key=lambda line: (line.kind == "rest", -abs(line.points))))

    def _line(self, line: ScoreChangeLine, value_of: Callable[[str], Any]) -> ShownChangeLine:
        reason = line_reason(line, self.model, value_of)
        if reason is None:
            return ShownChangeLine(KINDS[line.kind], line.points)
        fixed = line.kind == "event" and not TEMPLATES[reason.template].of_events
        return ShownChangeLine(KINDS[line.kind], line.points, report_reason(reason), together=fixed)

    def _older(self, change: Change, lead: int) -> list[ShownChangeLine]:
        """Name what became older, one line a thing; the rest of time is one line."""
        points: dict[OlderThing, int] = {}
        unnamed = 0
        for line in change.lines:
            if line.kind == "time":
                thing = self._what(line.feature)
                if thing is None:
                    unnamed += line.points
                else:
                    points[thing] = points.get(thing, 0) + line.points
        named = []
        for what, sum_of_points in points.items():
            phrase = self._age(lead, what) if sum_of_points else None
            if phrase is None:
                unnamed += sum_of_points
            else:
                named.append(ShownChangeLine("time", sum_of_points, aged=phrase))
        if unnamed:
            rest = Phrase("what is known of the lead is older now")
            named.append(ShownChangeLine("time", unnamed, aged=rest))
        return named

    def _what(self, feature: str) -> OlderThing | None:
        """Name what a feature counts; None for other facts, and for what no reason may name."""
        described = self._features.get(feature)
        if described is None or self._rules.hides(described):
            return None
        if described.template == "age_days":
            return OlderThing(lead=True)
        event = described.params.get("event")
        if isinstance(event, str):
            return OlderThing(event, str(described.params.get("by") or ""))
        if not TEMPLATES[described.template].of_events:
            return None
        return OlderThing(first=described.template == "days_since_first_event")

    def _age(self, lead: int, what: OlderThing) -> Phrase | None:
        """Say how old a thing is: the lead, or the newest event of then; None without one."""
        created = self.tables.created_at
        if what.lead:
            days = None if created is None else int((self.as_of - created[lead]) // DAY)
            if not days:
                return None
            return Phrase("the lead itself is now {n} days old", {"n": days})
        known = self._known_then(lead, what.event)
        if not len(known):
            return None
        days = int((self.as_of - (known.min() if what.first else known.max())) // DAY)
        if what.first:
            return Phrase("the first activity is now {n} days old", {"n": days})
        if not what.event:
            return Phrase("the latest earlier activity is now {n} days old", {"n": days})
        act = act_phrase(self.acts, what.event, what.by, ago(days))
        if act is not None:
            return Phrase("{act}: that is older now and counts less", {"act": act})
        label = what.event.replace("_", " ")
        return Phrase(
            "{label}: the latest earlier one is now {n} days old",
            {"label": label, "event": what.event, "n": days},
        )

    def _known_then(self, lead: int, event: str) -> NDArray[np.int64]:
        """Give the moments of a lead's events of a type ("" for any) that lie before `since`."""
        events = self.tables.events
        places = np.arange(events.offsets[lead], events.offsets[lead + 1])
        if event:
            types = events.type_names
            code = types.index(event) if event in types else len(types)
            places = places[events.type[places] == code]
        moments: NDArray[np.int64] = events.at[places]
        return moments[moments < self.since]
