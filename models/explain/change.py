"""Turns two scorings of a lead into the reasons why its score changed, exactly additive.

The intermediate states are scored for real: the old facts at the new moment (time passing), then
with the new events, then with the edits, then by the new model, then on the new card. Each step's
points by factor are differences of exact points, so the lines add up to the change of the score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import InputError
from data.row_groups import groups_of, write_groups
from models.explain.points import points_per_log_odds, typical_exact, whole_points
from models.predictor import Floats, Ints, LeadScorer, ScoreCard, card_exact, shown_score

Kind = Literal["time", "event", "edit", "model", "card", "limit"]
STEPS: tuple[Kind, ...] = ("time", "event", "edit")
MOST_LINES: Final = 8
"""Lines of a change; what is smaller goes into the rest."""
ID_COLUMN: Final = "__lead_id"
"""Of a stored run: no feature is called so."""


@dataclass(frozen=True, slots=True)
class ScoreChangeLine:
    """One part of a change, in points; `factor` is "" where it concerns the lead as a whole.

    `feature` is the column of the factor that did most of it, to be said in words.
    """

    kind: Kind
    factor: str
    exact: float
    points: int
    feature: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Why a score moved: whole points of `lines` plus `rest_points` = score - old_score.

    The exact points of all lines, shown or not, add up to the change of the clipped score.
    """

    lead_id: str
    old_score: int
    score: int
    lines: tuple[ScoreChangeLine, ...]
    rest_points: int
    exact: float


@dataclass(frozen=True, slots=True)
class _ExactPoints:
    """Exact points by feature, and the score before and after clipping."""

    points: Floats
    exact: Floats

    @property
    def clipped(self) -> Floats:
        return np.clip(self.exact, 0.0, 100.0)


def explain_change(
    scorer_old: LeadScorer,
    state_old: pd.DataFrame,
    scorer_new: LeadScorer,
    state_new: pd.DataFrame,
    *,
    lead_ids: Sequence[str],
    aged: pd.DataFrame | None = None,
    with_events: pd.DataFrame | None = None,
) -> list[Change]:
    """Explain the change of each row's score between two scorings.

    Feature frames with equal rows: `state_old` as it was, `aged` the same facts at the new moment,
    `with_events` with the new events too, `state_new` with the edits (it must have the columns of
    both models). A state that is left out is taken to equal the one before it.
    """
    n = len(state_old)
    aged = state_old if aged is None else aged
    with_events = aged if with_events is None else with_events
    if {len(aged), len(with_events), len(state_new), len(lead_ids)} != {n}:
        raise ValueError("the states of a change need one row for each lead")
    states = [_score(scorer_old, frame) for frame in (state_old, aged, with_events, state_new)]
    by_new = _score(scorer_new, state_new, card=scorer_old.card)
    last = _score(scorer_new, state_new) if scorer_new.card != scorer_old.card else by_new
    keys: list[tuple[Kind, str]] = []
    columns: list[Floats] = []
    leaders: list[NDArray[np.object_]] = []
    for kind, before, after in zip(STEPS, states, states[1:], strict=False):
        for factor, chosen in _features_of(scorer_old).items():
            moved = after.points[:, chosen] - before.points[:, chosen]
            keys.append((kind, factor))
            columns.append(moved.sum(axis=1))
            leaders.append(_leader(moved, np.array(scorer_old.names, object)[chosen]))
    keys += [("model", ""), ("card", ""), ("limit", "")]
    columns += [by_new.exact - states[-1].exact, last.exact - by_new.exact]
    columns.append((last.clipped - last.exact) - (states[0].clipped - states[0].exact))
    leaders += [np.full(n, "", object)] * 3
    led = np.stack(leaders, axis=1)
    exact = np.stack(columns, axis=1)
    old, new = shown_score(states[0].exact), shown_score(last.exact)
    whole = whole_points(exact, new - old)
    return [
        _change(str(lead_ids[r]), int(old[r]), int(new[r]), keys, led[r], exact[r], whole[r])
        for r in range(n)
    ]


def scores_of_both(
    scorer_old: LeadScorer,
    state_old: pd.DataFrame,
    scorer_new: LeadScorer,
    state_new: pd.DataFrame,
) -> tuple[Ints, Ints]:
    """Give the two scores of each row between which `explain_change` explains, (n,) each."""
    old, new = _score(scorer_old, state_old), _score(scorer_new, state_new)
    return shown_score(old.exact), shown_score(new.exact)


def _features_of(scorer: LeadScorer) -> dict[str, list[int]]:
    """Give the positions of the features of each factor."""
    return {
        factor: [i for i, feature in enumerate(scorer.features) if feature.factor == factor]
        for factor in scorer.factors
    }


def _leader(moved: Floats, names: NDArray[np.object_]) -> NDArray[np.object_]:
    """Name the feature that moved most in the direction of its factor, (n,)."""
    sign = np.where(moved.sum(axis=1) >= 0.0, 1.0, -1.0)
    named: NDArray[np.object_] = names[(moved * sign[:, None]).argmax(axis=1)]
    return named


