"""A few leads -> their rows at their own price: the builder's values, without a data frame.

A request asks for one lead or a hundred. What depends on the catalogue alone is compiled once, and
categories are read as words, not as columns of levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.asof import values_at
from data.tables import Snapshots, Tables
from features import profile, walk
from features.frame import Catalogue, Feature
from features.plan import CODE_TEMPLATES, EVENT_TEMPLATES, compile_plan


@dataclass(frozen=True, slots=True)
class FewRows:
    """Rows as `features.build` makes them: numbers (n, n_numbers) float32, words by feature."""

    numbers: NDArray[np.float32]
    words: dict[str, list[str | None]]


class FewLeads:
    """Builds rows of a few leads for one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Compile once what every request needs."""
        self.catalogue = catalogue
        self.plan = compile_plan(catalogue)
        self.number_at = {feature.name: i for i, feature in enumerate(catalogue.numbers)}
        self.categories = catalogue.categories
        templates = {feature.template for feature in catalogue.numbers}
        self.wants_profile = bool(templates - EVENT_TEMPLATES)

    def rows(self, tables: Tables, snapshots: Snapshots) -> FewRows:
        """Build the rows of `snapshots`, which stand in order of (lead, as_of)."""
        n, events = len(snapshots), tables.events
        numbers = np.empty((n, len(self.number_at)), np.float32)  # the kernel writes all
        codes = np.empty((n, 2 if self.plan.codes else 0), np.int32)
        born = np.empty(0, np.int64) if tables.created_at is None else tables.created_at
        walk.fill(
            self.plan.program(events), self.plan.columns(events), events.offsets, snapshots.lead,
            snapshots.as_of, 0, n, born, numbers, codes,
        )  # fmt: skip
        if self.wants_profile:
            profile.fill_numbers(tables, snapshots, self.catalogue, numbers)
        words = {f.name: _words(tables, snapshots, f, codes) for f in self.categories}
        return FewRows(numbers, words)


def _words(
    tables: Tables, snapshots: Snapshots, feature: Feature, codes: NDArray[np.int32]
) -> list[str | None]:
    """Read one category of each row: None where it is missing."""
    if feature.template in CODE_TEMPLATES:
        names = tables.events.type_names
        column = codes[:, CODE_TEMPLATES.index(feature.template)].tolist()
        return [None if code < 0 else names[code] for code in column]
    values = values_at(profile.attribute_of(tables, feature), snapshots, tables).tolist()
    texts = [None if pd.isna(value) else str(value) for value in values]
    derive = profile.DERIVED.get(feature.template)
    if derive is None:
        return texts
    return [None if text is None else derive(text) for text in texts]
