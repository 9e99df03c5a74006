"""Two moments of the same leads -> why each score changed: events, time, edits, model, card.

The states between the two moments are built like any features: what was known then, as of today
(time passing); then with the events since; then with the edits since. The middle one is not built
separately: it takes attribute columns from the first state and event columns from today.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.asof import exists, known_before
from data.tables import Snapshots, Tables
from features.build import build
from features.frame import Catalogue, FeatureFrame
from features.templates import TEMPLATES
from models.explain.change import (
    Change,
    ScoreChangeLine,
    StoredRun,
    compare_runs,
    explain_change,
    look_at_run,
    read_run,
    scores_of_both,
)
from models.explain.points import ScoreReason
from models.explain.reason_rules import ReasonRules, reason_params, seen_in_training
from serving.loaded_model import LoadedModel

FEATURES = "features.parquet"


@dataclass(frozen=True, slots=True)
class Moment:
    """Leads at the later moment: row i of `frame` is snapshot i.

    `before` are the tables as they were known at the earlier moment, where they are at hand.
    """

    tables: Tables
    snapshots: Snapshots
    frame: pd.DataFrame
    model: LoadedModel
    threads: int
    before: Tables | None = None


def changes_since(moment: Moment, since: int) -> dict[int, Change]:
    """Explain by today's model what changed since a moment, for the leads that existed then.

    Returns row -> change. The past is rebuilt as it was known then.
    """
    if moment.tables.created_at is None:
        return {}
    lead = moment.snapshots.lead
    rows = np.flatnonzero(exists(moment.tables, lead, np.full(len(lead), since, np.int64)))
    then = Snapshots(lead[rows], np.full(len(rows), since, np.int64))
    before = build(moment.tables, then, moment.model.catalogue, threads=moment.threads)
    return changes_from(moment, since, rows, before)


def changes_from(
    moment: Moment, since: int, rows: NDArray[np.int64], before: FeatureFrame
) -> dict[int, Change]:
    """Explain what changed for these rows, whose features at `since` are known: row -> change."""
    now, today = moment.snapshots.take(rows), moment.frame.iloc[rows]
    scorer = moment.model.scorer
    aged, with_events = _between(moment, now, since, moment.model.catalogue, today)
    changes = explain_change(
        scorer,
        before.to_pandas(),
        scorer,
        today,
        lead_ids=_ids(moment.tables, now),
        aged=aged,
        with_events=with_events,
    )
    return dict(zip(rows.tolist(), changes, strict=True))


def changes_since_run(moment: Moment, stored: StoredRun, before: LoadedModel) -> dict[str, Change]:
    """Explain what changed since a stored run, which another model may have scored.

    Leads that came back since are left out: their score of then is of an episode that ended.
    """
    lead = moment.snapshots.lead
    rows = np.flatnonzero(exists(moment.tables, lead, np.full(len(lead), stored.as_of, np.int64)))
    if len(rows) < len(lead):
        now, frame = moment.snapshots.take(rows), moment.frame.iloc[rows].reset_index(drop=True)
        moment = replace(moment, snapshots=now, frame=frame)
    if not len(rows):
        return {}
    old = before.catalogue
    today = in_old_columns = moment.frame
    if old.fingerprint != moment.model.catalogue.fingerprint:
        in_old_columns = _frame(moment.tables, moment.snapshots, old, moment.threads)
        missing = [name for name in in_old_columns if name not in today]
        today = today.join(in_old_columns[missing])
    aged, with_events = _between(moment, moment.snapshots, stored.as_of, old, in_old_columns)
    return compare_runs(
        before.scorer,
        stored,
        moment.model.scorer,
        today,
        lead_ids=_ids(moment.tables, moment.snapshots),
        aged=aged,
        with_events=with_events,
    )


def newest_run_before(runs: Path, at: int, lead_id: str | None = None) -> StoredRun | None:
    """Find the newest stored run as of `at` or before, that scored this lead."""
    candidates: list[tuple[int, Path]] = []
    for path in sorted(runs.glob(f"*/{FEATURES}")):
        as_of, leads = look_at_run(path)
        if as_of <= at and (lead_id is None or lead_id in leads):
            candidates.append((as_of, path))
    return read_run(max(candidates, key=lambda run: run[0])[1]) if candidates else None


def scores_since_run(
    moment: Moment, stored: StoredRun, before: LoadedModel
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows that `changes_since_run` compares, their scores of then and of now."""
    lead = moment.snapshots.lead
    existed = exists(moment.tables, lead, np.full(len(lead), stored.as_of, np.int64))
    place = stored.lead_ids.get_indexer(pd.Index(_ids(moment.tables, moment.snapshots)))
    rows = np.flatnonzero(existed & (place >= 0))
    old, new = scores_of_both(
        before.scorer,
        stored.frame.iloc[place[rows]],
        moment.model.scorer,
        moment.frame.iloc[rows],
    )
    return rows, old, new


def lines_to_show(change: Change) -> list[ScoreChangeLine]:
    """Keep events and edits by factor, sum up other kinds, largest first; time is said apart."""
    by_factor = [line for line in change.lines if line.kind in ("event", "edit")]
    whole, rest = [], [x for x in change.lines if x.kind not in ("event", "edit", "time")]
    for kind in dict.fromkeys(line.kind for line in rest):
        of_kind = [line for line in rest if line.kind == kind]
        exact, points = sum(line.exact for line in of_kind), sum(line.points for line in of_kind)
        if points:
            whole.append(ScoreChangeLine(kind, "", exact, points))
    return sorted([*by_factor, *whole], key=lambda line: -abs(line.exact))


def line_reason(
    line: ScoreChangeLine, model: LoadedModel, value_of: Callable[[str], Any]
) -> ScoreReason | None:
    """Say what events or edits left behind, by the feature that did most of it.

    `value_of` gives today's value of a feature. None for the other kinds, where today's model does
    not have that feature or has not seen its value, and where it is sensitive or identity-like.
    """
    described = {feature.name: feature for feature in model.scorer.features}
    feature = described.get(line.feature)
    if line.kind not in ("event", "edit") or feature is None:
        return None
    if ReasonRules.of(model.scorer).hides(feature):
        return None
    value = value_of(feature.name)
    shown = None if pd.isna(value) else value if isinstance(value, str) else float(value)
    if not seen_in_training(model.scorer, model.facts, feature, shown):
        return None
    return ScoreReason(
        factor=line.factor,
        family=feature.family,
        points=line.points,
        exact=line.exact,
        template=feature.template,
        params=reason_params(feature, shown, model.facts),
    )


def _between(
    moment: Moment, now: Snapshots, since: int, catalogue: Catalogue, today: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Build the two states between: old facts today, and with the new events.

    `today` holds the columns of `catalogue` with all that is known now.
    """
    before = known_before(moment.tables, since) if moment.before is None else moment.before
    aged = _frame(before, now, catalogue, moment.threads)
    of_events = [f.name for f in catalogue.features if TEMPLATES[f.template].of_events]
    with_events = pd.concat(
        [today[of_events].reset_index(drop=True), aged.drop(columns=of_events)], axis=1
    )
    return aged, with_events


def _frame(
    tables: Tables, snapshots: Snapshots, catalogue: Catalogue, threads: int
) -> pd.DataFrame:
    return build(tables, snapshots, catalogue, threads=threads).to_pandas()


def _ids(tables: Tables, snapshots: Snapshots) -> Sequence[str]:
    ids: NDArray[np.object_] = tables.lead_ids[snapshots.lead]
    return [str(lead) for lead in ids]
