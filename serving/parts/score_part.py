"""One part of a company's leads -> its rows, scored as far as a part can be, and its manifest.

Everything but the percentile, and the stages that read it, is a matter of one lead or account.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.buckets import Part
from data.files import write_bytes
from data.labels import open_snapshots
from data.reading.read_tables import CrmData
from data.rules.rule_columns import read_column
from data.schema import Project
from data.tables import Snapshots, Tables
from models.explain.change import feature_rows
from serving.answers.standing import AnsweredLead
from serving.held_back import holds_back
from serving.lead_ages import count_far_older
from serving.loaded_model import LoadedModel
from serving.parts.part_manifest import PartManifest, fingerprint_of, rows_of, write_manifest
from serving.qualify.engine import QualificationRules, compile_rules
from serving.qualify.rule_facts import SCORED, RuleFacts, with_types_counted
from serving.run_moment import RunMoment
from serving.score import known_to_rules, score_snapshots
from serving.scoring_run import ScoringRun, scores_table
from training.watch.night_profile import newcomers_of, spread_of, watched_values

FEATURE: Final = "feature:"
WATCHED: Final = "watched:"
FACT: Final = "fact:"
YOUNG: Final = "young"
RANKED: Final = "percentile"
"""What rules may ask of a lead that no part knows by itself."""
ROWS_AT_ONCE: Final = 2_048
"""Rows of a row group of a part: whoever puts parts together holds one of each in memory."""


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A part as bytes of Parquet, b"" where it has no open lead, with its manifest."""

    manifest: PartManifest
    rows: bytes

    def write(self, folder: Path) -> PartManifest:
        """Write rows, then manifest; each whole or not at all."""
        if self.rows:
            write_bytes(rows_of(folder, self.manifest), self.rows)
        write_manifest(folder, self.manifest)
        return self.manifest


def score_part(
    project: Project,
    reading: CrmData,
    model: LoadedModel,
    part: Part,
    run: RunMoment,
    *,
    fingerprint: str,
    threads: int = 1,
    previous_bands: Mapping[str, str] | None = None,
    answered: Mapping[str, AnsweredLead],
) -> ScoredPart:
    """Score the open leads of a part; `reading` holds the part alone.

    `fingerprint` is the hash of the project file.
    """
    rules = compile_rules(project)
    counted = with_types_counted(reading.tables, project, rules.names())
    absent = counted.events.type_names[len(reading.tables.events.type_names) :]
    snapshots = open_snapshots(reading.tables, reading.outcomes, run.as_of)
    facts = RuleFacts(reading.tables, Snapshots(*_NONE), project)
    begun = PartManifest(
        part.number,
        part.of,
        rows=len(snapshots),
        sha256="",
        version=version("leadscore"),
        project=fingerprint,
        model=model.identity,
        model_version=model.version,
        sources=fingerprint_of(reading.feeds, reading.tables.observed_until),
        as_of=run.as_of,
        as_of_given=run.as_of_given,
        own_sources=run.own_sources,
        scored_at=run.scored_at,
        held_back=holds_back(project, max(run.as_of, run.scored_at)),
        static=project.without_clock,
        cpu=processor(),
        bands={},
        spread=spread_of(np.zeros(0)),
        top_band=0,
        held=0,
        older=count_far_older(project, reading.tables.created_at, snapshots),
        watched={},
        facts=tuple(facts),
        absent=tuple(absent),
        feeds=tuple(feed.to_dict() for feed in reading.feeds),
        whole=reading.whole,
    )
    if not len(snapshots):
        return ScoredPart(begun, b"")
    scored = score_snapshots(
        project,
        counted,
        snapshots,
        model,
        run,
        threads=threads,
        previous_bands=previous_bands,
        answered=answered,
        ranked_among=np.empty(0),
        rules=rules,
    )
    return _finished(begun, project, counted, model, scored, rules)


_NONE: Final = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def _finished(
    begun: PartManifest,
    project: Project,
    tables: Tables,
    model: LoadedModel,
    scored: ScoringRun,
    rules: QualificationRules,
) -> ScoredPart:
    """Lay out what the second pass needs beside the scores, and count what the guard counts."""
    features = feature_rows(scored.frame.to_pandas(), model.scorer)
    watched = list(watched_values(tables, scored.snapshots))
    table = scores_table(scored)
    for name in features.column_names:
        table = table.append_column(FEATURE + name, features[name])
    for name, kind, values in watched:
        typed = pa.float64() if kind == "number" else pa.string()
        table = table.append_column(WATCHED + name, pa.array(values, typed, from_pandas=True))
    table = table.append_column(YOUNG, pa.array(newcomers_of(tables, scored.snapshots)))
    for name, column in facts_to_rank(project, tables, scored, rules).items():
        table = table.append_column(FACT + name, column)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=ROWS_AT_ONCE)
    rows = sink.getvalue().to_pybytes()
    points = scored.scores.score
    manifest = replace(
        begun,
        sha256=hashlib.sha256(rows).hexdigest(),
        bands={str(band): int(n) for band, n in scored.table["band"].value_counts().items()},
        spread=spread_of(points),
        top_band=int((points >= model.top).sum()),
        held=int((~scored.shown).sum()),
        watched={name: kind for name, kind, _ in watched},
    )
    return ScoredPart(manifest, rows)


def facts_to_rank(
    project: Project, tables: Tables, scored: ScoringRun, rules: QualificationRules
) -> dict[str, pa.Array]:
    """Give what rules read beside the percentile, where one reads that: columns by name, (n,)."""
    wanted = names_to_rank(rules)
    if RANKED not in wanted:
        return {}
    known = known_to_rules(pd.DataFrame(scored.table[list(SCORED)]), scored.shown)
    facts = RuleFacts(tables, scored.snapshots, project, features=scored.frame, scored=known)
    made_later = {RANKED, "icp", *rules.levels}
    return {name: read_column(facts[name]) for name in sorted(wanted - made_later)}


def names_to_rank(rules: QualificationRules) -> frozenset[str]:
    """Name what profile, levels and stages read."""
    clauses = [clause for stage in rules.stages for clause in stage]
    steps = [rule for level in rules.levels.values() for _, rule in level]
    return frozenset().union(*(rule.names for rule in (*clauses, *steps, *rules.icp)))


def processor() -> tuple[str, ...]:
    """Name the features of this processor that numpy computes with."""
    found = np.show_config("dicts")["SIMD Extensions"]
    return (*found.get("baseline", ()), *found.get("found", ()))
