"""A trained model -> its artifact, an MLflow run, a version, and perhaps the champion."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY
from data.part import outcomes_of, part_of
from data.schema import Project
from data.tables import Attribute, Outcomes, Tables
from features.build import build
from features.frame import Catalogue
from models.artifact import Manifest, load_artifact, read_extra
from models.predictor import LeadScorer
from models.scorecard import band_rank
from models.winners import CONSTANT, RULE, is_stand_in
from training.gate import (
    FIRST,
    NOTHING_NEW,
    REFUSED,
    RULE_AS_STATED,
    GateCheck,
    GateDecision,
    judge,
)
from training.model_card import CARD_FILE, ModelCard
from training.registry import ModelVersion, Registry
from training.stand_in import train_stand_in, words_for
from training.trained_model import TrainedModel


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing a trained model.

    `version` is None where nothing was registered. `refused` says why the model that was trained
    may not be shipped; `stands_in` names what was registered in its place, where anything was.
    """

    version: ModelVersion | None
    decision: GateDecision
    refused: str | None = None
    stands_in: str | None = None

    @property
    def sentence(self) -> str:
        """Describe the result in one line."""
        if self.version is None:
            return f"not registered: {self.refused}"
        number = self.version.version
        if self.stands_in is not None and self.decision.promote:
            return (
                f"the model is refused: {self.refused}; version {number} ({self.stands_in}) "
                "is champion until a model is proven"
            )
        if self.decision.promote:
            return f"version {number} is champion: {self.decision.sentence}"
        return (
            f"version {number} is challenger, not promoted: {self.decision.sentence}; "
            "`leadscore promote` makes it champion by hand"
        )


def publish(
    trained: TrainedModel,
    registry: Registry,
    project: Project,
    tables: Tables,
    *,
    pages: Mapping[str, str],
    tags: Mapping[str, str],
    threads: int,
    seed: int,
) -> Published:
    """Register a model and let the gate say whether it is champion.

    An open leak finding registers nothing. Where there is no champion, or one that stands in for a
    model, a model that does not beat its baselines is refused, and what `train_stand_in` gives
    becomes champion in its place: the first time at once, later by the gate. `pages` are further
    texts to log with the run.
    """
    if trained.leak is not None:
        return Published(None, REFUSED, trained.leak)
    champion = registry.champion()
    loaded = None if champion is None else load_artifact(champion.folder, threads=threads)
    unproven = trained.shortfall if loaded is None or is_stand_in(loaded.meta) else None
    if unproven is not None:
        candidate = train_stand_in(trained, project, tables, seed=seed, threads=threads)
        if loaded is not None and candidate.candidates["winner"] == CONSTANT:
            return Published(None, REFUSED, unproven)
        trained = candidate
    elif not len(trained.dataset.cut.test):  # a rule, where a proven model scores
        return Published(None, REFUSED, trained.shortfall)
    if champion is None or loaded is None:
        decision = FIRST
    else:
        catalogue = Catalogue.from_json(read_extra(champion.folder, "catalogue.json").decode())
        since = ModelCard.from_json(read_extra(champion.folder, CARD_FILE)).cut_at
        rows = unseen_rows(trained.dataset.cut.test, trained.dataset.labelled.order, since)
        lost = catalogue.lost_columns(tables)
        edited = champion.tags.get("project") != tags.get("project")
        if lost:
            may = trained.shortfall is None or unproven is not None
            decision = _replace_what_cannot_score(lost, proven=may)
        elif trained.candidates["winner"] == RULE and (edited or not len(rows)):
            decision = RULE_AS_STATED
        else:
            decision = judge_models(trained, rows, loaded, catalogue, tables, threads=threads)
    version = _register(trained, registry, project, decision, pages=pages, tags=tags, seed=seed)
    if decision.promote:
        registry.promote(version.version)
    else:
        registry.challenge(version.version)
    stands_in = None if unproven is None else words_for(trained)
    return Published(version, decision, unproven, stands_in)


def unseen_rows(
    rows: NDArray[np.int64], order: NDArray[np.int64], learned_before: int | None
) -> NDArray[np.int64]:
    """Keep those of the test `rows` that a champion, which learned from rows before, has not seen.

    None is a champion without a cut in time. Where it learned from later rows than the test begins
    with, fewer are left, perhaps none.
    """
    return rows if learned_before is None else rows[order[rows] >= learned_before]


def _replace_what_cannot_score(lost: list[str], *, proven: bool) -> GateDecision:
    """Decide where the champion cannot be applied to today's tables: a proven model replaces it."""
    figure = f"are not read any more: {', '.join(lost)}"
    bar = "the challenger beats its baselines"
    return GateDecision(proven, (GateCheck("columns of the champion", figure, bar, proven),))


def judge_models(
    trained: TrainedModel,
    rows: NDArray[np.int64],
    champion: LeadScorer,
    catalogue: Catalogue,
    tables: Tables,
    *,
    threads: int,
) -> GateDecision:
    """Score these rows with both models and let the gate decide."""
    if not len(rows):
        return NOTHING_NEW
    dataset = trained.dataset
    snapshots = dataset.labelled.snapshots.take(rows)
    frame = build(tables, snapshots, catalogue, threads=threads).to_pandas()
    before, after = champion.score(frame), trained.scorer.score(dataset.rows(rows))
    card = trained.parts.card
    moved = band_rank(card, after.score) - band_rank(card, before.score)
    return judge(
        dataset.y[rows],
        before.probability,
        after.probability,
        moved=moved,
        groups=dataset.groups[rows],
    )


