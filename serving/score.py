"""Open leads as of a moment -> one scored row each, with reasons, trend, stage: scores.parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import InputError
from data.labels import open_snapshots
from data.row_groups import groups_of, write_groups
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from features.build import build
from features.frame import FAMILIES, FeatureFrame
from models.explain.points import Explanation
from models.explain.reason_rows import reason_rows
from models.explain.reasons import ReasonTable, explanation_of, reason_table, value_reader
from models.explain.sentences import render, render_fact
from models.predictor import Frame, Rows, Scores
from models.scorecard import bands_with_hysteresis, percentile, trend
from serving.answers.standing import AnsweredLead, Standing
from serving.figures.lead_worth import knows_amounts, lead_worth
from serving.held_back import held_arms
from serving.lead_score import SCORE_COLUMNS, LeadScore, lead_scores
from serving.loaded_model import LoadedModel
from serving.newest_scores import read_newest
from serving.past_weeks import TREND_WEEKS, PastWeeks, look_back
from serving.qualify.engine import QualificationRules, qualify
from serving.qualify.result import Qualification
from serving.qualify.rule_facts import SCORED
from serving.worklist.language import words_of

FEW: Final = 20
NOTHING_OPEN: Final = "no lead is open at this moment: there is nothing to score"
CUTS: Final = b"leadscore.bands"
"""The entry of the metadata of scores.parquet that holds the least score of each band."""


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
        return np.asarray(ruled | _disqualified(self.standing), bool)

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


def score_leads(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    model: LoadedModel,
    *,
    as_of: int,
    scored_at: int,
    run_id: str,
    threads: int = 1,
    previous_bands: Mapping[str, str] | None = None,
    answered: Mapping[str, AnsweredLead] = MappingProxyType({}),
    for_report: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ScoringRun:
    """Score every open lead with what was known strictly before `as_of`.

    `previous_bands` (lead id -> band) gives bands their hysteresis; `answered` is what reps'
    answers make of leads. `for_report` also marks leads
    whose reasons depend on chance, at the price of a second scoring. Raises InputError where no
    lead is open.
    """
    on_stage("features of open leads")
    snapshots = open_snapshots(tables, outcomes, as_of)
    if len(snapshots) == 0:
        raise InputError(NOTHING_OPEN)
    return score_snapshots(
        project,
        tables,
        snapshots,
        model,
        as_of=as_of,
        scored_at=scored_at,
        run_id=run_id,
        threads=threads,
        previous_bands=previous_bands,
        answered=answered,
        for_report=for_report,
        on_stage=on_stage,
    )


def score_snapshots(
    project: Project,
    tables: Tables,
    snapshots: Snapshots,
    model: LoadedModel,
    *,
    as_of: int,
    scored_at: int,
    run_id: str,
    threads: int = 1,
    previous_bands: Mapping[str, str] | None = None,
    answered: Mapping[str, AnsweredLead] = MappingProxyType({}),
    ranked_among: NDArray[np.float64] | None = None,
    rules: QualificationRules | None = None,
    for_report: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ScoringRun:
    """Score leads as of a moment: the one place where every field of a score is filled.

    A night scores all open leads; one lead asked for by itself is scored by the same lines, given
    the margins of the leads that it is `ranked_among`.
    """
    frame = (
        model.builder.build(tables, snapshots)
        if threads == 1
        else build(tables, snapshots, model.catalogue, threads=threads)
    )
    on_stage("scores and reasons")
    features = frame.to_pandas()
    reasons = reason_table(
        model.scorer,
        _quick(model, frame, features),
        facts=model.facts,
        with_stability=for_report,
    )
    scores = model.scorer.score_margin(reasons.margin)
    ids = tables.lead_ids[snapshots.lead].astype(str)
    held = held_arms(tables, snapshots.lead, project, max(as_of, scored_at))
    shown = np.array([arm is None for arm in held], bool)
    among = scores.margin[shown] if ranked_among is None else ranked_among
    columns: dict[str, Any] = {
        "lead_id": ids,
        "as_of": pd.to_datetime(snapshots.as_of, unit="us", utc=True),
        "score": scores.score,
        "band": _bands(model, project, scores, ids, previous_bands),
        "probability": scores.probability,
        "probability_low": scores.low,
        "probability_high": scores.high,
        "percentile": percentile(scores.margin, among),
    }
    on_stage("stages and trend")
    known = known_to_rules(pd.DataFrame(columns), shown)
    qualification = qualify(tables, snapshots, project, features=frame, scored=known, rules=rules)
    of_leads = np.array([answered.get(lead) for lead in ids.tolist()], object)
    by_reps = _disqualified(standing_of(of_leads))
    qualification = qualification.without_stage(by_reps)
    out = (qualification.disqualified >= 0) | by_reps
    columns["band"] = np.where(out, None, columns["band"])  # rule and rep come before the model
    past = look_back(tables, snapshots, model.catalogue, (TREND_WEEKS,), threads=threads)
    columns |= dict(zip(FAMILIES, reasons.families.T, strict=True))
    columns |= {
        "stage": qualification.stage_names,
        "rule": qualification.rule_reasons,
        "trend": trend(scores.score, _earlier_scores(model, past, len(snapshots))),
        "typical": np.full(len(ids), reasons.points.typical, np.int32),
        "unseen_points": reasons.points.unseen,
        "rest_points": reasons.points.rest,
        "limit_points": reasons.points.limit,
        "model_version": model.version,
        "scored_at": pd.to_datetime(np.full(len(ids), scored_at), unit="us", utc=True),
        "run_id": run_id,
        "margin": scores.margin,
        "score_exact": scores.score_exact,
        "grid": reasons.grid,
        "episode": tables.episode[snapshots.lead],
        "back_at": pd.to_datetime(_back_at(tables, snapshots), unit="us", utc=True),
        **_standing_columns(standing_of(of_leads)),
    }
    if knows_amounts(project):
        amounts = model.amounts_in(project.report.currency)
        worth = lead_worth(project, tables, snapshots.lead, amounts, features)
        columns |= {"amount": worth, "expected_value": scores.probability * worth}
    return ScoringRun(
        as_of,
        snapshots,
        frame,
        scores,
        qualification,
        pd.DataFrame(columns),
        _worded(project, reasons, features),
        LazyExplanations(reasons, features, ids.tolist()),
        past,
        dict(model.scorer.card.bands),
        held,
        scored_at,
        of_leads,
    )


def standing_of(answered: NDArray[np.object_]) -> list[Standing | None]:
    """Take the standings that hold, None elsewhere: (n,)."""
    return [None if a is None or not a.holds else a.standing for a in answered]


def _disqualified(standing: Sequence[Standing | None]) -> NDArray[np.bool_]:
    return np.array([s is not None and s.kind == "disqualified" for s in standing], bool)


def _standing_columns(standing: Sequence[Standing | None]) -> dict[str, object]:
    """Lay the standings out as columns, empty where there is none."""

    def column(name: str) -> list[object]:
        return [None if each is None else getattr(each, name) for each in standing]

    def moments(name: str) -> pd.Series:
        return pd.to_datetime(pd.Series(column(name), dtype="Int64"), unit="us", utc=True)

    return {
        "standing": column("kind"),
        "standing_since": moments("since"),
        "standing_until": moments("until"),
        "standing_by": column("by"),
        "standing_reason": column("reason"),
    }


def _back_at(tables: Tables, snapshots: Snapshots) -> pd.Series:
    """Say when each lead came back after a close: (n,) microseconds, missing in a first episode."""
    opened = np.zeros(len(snapshots), np.int64)
    if tables.created_at is not None:
        opened = tables.created_at[snapshots.lead]
    return pd.Series(opened, dtype="Int64").mask(tables.episode[snapshots.lead] == 1)


def known_to_rules(scored: pd.DataFrame, shown: NDArray[np.bool_]) -> pd.DataFrame:
    """Empty what rules may ask of a score that is held back: a stage must not tell it either."""
    if not shown.all():
        scored[list(SCORED)] = scored[list(SCORED)].where(pd.Series(shown), axis=0)
    return scored


def _worded(project: Project, reasons: ReasonTable, features: pd.DataFrame) -> pa.ListArray:
    """Say the reasons in the project's language."""
    speech = words_of(project.project.language).speech(project.report.words)
    return reason_rows(
        reasons,
        features,
        say=lambda reason: render(reason, speech),
        say_fact=lambda reason: render_fact(reason, speech),
    )


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


