"""A model and a project -> refused where the project lost what the model was trained on.

What is absent would count as missing or as 0 for every lead: scores would be wrong, and nothing
would say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from data.errors import InputError
from data.schema import Project
from data.schema_tables import EventsSection
from data.tables import Tables
from features.frame import Catalogue
from features.plan import template_of

_TOLD_BY: Final[Mapping[str, tuple[str, Callable[[EventsSection], bool]]]] = {
    "inbound_count": ("direction", lambda each: bool(each.direction or each.outbound)),
    "outbound_count": ("direction", lambda each: bool(each.direction or each.outbound)),
    "value_sum": ("value", lambda each: each.value is not None),
    "value_max": ("value", lambda each: each.value is not None),
    "n_campaigns": ("campaign", lambda each: each.campaign is not None),
    "n_people": ("person", lambda each: each.person is not None),
}
"""Templates of features -> the key of [[events]] without which they are the same for everybody."""
_CURE: Final = "bring it back, or train again without it"


def refuse_lost_events(catalogue: Catalogue, project: Project) -> None:
    """Raise InputError where features read events, or a column of them, that no section gives."""
    of_events = [each for each in catalogue.features if template_of(each).of_events]
    if of_events and not project.events:
        raise InputError(
            f"the model was trained on events ({of_events[0].name} and {len(of_events) - 1} "
            "more features), and the project has none any more",
            column="events",
            cure=_CURE,
        )
    for feature in of_events:
        key, gives = _TOLD_BY.get(feature.template, ("", bool))
        if key and not any(map(gives, project.events)):
            raise InputError(
                f"the model was trained on it (feature {feature.name}), and no [[events]] has it "
                "any more",
                column=f"events.{key}",
                cure=_CURE,
            )


def refuse_lost_columns(catalogue: Catalogue, tables: Tables) -> None:
    """Raise InputError where a feature reads a column of leads that the tables do not hold."""
    if lost := catalogue.lost_columns(tables):
        more = f" ({len(lost) - 1} more: {', '.join(lost[1:4])})" if len(lost) > 1 else ""
        raise InputError(
            f"the model was trained on this column, and the project has it no more{more}",
            column=lost[0],
            cure=_CURE,
        )
