"""A project's tables -> mature labelled snapshots, their features, and the purged cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.durations import DAY
from data.errors import FewOutcomesError, InputError
from data.labels import label, make_snapshots, open_snapshots
from data.schema import Project
from data.splits import Cut, purged_cut, random_cut
from data.tables import LabelledSnapshots, Outcomes, Tables
from features.build import build
from features.catalogue import counts_missing, make_catalogue
from features.frame import Catalogue, FeatureFrame
from features.profile import count_missing
from features.templates import TEMPLATES
from training.lead_sample import TrainingSample, rows_that_fit, take_sample

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Row i of labels, frame and groups is one mature snapshot; `cut` holds row positions.

    Where no snapshot is mature yet, `known` is False: rows are the open leads as they are now, and
    their labels mean nothing.

    `groups` are account codes where accounts are declared, else lead rows: rows of one group stay
    together in folds and in bootstraps. `row_weights` (n,) say how many rows each stands for,
    where training learns from a sample of them; None: each for itself.
    """

    labelled: LabelledSnapshots
    frame: FeatureFrame
    groups: Rows
    cut: Cut
    known: bool = True
    row_weights: NDArray[np.float64] | None = None
    sample: TrainingSample | None = None

    @property
    def y(self) -> NDArray[np.int8]:
        """The labels: (n,)."""
        return self.labelled.y

    @property
    def times(self) -> Rows | None:
        """The rows' order in time: (n,); None where nothing says which of two is the newer."""
        order = self.labelled.order
        return order if len(order) and (order != order[0]).any() else None

    def weights(self, which: Rows) -> NDArray[np.float64] | None:
        """Say how many rows each of some rows stands for; None: each for itself."""
        return None if self.row_weights is None else self.row_weights[which]

    def rows(self, which: Rows) -> pd.DataFrame:
        """Return the feature frame of some rows."""
        return self.frame.to_pandas().iloc[which]

    def without(self, names: frozenset[str], tables: Tables) -> Dataset:
        """Drop feature columns by name, and what they added to the count of missing details."""
        if not names:
            return self
        return replace(self, frame=_recount(drop_features(self.frame, names), tables))


def make_dataset(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    *,
    threads: int,
    catalogue: Catalogue | None = None,
    memory: int | None = None,
) -> Dataset:
    """Label, cut and build features for the training rows; a model brings its own `catalogue`.

    Without one, calendar columns are left out of which training has not seen two whole rounds.
    With a budget of `memory`, in bytes, features are built of the test rows and of as many leads as
    fit (`training.lead_sample`).
    Raises FewOutcomesError, with the numbers, where no snapshot is mature or none converted, and
    InputError where all did.
    """
    labelled = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    _require_both_outcomes(labelled, project)
    if project.static and (project.train.split == "random" or tables.order is None):
        cut = random_cut(labelled, project.train.test_share, project.train.seed)
    else:
        cut = purged_cut(labelled, project.train.test_share, tables.lead[labelled.snapshots.lead])
    columns = make_catalogue(tables, project) if catalogue is None else catalogue
    weights, sample = None, None
    if memory is not None:
        fits = rows_that_fit(memory, tables, columns, len(cut.test))
        taken = take_sample(
            labelled, cut, tables, fits=fits, memory=memory, seed=project.train.seed
        )
        if taken is not None:
            train, of_train, sample = taken
            rows = np.sort(np.concatenate([train, cut.test]))
            labelled, weights = labelled.take(rows), np.ones(len(rows))
            cut = replace(
                cut, train=np.searchsorted(rows, train), test=np.searchsorted(rows, cut.test)
            )
            weights[cut.train] = of_train
    frame = build(tables, labelled.snapshots, columns, threads=threads)
    if catalogue is None:
        frame = drop_features(frame, incomplete_cycles(frame, cut.train))
    return Dataset(
        labelled, frame, groups_of(tables, labelled), cut, row_weights=weights, sample=sample
    )


