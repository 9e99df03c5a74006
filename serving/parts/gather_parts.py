"""All parts of a run -> one run, as if it had been scored whole: ranks, guard, files.

The second pass looks at all leads, and reads small columns one at a time.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import InputError
from data.files import replacing
from data.reading.values import objects
from data.row_groups import write_groups
from models.explain.change import ID_COLUMN, about_run
from models.explain.reason_rows import REASON_TYPE
from models.scorecard import percentile
from serving.exposure import Exposures
from serving.lead_score import MONEY_COLUMNS, LeadScore
from serving.loaded_model import LoadedModel
from serving.night_guard import guard_night
from serving.parts.part_manifest import (
    PartManifest,
    processors,
    read_parts,
    read_whole,
    refuse_other_model,
)
from serving.parts.part_rows import Fits, PartRows
from serving.parts.score_part import FACT, FEATURE, RANKED, WATCHED, YOUNG, names_to_rank
from serving.qualify.engine import LaidOutFacts, QualificationRules, compile_rules, stages_from
from serving.qualify.rule_facts import SCORED, counted_type
from serving.score import NOTHING_OPEN
from serving.score_changes import FEATURES
from serving.scoring_run import ScoringRun, about_cuts, arrow_column
from serving.session import Session
from training.watch.night_profile import ColumnCounts, NightProfile, count_values

OWN = (FEATURE, WATCHED, FACT)
"""Columns of a part that scores.parquet does not have, by how their names begin."""


@dataclass(frozen=True, slots=True)
class ScoredNight:
    """What a person is told of a run: leads by band, those held back, what the guard accepted."""

    leads: int
    bands: Mapping[str, int]
    held: int
    older: int = 0
    accepted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, scored: ScoringRun, accepted: Sequence[str], older: int = 0) -> ScoredNight:
        """Count a run that was scored whole."""
        counts = scored.table["band"].value_counts().sort_index().items()
        bands = {str(band): int(n) for band, n in counts}
        held = int((~scored.shown).sum())
        return cls(len(scored.table), bands, held, older, tuple(accepted))


def gather_parts(
    session: Session,
    model: LoadedModel,
    folder: Path,
    *,
    run_id: str,
    accept: bool = False,
    on_stage: Callable[[str], None],
) -> ScoredNight:
    """Put the parts of a folder together, guard the night, keep the run: nothing else is read.

    OutsideError where the parts make no run, GateError where the guard stops it; nothing is
    written then.
    """
    on_stage("stages and trend")
    manifests = read_parts(folder)
    first = manifests[0]
    refuse_other_model(
        first,
        version=version("leadscore"),
        project=session.fingerprint,
        model=model.identity,
        model_version=model.version,
    )
    parts = PartRows(folder, manifests)
    if not len(parts):
        raise InputError(NOTHING_OPEN)
    parts.refuse_other_columns(_needed_columns(manifests, model))
    rules = compile_rules(session.project)
    _refuse_unknown_facts(rules, manifests, model)
    ranks, stages = _rank(rules, parts)
    accepted = guard_night(
        session,
        model,
        _profile(manifests, parts, model),
        as_of_given=first.as_of_given,
        own_sources=first.own_sources,
        accept=accept,
    )
    on_stage("scores.parquet")
    as_of, scored_at = max(m.as_of for m in manifests), max(m.scored_at for m in manifests)
    same: dict[str, object] = {"as_of": as_of, "scored_at": scored_at, "run_id": run_id}
    scores = session.state.runs / run_id / "scores.parquet"
    _write_scores(scores, parts, model, same, {RANKED: ranks, "stage": stages})
    _write_features(scores.with_name(FEATURES), parts, model, as_of)
    with replacing(session.state.scores) as copy:
        shutil.copyfile(scores, copy)
    _note_shown(session, scores, scored_at)
    bands: Counter[str] = Counter()
    for manifest in manifests:
        bands.update(manifest.bands)
    return ScoredNight(
        len(parts),
        dict(sorted(bands.items())),
        sum(manifest.held for manifest in manifests),
        sum(manifest.older for manifest in manifests),
        tuple(accepted),
        (*processors(manifests), *read_whole(manifests)),
    )


def _needed_columns(manifests: Sequence[PartManifest], model: LoadedModel) -> dict[str, Fits]:
    """Name what every part has, with the types that it may have."""
    types = pa.types
    later = {"assumed", *MONEY_COLUMNS}  # not in scores.parquet, or not of every project
    needed: dict[str, Fits] = {
        each.name: lambda kind: not types.is_nested(kind)
        for each in fields(LeadScore)
        if each.name not in later
    }
    needed |= {
        "lead_id": is_text,
        "rule": is_text,
        "margin": types.is_floating,
        "reasons": types.is_list,
        YOUNG: types.is_boolean,
    }
    features = {each.name: each.kind for each in model.catalogue.features}
    kinds = {FEATURE + name: features.get(name, "number") for name in model.scorer.names}
    for manifest in manifests:
        kinds |= {WATCHED + name: kind for name, kind in manifest.watched.items()}
    return needed | {
        name: types.is_floating if kind == "number" else is_text for name, kind in kinds.items()
    }


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _refuse_unknown_facts(
    rules: QualificationRules, manifests: Sequence[PartManifest], model: LoadedModel
) -> None:
    """Refuse a rule that counts an event type which no lead of any part has."""
    absent = set[str].intersection(*(set(manifest.absent) for manifest in manifests))
    if not absent:
        return
    facts = set[str]().union(*(manifest.facts for manifest in manifests))
    known = facts | {feature.name for feature in model.catalogue.features} | {*SCORED, "icp"}
    steps = [rule for level in rules.levels.values() for _, rule in level]
    clauses = [clause for stage in rules.stages for clause in stage]
    for rule in (*rules.disqualify, *rules.icp, *steps, *clauses):
        found = {name for name in rule.names if counted_type(name) not in absent}
        rule.check_names(known | found)


def _rank(rules: QualificationRules, parts: PartRows) -> tuple[pa.Array, pa.Array | None]:
    """Rank all leads among those that show their score, (n,) part after part.

    Also the stages, where a rule reads the rank: they come last.
    """
    among = np.sort(parts.column("margin").drop_null().to_numpy())
    laid_out = [name for name in parts.schema.names if name.startswith(FACT)]
    reads = RANKED in names_to_rank(rules)
    ranks, stages = [], []
    for table in parts.of_each(["margin", "rule", "standing", *laid_out]):
        margin = table["margin"].to_numpy()
        ranks.append(np.where(np.isnan(margin), np.nan, percentile(margin, among)))
        if not reads:
            continue
        known = {name.removeprefix(FACT): table[name].to_pandas() for name in laid_out}
        facts = LaidOutFacts(known)
        facts.add(RANKED, ranks[-1])
        out = [
            rule is not None or standing == "disqualified"
            for rule, standing in zip(
                table["rule"].to_pylist(), table["standing"].to_pylist(), strict=True
            )
        ]
        named = stages_from(rules, facts, len(table))
        named[out] = None
        stages.append(named)
    made = arrow_column("stage", np.concatenate(stages)) if reads else None
    return pa.array(np.concatenate(ranks), from_pandas=True), made


def _profile(
    manifests: Sequence[PartManifest], parts: PartRows, model: LoadedModel
) -> NightProfile:
    """Count what the guard looks at, column by column, leads in their order."""
    order = pa.array(parts.order)
    young = parts.column(YOUNG).fill_null(False).take(order).to_numpy(zero_copy_only=False)
    kinds = next(manifest.watched for manifest in manifests if manifest.rows)
    everyone: dict[str, ColumnCounts] = {}
    newcomers: dict[str, ColumnCounts] = {}
    for name, kind in kinds.items():
        column = parts.column(WATCHED + name).take(order)
        texts = pa.types.is_string(column.type)  # of which one object each stands for all alike
        values = objects(pa.chunked_array([column])) if texts else column.to_numpy(False)
        everyone[name] = count_values(values, kind)
        newcomers[name] = count_values(values[young], kind)
    return NightProfile(
        max(manifest.as_of for manifest in manifests),
        max(manifest.scored_at for manifest in manifests),
        model.version,
        manifests[0].read_feeds(),
        everyone,
        newcomers,
        tuple(np.sum([manifest.spread for manifest in manifests], axis=0).tolist()),
        sum(manifest.top_band for manifest in manifests),
        model.top,
    )


def _write_scores(
    path: Path,
    parts: PartRows,
    model: LoadedModel,
    same: Mapping[str, object],
    made: Mapping[str, pa.Array | None],
) -> None:
    """Write the scores of all parts: `same` in every row, `made` (n,) by the second pass."""
    names = [n for n in parts.schema.names if not n.startswith(OWN) and n != YOUNG]
    columns = {name: column for name, column in made.items() if column is not None}
    fields = [parts.schema.field(name) for name in names]
    fields = [f.with_type(columns[f.name].type) if f.name in columns else f for f in fields]
    reasons = names.index("reasons")  # Parquet names what lists hold otherwise than Arrow
    fields[reasons] = fields[reasons].with_type(pa.list_(REASON_TYPE))
    schema = pa.schema(fields, about_cuts(model.scorer.card.bands))

    def groups() -> Iterator[pa.Table]:
        for rows, table in parts.in_order(names):
            laid = {name: table[name].cast(schema.field(name).type) for name in names}
            for name, value in same.items():
                laid[name] = pa.repeat(pa.scalar(value).cast(schema.field(name).type), len(rows))
            laid |= {name: column.take(pa.array(rows)) for name, column in columns.items()}
            yield pa.table(laid, schema=schema)
            del table, laid  # before the next ones are read

    write_groups(path, schema, groups())


def _write_features(path: Path, parts: PartRows, model: LoadedModel, as_of: int) -> None:
    """Write the features of all parts as `store_run` does."""
    names = [FEATURE + name for name in model.scorer.names]
    fields = [parts.schema.field(name).with_name(name.removeprefix(FEATURE)) for name in names]
    about = about_run(model_version=model.version, as_of=as_of)
    schema = pa.schema([*fields, pa.field(ID_COLUMN, pa.string())], about)

    def groups() -> Iterator[pa.Table]:
        for _, table in parts.in_order([*names, "lead_id"]):
            ids = table["lead_id"].cast(pa.string())
            yield pa.table([*(table[name] for name in names), ids], schema=schema)
            del table, ids

    write_groups(path, schema, groups(), compression="zstd")


def _note_shown(session: Session, scores: Path, scored_at: int) -> None:
    """Note whose scores are shown from now on, while an experiment runs."""
    log = Exposures.of(session.state, session.project)
    if not log.kept:
        return
    with pq.ParquetFile(scores) as file:
        for batch in file.iter_batches(columns=["lead_id", "withheld"]):
            shown = batch.filter(batch["withheld"].is_null())["lead_id"]
            log.note("scores", shown.to_pylist(), at=scored_at)