def _bands(
    model: LoadedModel,
    project: Project,
    scores: Scores,
    ids: NDArray[np.generic],
    previous: Mapping[str, str] | None,
) -> NDArray[np.object_]:
    before = None if previous is None else [previous.get(str(lead)) for lead in ids]
    shown = scores.score.astype(np.float64)
    return bands_with_hysteresis(
        model.scorer.card, shown, before, hysteresis=project.score.hysteresis
    )


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


def read_bands(
    path: Path,
    *,
    until: int,
    cuts: Mapping[str, float] | None = None,
    tables: Tables | None = None,
    lead: str | None = None,
) -> dict[str, str] | None:
    """Read the bands of a run as of `until` or before, or that of one lead; None: there was none.

    Given `tables`, those of their leads alone.

    Bands of a later moment would look ahead: no lead had them at `until`. Bands that were cut
    elsewhere than at `cuts` are none either: an edit of the project file takes effect at once. Nor
    are those of leads that came back since, as `tables` say: an episode starts without a band.
    """
    table = read_newest(path, ["lead_id", "band", "as_of"], lead=lead)
    if table is None:
        return None
    recorded = (table.schema.metadata or {}).get(CUTS)
    if cuts is not None and recorded is not None and json.loads(recorded) != dict(cuts):
        return None
    if not table.num_rows:
        return {}
    as_of = table["as_of"][0].cast(pa.int64()).as_py()
    if as_of > until:
        return None
    back = set() if tables is None else tables.back_between(as_of, until)
    if tables is not None:
        own = pa.array(tables.lead_ids, pa.string())
        table = table.filter(pc.is_in(table["lead_id"].cast(pa.string()), value_set=own))
    pairs = zip(table["lead_id"].to_pylist(), table["band"].to_pylist(), strict=True)
    return {lead: band for lead, band in pairs if band is not None and lead not in back}


def first_scored(runs: Path) -> int | None:
    """Find when scores were first available: the time of the first run; None where none is kept.

    A run made today as of a past moment was not available then.
    """
    first = min(runs.glob("*/scores.parquet"), default=None)  # run ids begin with their moment
    if first is None:
        return None
    head = next(pq.ParquetFile(first).iter_batches(1, columns=["as_of", "scored_at"]))
    return max(int(head[name].cast(pa.int64())[0].as_py()) for name in ("as_of", "scored_at"))


def _earlier_scores(model: LoadedModel, past: PastWeeks, n: int) -> NDArray[np.float64]:
    """Score the same leads a week earlier: whole points, NaN for a lead that did not exist then."""
    rows, frame = past.at(TREND_WEEKS)
    points = np.full(n, np.nan)
    if len(rows):
        points[rows] = model.scorer.score(_quick(model, frame)).score
    return points


def _quick(model: LoadedModel, frame: FeatureFrame, features: pd.DataFrame | None = None) -> Frame:
    """Give a few rows without pandas, whose columns cost more than scoring them; same scores."""
    if len(frame) <= FEW:
        return Rows(frame.numbers, model.builder.number_at, frame.words())
    return frame.to_pandas() if features is None else features