def make_first_dataset(
    project: Project, tables: Tables, outcomes: Outcomes, *, threads: int
) -> Dataset:
    """Build features where no conversion is known: of mature snapshots, else of the open leads.

    Nothing is kept for a test. InputError where there is no lead either.
    """
    labelled = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    known = len(labelled) > 0
    if not known:
        now = open_snapshots(tables, outcomes, outcomes.observed_until)
        labelled = LabelledSnapshots(now, np.zeros(len(now), np.int8), now.as_of, now.as_of)
    if not len(labelled):
        raise InputError("no lead is open", column="leads", cure="look at the dates of the leads")
    frame = build(tables, labelled.snapshots, make_catalogue(tables, project), threads=threads)
    whole = whole_cut(labelled, project)
    return Dataset(labelled, frame, groups_of(tables, labelled), whole, known)


def whole_cut(labelled: LabelledSnapshots, project: Project) -> Cut:
    """Keep nothing for a test: every row is learned from."""
    rows, nothing = np.arange(len(labelled)), np.empty(0, np.int64)
    return Cut(rows, nothing, None if project.static else int(labelled.order.max()) + 1, {})


def groups_of(tables: Tables, labelled: LabelledSnapshots) -> Rows:
    """Give each snapshot its account, or its lead where it has none: (n,) codes."""
    return tables.groups[labelled.snapshots.lead]


def drop_features(frame: FeatureFrame, names: frozenset[str]) -> FeatureFrame:
    """Leave columns out of a feature frame."""
    numbers = [feature.name not in names for feature in frame.catalogue.numbers]
    return FeatureFrame(
        frame.snapshots,
        Catalogue(tuple(f for f in frame.catalogue.features if f.name not in names)),
        frame.numbers[:, np.array(numbers, bool)] if not all(numbers) else frame.numbers,
        tuple(each for each in frame.levels if each.name not in names),
    )


ROUND: Final = {"month": 365 * DAY, "weekday": 7 * DAY, "hour": DAY}
"""How long a calendar column takes to come round, by its unit."""


def incomplete_cycles(frame: FeatureFrame, rows: Rows) -> frozenset[str]:
    """Name the calendar columns of which these rows hold no two rounds, or not every value.

    A month that was seen once tells how that month went, and nothing about the next one of its
    name; what a value that was never seen is worth is unknown. Both come: the next leads are
    created in them.
    """
    templates = [TEMPLATES[feature.template] for feature in frame.catalogue.numbers]
    seen = int(np.ptp(frame.snapshots.as_of[rows])) if len(rows) else 0
    return frozenset(
        feature.name
        for i, (feature, each) in enumerate(zip(frame.catalogue.numbers, templates, strict=True))
        if each.cycle
        and (seen < 2 * ROUND[each.unit] or len(np.unique(frame.numbers[rows, i])) < each.cycle)
    )


def _recount(frame: FeatureFrame, tables: Tables) -> FeatureFrame:
    """Count the missing details again, over the columns that are left."""
    numbers = frame.catalogue.numbers
    place = next((i for i, f in enumerate(numbers) if f.template == "missing_count"), None)
    if place is None:
        return frame
    left = frame.catalogue.read_columns
    if not counts_missing(tables, left):
        return drop_features(frame, frozenset({numbers[place].name}))
    counted = frame.numbers.copy()
    counted[:, place] = count_missing(tables, left)[frame.snapshots.lead]
    return replace(frame, numbers=counted)


def _require_both_outcomes(labelled: LabelledSnapshots, project: Project) -> None:
    won, n = int(labelled.y.sum()), len(labelled)
    if n == 0:
        raise FewOutcomesError(
            "no snapshot is mature: no lead has been observed for the whole horizon",
            cure="choose a shorter conversion.horizon, or wait for more history",
        )
    if won == 0:
        raise FewOutcomesError(
            f"one class only: 0 of {n} mature snapshots converted, there is nothing to learn",
            cure="wait for conversions; where there are some, look at the definition of conversion "
            "and at the horizon",
        )
    if won == n:
        raise InputError(
            f"one class only: {won} of {n} mature snapshots converted, there is nothing to learn",
            column=project.leads.converted or project.leads.converted_at or "conversion",
            cure="look at the definition of conversion and at the horizon",
        )
