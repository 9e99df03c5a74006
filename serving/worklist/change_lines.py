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

LEAST_AGED: Final = 2
"""Points by which one thing that became older must have moved a score to be named beside others."""
KINDS: Final[Mapping[str, Literal["events", "edits", "time", "model", "card", "limit"]]] = {
    "event": "events",
    "edit": "edits",
    "time": "time",
    "model": "model",
    "card": "card",
    "limit": "limit",
}
_OF_ANY: Final = frozenset(
    {
        "count_all_window",
        "active_days",
        "days_since_last_event",
        "decayed_count",
        "trend",
        "inbound_count",
        "outbound_count",
        "value_sum",
    }
)


class OlderThing(NamedTuple):
    """What became older: events of a type ("" for any) by somebody ("": anybody), or the lead."""

    event: str = ""
    by: str = ""
    lead: bool = False


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
        most = max(map(abs, points.values()), default=0)
        named = []
        for what, sum_of_points in points.items():
            clear = abs(sum_of_points) >= min(LEAST_AGED, most)
            phrase = self._age(lead, what) if clear and sum_of_points else None
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
        return OlderThing() if described.template in _OF_ANY else None

    def _age(self, lead: int, what: OlderThing) -> Phrase | None:
        """Say how old a thing is: the lead, or the newest event of then; None without one."""
        created = self.tables.created_at
        if what.lead:
            days = None if created is None else int((self.as_of - created[lead]) // DAY)
            if not days:
                return None
            return Phrase("the lead itself is now {n} days old", {"n": days})
        at = self._newest(lead, what.event)
        if at is None:
            return None
        days = int((self.as_of - at) // DAY)
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

    def _newest(self, lead: int, event: str) -> int | None:
        events = self.tables.events
        places = np.arange(events.offsets[lead], events.offsets[lead + 1])
        kept: NDArray[np.bool_] = events.at[places] < self.since
        if event:
            if event not in events.type_names:
                return None
            kept &= events.type[places] == events.type_names.index(event)
        return int(events.at[places][kept].max()) if kept.any() else None
