"""Features that the kernel computes but the default catalogue leaves out, until they earn a place.

`benchmarks/ablation.py` measures them beside the default groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from data.schema import Project
from data.tables import Tables
from features.catalogue import HALF_LIVES, own_types, slug, span, windows_of, words
from features.frame import Catalogue, Feature

PAIRED_TYPES = 5
"""How many of the most widespread types are paired."""


def with_extras(catalogue: Catalogue, tables: Tables, project: Project) -> Catalogue:
    """Add fading counts per type and ordered pairs of the most widespread types."""
    types, _ = own_types(tables, project, len(windows_of(project)) + 2)
    extra = [*decayed_types(types), *pairs(types[:PAIRED_TYPES])]
    return Catalogue((*catalogue.numbers, *extra, *catalogue.categories))


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
