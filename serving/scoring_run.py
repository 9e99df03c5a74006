"""One scoring run: every open lead's score in memory, and the table of them in scores.parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.row_groups import groups_of, write_groups
from data.tables import Snapshots
from features.frame import FeatureFrame
from models.explain.points import Explanation
from models.explain.reasons import ReasonTable, explanation_of, value_reader
from models.predictor import Scores
from serving.answers.standing import Standing
from serving.lead_score import SCORE_COLUMNS, LeadScore, lead_scores
from serving.newest_scores import CUTS
from serving.past_weeks import PastWeeks
from serving.qualify.result import Qualification


@dataclass(frozen=True, slots=True)
class ScoringRun:
    """One scoring run in memory: row i of everything but `past` is snapshot i.

    `table`, `reasons`, `scores` and `explanations` hold every lead's score, for figures over many
    leads; `cuts` are the least scores of the bands. `held` (n,) names the arm for which a lead's
    score is held back, None for the others: whatever shows single leads reads `scores_table`,
    where theirs is empty. `answered` (n,) is what reps' answers make of a lead, None where there
    are none.
    """

    as_of: int
    snapshots: Snapshots
    frame: FeatureFrame
    scores: Scores
    qualification: Qualification
    table: pd.DataFrame
    reasons: pa.ListArray
    explanations: LazyExplanations
    past: PastWeeks
    cuts: Mapping[str, float]
    held: NDArray[np.object_]
    scored_at: int
    answered: NDArray[np.object_]

    @property
    def standing(self) -> list[Standing | None]:
        """Say which answer keeps each lead off the list: (n,), None where none does."""
        return standing_of(self.answered)

    @property
    def taken_out(self) -> NDArray[np.bool_]:
        """Tell which leads a rule of the company or a rep has disqualified: (n,); no band."""
        ruled = self.qualification.disqualified >= 0
        return np.asarray(ruled | disqualified_by_reps(self.standing), bool)

    @property
    def off_list(self) -> NDArray[np.bool_]:
        """Tell which leads nobody is to call now: taken out, done, or snoozed: (n,)."""
        answered = np.array([each is not None for each in self.standing], bool)
        off: NDArray[np.bool_] = self.taken_out | answered
        return off

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Tell which leads' scores may be shown: (n,)."""
        return np.array([arm is None for arm in self.held], bool)

    def answers(self, rows: Sequence[int] | NDArray[np.int64] | None = None) -> list[LeadScore]:
        """Give the whole answer about these leads, or about all."""
        table = scores_table(self)
        return lead_scores(table if rows is None else table.take(pa.array(rows, pa.int64())))


def standing_of(answered: NDArray[np.object_]) -> list[Standing | None]:
    """Take the standings that hold, None elsewhere: (n,)."""
    return [None if a is None or not a.holds else a.standing for a in answered]


def disqualified_by_reps(standing: Sequence[Standing | None]) -> NDArray[np.bool_]:
    """Tell which leads a rep has disqualified: (n,)."""
    return np.array([s is not None and s.kind == "disqualified" for s in standing], bool)


class LazyExplanations(Sequence[Explanation]):
    """Explanations of a run, each made when it is asked for: a report shows those of few leads.

    `table` are the reasons of all of them.
    """

    def __init__(self, table: ReasonTable, frame: pd.DataFrame, ids: list[str]) -> None:
        self.table, self._ids, self._read = table, ids, value_reader(frame)

    def __len__(self) -> int:
        """Count the leads."""
        return len(self._ids)

    def __getitem__(self, row: Any) -> Any:
        """Return the explanation of a row."""
        return explanation_of(self.table, row, self._ids[row], self._read)


def write_scores(scored: ScoringRun, path: Path) -> Path:
    """Write scores.parquet, whole or not at all."""
    table = scores_table(scored)
    write_groups(path, table.schema, groups_of(table))
    return path


def scores_table(scored: ScoringRun) -> pa.Table:
    """Lay out what scores.parquet holds: a row per lead, its reasons as a nested column.

    The columns are the fields of `LeadScore`; those of a score are empty where it is held back.
    Its metadata records where the bands were cut.
    """
    table = scored.table
    columns = {str(name): _arrow(table[name]) for name in table.columns}
    rows = pa.array(np.arange(len(table)), mask=~scored.shown)
    arrow = pa.table(columns)
    arrow = arrow.add_column(arrow.column_names.index("typical"), "reasons", scored.reasons)
    telling = [name for name in SCORE_COLUMNS if name in arrow.column_names]
    for name in telling if not scored.shown.all() else ():
        place = arrow.column_names.index(name)
        arrow = arrow.set_column(place, name, arrow[name].combine_chunks().take(rows))
    arrow = arrow.append_column("withheld", pa.array(scored.held, pa.string()))
    return arrow.replace_schema_metadata(about_cuts(scored.cuts))


def about_cuts(cuts: Mapping[str, float]) -> dict[bytes, bytes]:
    """Say in the metadata of a table of scores where the bands were cut."""
    return {CUTS: json.dumps(dict(cuts), sort_keys=True).encode()}


def arrow_column(name: str, values: NDArray[np.object_]) -> pa.Array:
    """Lay values out as a column of scores.parquet has them: (n,)."""
    return _arrow(pd.DataFrame({name: values})[name])


def _arrow(column: pd.Series) -> pa.Array:
    """Turn a column into Arrow; pandas 3 warns where Arrow converts aware datetimes itself."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moments = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    return pa.array(column, from_pandas=True)