def _score(scorer: LeadScorer, frame: pd.DataFrame, card: ScoreCard | None = None) -> _ExactPoints:
    parts = scorer.contributions(frame, by="feature")
    card = card or scorer.card
    ratio = card.points_to_double / scorer.card.points_to_double
    scale = points_per_log_odds(scorer, parts.base, parts.margin) * ratio
    points = parts.values * scale[:, None]
    if card == scorer.card:
        return _ExactPoints(points, typical_exact(scorer, parts.base) + points.sum(axis=1))
    return _ExactPoints(points, card_exact(card, scorer.log_odds(parts.margin)))


def _change(
    lead_id: str,
    old: int,
    new: int,
    keys: Sequence[tuple[Kind, str]],
    led: NDArray[np.object_],
    exact: Floats,
    whole: Any,
) -> Change:
    strongest = sorted(np.flatnonzero(whole).tolist(), key=lambda i: -abs(exact[i]))[:MOST_LINES]
    lines = tuple(
        ScoreChangeLine(keys[i][0], keys[i][1], float(exact[i]), int(whole[i]), str(led[i]))
        for i in strongest
    )
    rest = new - old - sum(line.points for line in lines)
    return Change(lead_id, old, new, lines, rest, math.fsum(exact))


# --- last night's run ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it was: feature rows by lead, with the model and the moment."""

    lead_ids: pd.Index[Any]
    frame: pd.DataFrame
    model_version: str
    as_of: int


def store_run(
    path: str | Path,
    lead_ids: Sequence[str],
    frame: pd.DataFrame,
    scorer: LeadScorer,
    *,
    model_version: str,
    as_of: int,
) -> None:
    """Keep the feature rows of a run in one Parquet file (zstd), replaced at once.

    Features and model version give every contribution back, byte for byte. OutsideError where the
    file cannot be written.
    """
    table = feature_rows(frame, scorer)
    table = table.append_column(ID_COLUMN, pa.array([str(i) for i in lead_ids], pa.string()))
    schema = table.schema.with_metadata(about_run(model_version=model_version, as_of=as_of))
    write_groups(Path(path), schema, groups_of(table.cast(schema)), compression="zstd")


def feature_rows(frame: pd.DataFrame, scorer: LeadScorer) -> pa.Table:
    """Lay out the features of a run as `read_run` reads them: numbers, and categories as text."""
    scorer.check(frame)
    table = pa.Table.from_pandas(frame[list(scorer.names)], preserve_index=False)
    texts = [pa.types.is_dictionary(field.type) for field in table.schema]
    kinds = zip(table.schema, texts, strict=True)
    return table.cast(
        pa.schema([field.with_type(pa.string()) if text else field for field, text in kinds])
    )


def about_run(*, model_version: str, as_of: int) -> dict[bytes, bytes]:
    """Say in the metadata of a stored run which model scored it, and as of when."""
    return {b"leadscore": json.dumps({"model_version": model_version, "as_of": as_of}).encode()}


def read_run(path: str | Path) -> StoredRun:
    """Read a stored run; InputError where the file is something else."""
    table, about = _stored(path, None)
    texts = {field.name for field in table.schema if pa.types.is_string(field.type)} - {ID_COLUMN}
    coded = [table[n].dictionary_encode() if n in texts else table[n] for n in table.column_names]
    frame = pa.table(coded, names=table.column_names).drop([ID_COLUMN]).to_pandas()
    ids = pd.Index(table.column(ID_COLUMN).to_pandas().astype(str))
    return StoredRun(ids, frame, str(about["model_version"]), int(about["as_of"]))


def look_at_run(path: str | Path) -> tuple[int, frozenset[str]]:
    """Read a stored run's moment and its leads, without its features; InputError as `read_run`."""
    table, about = _stored(path, [ID_COLUMN])
    return int(about["as_of"]), frozenset(table.column(ID_COLUMN).to_pylist())


def _stored(path: str | Path, columns: list[str] | None) -> tuple[pa.Table, dict[str, Any]]:
    try:
        table = pq.read_table(path, columns=columns)
        about = json.loads((table.schema.metadata or {})[b"leadscore"])
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        raise InputError(
            f"is no stored run ({error})", file=Path(path).name, cure="score once more"
        ) from None
    return table, about


def compare_runs(
    scorer_old: LeadScorer,
    stored: StoredRun,
    scorer_new: LeadScorer,
    state_new: pd.DataFrame,
    *,
    lead_ids: Sequence[str],
    aged: pd.DataFrame | None = None,
    with_events: pd.DataFrame | None = None,
) -> dict[str, Change]:
    """Explain what changed since a stored run, for leads that were in it; others are new."""
    place = stored.lead_ids.get_indexer(pd.Index([str(i) for i in lead_ids]))
    here = np.flatnonzero(place >= 0).tolist()
    changes = explain_change(
        scorer_old,
        stored.frame.iloc[place[here]],
        scorer_new,
        state_new.iloc[here],
        lead_ids=[str(lead_ids[i]) for i in here],
        aged=None if aged is None else aged.iloc[here],
        with_events=None if with_events is None else with_events.iloc[here],
    )
    return {change.lead_id: change for change in changes}
