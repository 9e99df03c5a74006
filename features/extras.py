"""Features that the builder computes but the default catalogue leaves out.

`benchmarks/ablation.py` measures them beside the default groups on forward folds inside train: on
bpi2012 and on simulated companies of three kinds, none gains two standard errors anywhere. Fading
counts per type and ordered pairs say what windows and recency say; siblings cost a little.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from data.schema import Project
from data.tables import Tables
from features.catalogue import (
    HALF_LIVES,
    Params,
    engaged,
    own_types,
    slug,
    span,
    windows_of,
    words,
)
from features.frame import Catalogue, Feature

PAIRED_TYPES = 5
"""How many of the most widespread types are paired."""


def with_extras(catalogue: Catalogue, tables: Tables, project: Project) -> Catalogue:
    """Add every extra that the tables can fill."""
    windows = windows_of(project)
    types, _ = own_types(tables, project, len(windows) + 2)
    extra = [
        *decayed_types(types), *pairs(types[:PAIRED_TYPES]), *channels(tables, windows),
        *response(tables), *siblings(tables, windows),
    ]  # fmt: skip
    numbers = [feature for feature in extra if feature.kind == "number"]
    categories = [feature for feature in extra if feature.kind == "category"]
    return Catalogue((*catalogue.numbers, *numbers, *catalogue.categories, *categories))


def decayed_types(types: list[str]) -> Iterator[Feature]:
    """Yield counts of each type that fade by half within each half-life."""
    for name in types:
        for half_life in HALF_LIVES:
            yield Feature(
                f"{slug(name)}_decayed_{span(half_life)}", "number", "engagement", slug(name),
                f"recent {words(name)}", "decayed_count",
                {"event": name, "half_life": half_life, "label": words(name)}, "events",
            )  # fmt: skip


def pairs(types: list[str]) -> Iterator[Feature]:
    """Yield, for each ordered pair, how often the second came after the first."""
    for first, second in permutations(types, 2):
        yield Feature(
            f"n_{slug(second)}_after_{slug(first)}", "number", "engagement", slug(second),
            f"{words(second)} after {words(first)}", "pair_after",
            {"first": first, "second": second,
             "label": f"{words(second)} after {words(first)}"}, "events",
        )  # fmt: skip


def channels(tables: Tables, windows: tuple[float, ...]) -> Iterator[Feature]:
    """Yield how many channels were used, and the first and the last one."""
    longest = max(windows, default=30.0)
    if len(tables.events.channel_names) > 1:
        yield engaged(
            f"n_channels_{span(longest)}", "channels", f"channels in {span(longest)}",
            "n_channels", {"days": longest, "label": "channels"}, "channels",
        )  # fmt: skip
        for name, label in (("first_channel", "first channel"), ("last_channel", "last channel")):
            yield Feature(name, "category", "context", "channels", label, name, {"label": label})


def response(tables: Tables) -> Iterator[Feature]:
    """Yield how long the lead takes to answer a touch by sales."""
    direction = tables.events.direction
    if (direction == 1).any() and (direction == 0).any():
        label = "hours until the lead answers"
        yield engaged(
            "response_hours", "response", label, "response_hours", {"label": label}, "hours"
        )


def siblings(tables: Tables, windows: tuple[float, ...]) -> Iterator[Feature]:
    """Yield what the other leads of the account did: one factor."""
    account = tables.account[tables.account >= 0]
    if not len(account) or int(np.bincount(account).max()) < 2:
        return
    params: Params = {"label": "others at the account"}
    yield engaged(
        "n_account_leads", "account", "other leads of the account", "account_leads", params, "leads"
    )
    days = 30.0 if not windows or 30.0 in windows else max(windows)
    yield engaged(
        f"n_account_events_{span(days)}", "account", f"events of the account's other leads in "
        f"{span(days)}", "account_events", {**params, "days": days}, "events",
    )  # fmt: skip
    yield engaged(
        "days_since_account_event", "account", "days since another lead of the account acted",
        "account_days_since", params, "days",
    )  # fmt: skip
