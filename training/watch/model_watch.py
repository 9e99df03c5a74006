"""A model and the data as they are now -> signals: causes first, then checks, then features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from data.clock import DAY
from data.delay import delay_curve
from data.feeds import Feed
from data.labels import label, make_snapshots, open_snapshots, window_end
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from features.build import Builder
from training.dataset import groups_of
from training.watch.breach import Breach
from training.watch.column_watch import watch_columns
from training.watch.conversion_watch import watch_conversions
from training.watch.duplicate_watch import watch_duplicates
from training.watch.feature_watch import drifting_features
from training.watch.night_checks import check_columns
from training.watch.night_profile import count_columns
from training.watch.promise_watch import (
    LEAST_ROWS,
    compare_with_outcomes,
    estimate_ranking,
    not_yet,
    watch_order,
)
from training.watch.signal import Signal, State, in_order
from training.watch.source_watch import watch_sources
from training.watch.watched_model import WatchedModel

RECENT_DAYS: Final = 28
MOST_ROWS: Final = 20_000
"""Of more rows a part is looked at, every k-th lead."""
OLD_MODEL_DAYS: Final = (30.0, 90.0)


def watch_model(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    feeds: Sequence[Feed],
    model: WatchedModel,
    *,
    as_of: int,
    threads: int,
) -> list[Signal]:
    """Look at data and model as of `as_of`; what comes later is not seen."""
    outcomes = replace(outcomes, observed_until=min(outcomes.observed_until, as_of))
    signals = [_model_age(model.card.trained_until, as_of)]
    if tables.created_at is None:
        return in_order([*signals, *_watch_static(tables, model, threads)])
    horizon = project.conversion.horizon or 0
    found = watch_sources(feeds, as_of=as_of, timezone=tables.timezone)
    silent = {name for signal in found for name in signal.subjects}
    mute = frozenset(t for feed in feeds if feed.name in silent for t in feed.types)
    found += watch_duplicates(tables, as_of=as_of)
    found += watch_columns(tables, as_of=as_of, silent_types=mute)
    found += _whole_columns(tables, outcomes, model, found, as_of)
    found += watch_conversions(tables, outcomes, as_of=as_of, horizon=horizon)
    looks = _Looks(project, tables, outcomes, model, as_of, threads)
    causes = {name: s.name for s in found if s.topic == "cause" for name in s.subjects}
    found += [*looks.promises(), *looks.features(causes)]
    return in_order([*signals, *found])


def _model_age(trained_until: int, as_of: int) -> Signal:
    days = max(0.0, (as_of - trained_until) / DAY)
    low, high = OLD_MODEL_DAYS
    state: State = "red" if days >= high else "yellow" if days >= low else "green"
    return Signal(
        "age of the model",
        state,
        f"{days:.0f} days",
        f"< {low:.0f} days",
        what_to_do="" if state == "green" else "run leadscore retrain",
    )


def _watch_static(tables: Tables, model: WatchedModel, threads: int) -> list[Signal]:
    """Compare all rows with those of training; without dates nothing else can be said."""
    rows = Snapshots(np.arange(len(tables)), np.zeros(len(tables), np.int64))
    frame = Builder(model.catalogue).build(tables, rows, threads=threads).to_pandas()
    signals = [
        Signal(
            "sources, conversions and promises",
            "green",
            "cannot be judged: no column says when a lead was created (static mode)",
            "leads.created_at",
        )
    ]
    if model.reference is None:
        return [*signals, _no_reference()]
    now = dict(count_columns(tables, rows))
    night = model.reference.night
    signals += [_from_breach(b) for b in check_columns(now, night, 0, "leads")]
    signals += drifting_features(
        frame,
        model.facts,
        model.reference.features,
        age_days=np.zeros(len(frame)),
        leads=rows.lead,
        catalogue=model.catalogue,
        causes={n: s.name for s in signals if s.topic == "cause" for n in s.subjects},
    )
    return signals


def _whole_columns(
    tables: Tables, outcomes: Outcomes, model: WatchedModel, found: Sequence[Signal], as_of: int
) -> list[Signal]:
    """Find columns that changed in every lead, old ones too, since the model was trained."""
    if model.reference is None:
        return []
    now = dict(count_columns(tables, open_snapshots(tables, outcomes, as_of)))
    named = {name for signal in found for name in signal.subjects}
    now = {name: counts for name, counts in now.items() if name not in named}
    return [_from_breach(b) for b in check_columns(now, model.reference.night, 0, "open leads")]


def _from_breach(breach: Breach) -> Signal:
    figure = breach.cause.removeprefix(f"column {breach.subject}: ")
    return Signal(
        f"column {breach.subject} changed in all leads",
        "red",
        figure.replace("the last run did not know", "the model did not learn").replace(
            "last run", "at training"
        ),
        breach.check,
        "cause",
        what_to_do=breach.cure,
        weight=82.0,
        subjects=(breach.subject,),
    )


def _no_reference() -> Signal:
    return Signal(
        "features that did not move",
        "green",
        "cannot be judged: this model was trained before profiles were kept with models",
        "a profile",
        what_to_do="retrain",
    )


@dataclass(frozen=True, slots=True)
class _Looks:
    """The looks that need features: promises of the model, and features that moved."""

    project: Project
    tables: Tables
    outcomes: Outcomes
    model: WatchedModel
    as_of: int
    threads: int

    def _frame(self, snapshots: Snapshots) -> pd.DataFrame:
        builder = Builder(self.model.catalogue)
        return builder.build(self.tables, snapshots, threads=self.threads).to_pandas()

    def _thinned(self, snapshots: Snapshots) -> Snapshots:
        """Take every k-th lead where there are many rows."""
        k = -(-len(snapshots) // MOST_ROWS)
        return snapshots if k <= 1 else snapshots.take(snapshots.lead % k == 0)

    def features(self, causes: dict[str, str]) -> list[Signal]:
        """Compare recent snapshots with training, and say how well they should be ranked."""
        every = make_snapshots(self.tables, self.outcomes, self.project)
        recent = (every.as_of >= self.as_of - RECENT_DAYS * DAY) & (every.as_of < self.as_of)
        rows = self._thinned(every.take(recent))
        if self.model.reference is None:
            return [_no_reference()]
        frame = self._frame(rows)
        p = self.model.scorer.score(frame).probability if len(frame) else np.empty(0)
        assert self.tables.created_at is not None
        return [
            estimate_ranking(p, self.model.card),
            *drifting_features(
                frame,
                self.model.facts,
                self.model.reference.features,
                age_days=(rows.as_of - self.tables.created_at[rows.lead]) / DAY,
                leads=rows.lead,
                catalogue=self.model.catalogue,
                causes=causes,
            ),
        ]

    def promises(self) -> list[Signal]:
        """Compare outcomes with what the model promised of snapshots that it did not see."""
        card, horizon = self.model.card, self.project.conversion.horizon or 0
        every = make_snapshots(self.tables, self.outcomes, self.project)
        labelled = label(every, self.tables, self.outcomes, self.project)
        unseen = labelled.take(labelled.snapshots.as_of >= card.trained_until)
        closes = window_end(every, self.tables, self.project)
        waiting = closes[(every.as_of >= card.trained_until) & (closes > self.as_of)]
        if len(unseen) < LEAST_ROWS:
            mature = not_yet(unseen, waiting, horizon, self.as_of)
        else:
            k = -(-len(unseen) // MOST_ROWS)
            unseen = unseen.take(unseen.snapshots.lead % k == 0)
            mature = compare_with_outcomes(
                unseen.y.astype(np.float64),
                self.model.scorer.score(self._frame(unseen.snapshots)).probability,
                groups_of(self.tables, unseen),
                weeks=unseen.snapshots.as_of // (7 * DAY),
                trained_on=max(card.train_leads_converted, 1) / k,
            )
        return [mature, self._order(every, horizon)]

    def _order(self, every: Snapshots, horizon: int) -> Signal:
        """Look at the order of leads that no training row could know the outcome of."""
        began = max(self.model.card.trained_until - horizon, self.as_of - 120 * DAY)
        fresh = every.take((every.as_of > began) & (every.as_of < self.as_of))
        first = np.unique(fresh.lead, return_index=True)[1]  # sorted by (lead, as_of): the youngest
        rows = self._thinned(fresh.take(first))
        scored = (
            self.model.scorer.score(self._frame(rows)).probability if len(rows) else np.empty(0)
        )
        curve = delay_curve(self.tables, self.outcomes, self.project).incidence
        return watch_order(
            self.tables,
            self.outcomes,
            rows,
            scored,
            self.model.card,
            curve,
            as_of=self.as_of,
        )