def _register(
    trained: TrainedModel,
    registry: Registry,
    project: Project,
    decision: GateDecision,
    *,
    pages: Mapping[str, str],
    tags: Mapping[str, str],
    seed: int,
) -> ModelVersion:
    """Write the artifact and register it with its figures."""
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "leadscore"
        manifest = write_model(trained, artifact)
        return registry.register(
            artifact,
            params=run_parameters(trained, project, seed),
            metrics=run_metrics(trained),
            tags={
                **tags,
                "content": manifest.version,
                "decision": decision.sentence,
                "features": trained.dataset.frame.catalogue.fingerprint,
            },
            pages={
                **pages,
                "evaluation/metrics.csv": trained.evaluation.metrics.to_csv(index=False),
                "evaluation/verdicts.csv": trained.evaluation.verdicts.to_csv(index=False),
                "candidates.json": json.dumps(trained.candidates, indent=1, default=float),
            },
            example=example_row(trained),
        )


def write_model(trained: TrainedModel, folder: Path) -> Manifest:
    """Write the artifact that is registered: its model card holds the advice too."""
    return replace(trained, card=trained.card.with_advice(trained.advice)).write(folder)


def run_parameters(trained: TrainedModel, project: Project, seed: int) -> dict[str, object]:
    """List the run's parameters: sizes, seed, conversions; never lead data."""
    dataset = trained.dataset
    return {
        "seed": seed,
        "learner": trained.candidates.get("winner", "constant"),
        "horizon_days": (project.conversion.horizon or 0) / DAY,
        "rows": len(dataset.labelled),
        "train_rows": len(dataset.cut.train),
        "test_rows": len(dataset.cut.test),
        "train_conversions": int(dataset.y[dataset.cut.train].sum()),
        "test_conversions": int(dataset.y[dataset.cut.test].sum()),
        "features": len(dataset.frame.catalogue.features),
    }


def run_metrics(trained: TrainedModel) -> dict[str, float]:
    """List every figure of model and baselines, with the ends of its interval."""
    metrics: dict[str, float] = {}
    for row in trained.evaluation.metrics.to_dict("records"):
        prefix = "" if row["model"] == "model" else f"{row['model']}_"
        for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            if np.isfinite(row[end]):
                metrics[f"{prefix}{row['metric']}{suffix}"] = float(row[end])
    return metrics


def example_row(trained: TrainedModel) -> pd.DataFrame:
    """Make a frame of one made-up row: it gives the signature its column names and kinds."""
    catalogue = trained.dataset.frame.catalogue
    row: dict[str, object] = {f.name: np.zeros(1, np.float32) for f in catalogue.numbers}
    row |= {feature.name: ["example"] for feature in catalogue.categories}
    return pd.DataFrame(row)


def data_fingerprint(tables: Tables, outcomes: Outcomes) -> str:
    """Hash all that was read: equal data, equal hash."""
    return _hash((tables, outcomes))


def learned_fingerprint(tables: Tables, outcomes: Outcomes) -> str:
    """Hash what can be learned from: what was known before the end of observation, but names shown.

    Longer files with the same end are equal.
    """
    until = tables.observed_until
    if tables.created_at is not None and not (known := tables.created_at < until).all():
        rows = np.flatnonzero(known)
        tables, outcomes = part_of(tables, rows), outcomes_of(outcomes, rows)
    attributes = tuple(_known(attribute, until) for attribute in tables.attributes)
    bare = replace(tables, attributes=(), display=pd.DataFrame())
    return _hash((bare, outcomes, attributes))


def _known(attribute: Attribute, until: int) -> tuple[object, ...]:
    """Give what an attribute says up to a moment: its values, or the changes that make them."""
    about = (attribute.name, attribute.kind)
    if attribute.changes is not None:
        return (about, attribute.changes.as_of(until))
    if attribute.known_at is not None:
        known = attribute.known_at < until
        return (about, known, attribute.values[known], attribute.known_at[known])
    return (about, attribute.values)


def _hash(value: object) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(piece)
    return digest.hexdigest()[:32]


def _pieces(value: Any) -> Iterator[bytes | memoryview]:
    """Give the bytes of an array, or of all that stands in a value, and what tells them apart."""
    if is_dataclass(value):
        yield from _pieces(tuple((each.name, getattr(value, each.name)) for each in fields(value)))
    elif isinstance(value, pd.DataFrame):
        yield from _pieces(tuple((name, np.asarray(column)) for name, column in value.items()))
    elif isinstance(value, np.ndarray):
        plain = pd.util.hash_array(value) if value.dtype == object else value
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(plain).view(np.uint8).data
    elif isinstance(value, tuple) and not all(isinstance(each, str) for each in value):
        yield f"({len(value)}".encode()
        for each in value:
            yield from _pieces(each)
    else:
        yield repr(value).encode()
