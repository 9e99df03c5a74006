"""Planted structure: rows, windows, splits and builders that break time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.clock import DAY, HOUR, NEVER
from data.labels import label, make_snapshots
from data.project import load_project
from data.reading.read_tables import read_tables
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from data.world import World
from data.world.make import project_file
from features.build import build
from features.frame import Catalogue, FeatureFrame
from training.audit import structure, windows
from training.audit.replay import append_events, replay
from training.audit.verdict import Verdict
from training.dataset import Dataset, make_dataset


@dataclass(frozen=True)
class Case:
    """One world, read as its project file says."""

    world: World
    project: Project
    frames: dict[str, pd.DataFrame]
    tables: Tables
    outcomes: Outcomes
    dataset: Dataset
    seed: int


def project_of(kind: str, fixed: tuple[str, ...] = ()) -> Project:
    """Load an example project, with further columns declared as fixed."""
    project = load_project(project_file(kind))
    leads = project.leads.model_copy(update={"fixed": (*project.leads.fixed, *fixed)})
    return project.model_copy(update={"leads": leads})


def frames_of(world: World) -> dict[str, pd.DataFrame]:
    """Name the tables of a world as read_tables wants them."""
    frames = {
        "leads": world.frames["leads"],
        "events.0": world.frames["touches"],
        "join.0": world.frames["accounts"],
        "history.0": world.frames["lead_history"],
    }
    if world.kind == "software_trial":
        frames["conversion"] = world.frames["opportunities"]
    return frames


def case_of(world: World, project: Project, seed: int) -> Case:
    frames = frames_of(world)
    tables, outcomes = read_tables(project, frames=frames)
    dataset = make_dataset(project, tables, outcomes, threads=1)
    return Case(world, project, frames, tables, outcomes, dataset, seed)


def stops(verdicts: Iterable[Verdict]) -> set[str]:
    """Name the detectors that would stop training, or hold the whole model."""
    return {v.detector for v in verdicts if v.severity in ("structural", "quarantine")}


# --- records ----------------------------------------------------------------------------------


def _same_features(case: Case, tables: Tables) -> bool:
    """Say whether the planted records leave every training row as it was."""
    return _same_rows(case, tables, case.dataset.labelled.snapshots)


def _same_rows(case: Case, tables: Tables, snapshots: Snapshots) -> bool:
    catalogue = case.dataset.frame.catalogue
    one, other = build(case.tables, snapshots, catalogue), build(tables, snapshots, catalogue)
    return bool(np.array_equal(one.numbers, other.numbers, equal_nan=True))


def late_demo(case: Case) -> set[str]:
    """Demos entered after the conversion, dated before it: the second clock keeps them out."""
    world, rng = case.world, np.random.default_rng(case.seed)
    touches = case.frames["events.0"]
    deals = world.frames["opportunities"].drop_duplicates("lead_id")
    extra = touches.iloc[rng.integers(0, len(touches), len(deals))].reset_index(drop=True)
    extra = extra.assign(
        touch_id=[f"X{i}" for i in range(len(deals))],
        lead_id=deals["lead_id"].to_numpy(),
        touch_type="demo_request",
        touch_at=deals["created_at"].to_numpy() - pd.Timedelta(days=5),
        ingested_at=deals["created_at"].to_numpy() + pd.Timedelta(days=1),
    )
    frames = case.frames | {"events.0": pd.concat([touches, extra], ignore_index=True)}
    tables, _ = read_tables(case.project, frames=frames)
    return {"D3"} if _same_features(case, tables) else set()


def event_at_as_of(case: Case) -> set[str]:
    """An event exactly at as_of of every converting row."""
    snapshots = case.dataset.labelled.snapshots.take(case.dataset.y == 1)
    cuts = np.full(len(case.tables), NEVER)
    cuts[snapshots.lead[::-1]] = snapshots.as_of[::-1]
    first = Snapshots(np.flatnonzero(cuts != NEVER), cuts[cuts != NEVER])
    rng = np.random.default_rng(case.seed)
    altered = replace(case.tables, events=append_events(case.tables.events, cuts, (0,), rng))
    return {"D2"} if _same_rows(case, altered, first) else set()


def wrong_zone(case: Case) -> set[str]:
    """All touches five hours early: the zone of the source was misread."""
    touches = case.frames["events.0"]
    shifted = touches.assign(touch_at=touches["touch_at"] - pd.Timedelta(hours=5))
    tables, _ = read_tables(case.project, frames=case.frames | {"events.0": shifted})
    return stops(structure.shifted_clocks(tables))


def joined_deals(case: Case) -> set[str]:
    """The table of opportunities joined as attributes."""
    leads = case.project.leads
    join = leads.join[0].model_copy(
        update={"source": "deals.parquet", "on": "lead_id", "fixed": ("amount",)}
    )
    conversion = case.project.conversion.model_copy(
        update={"source": "deals.parquet", "lead": "lead_id", "at": "created_at", "event": ()}
    )
    project = case.project.model_copy(
        update={
            "leads": leads.model_copy(update={"join": (*leads.join, join), "converted_at": None}),
            "conversion": conversion,
        }
    )
    return stops(structure.lineage(case.tables, project))


def label_as_feature(case: Case) -> set[str]:
    """The column of the closing date declared as a feature."""
    attribute = replace(case.tables.attributes[0], name="closed_at")
    tables = replace(case.tables, attributes=(*case.tables.attributes, attribute))
    return stops(structure.lineage(tables, case.project))


# --- builders ---------------------------------------------------------------------------------


def _shown_by(case: Case, builder: Callable[..., FeatureFrame]) -> set[str]:
    return stops(
        replay(
            case.tables,
            case.dataset.labelled.snapshots,
            case.dataset.frame.catalogue,
            seed=case.seed,
            builder=builder,
        )
    )


def all_time_builder(case: Case) -> set[str]:
    """A builder that counts all events, whenever they happened."""

    def builder(tables: Tables, snapshots: Snapshots, catalogue: Catalogue) -> FeatureFrame:
        frame = build(tables, snapshots, catalogue)
        numbers = frame.numbers.copy()
        numbers[:, 0] = np.diff(tables.events.offsets)[snapshots.lead]
        return replace(frame, numbers=numbers)

    return _shown_by(case, builder)


def inclusive_builder(case: Case) -> set[str]:
    """A builder that takes `at <= as_of`."""

    def builder(tables: Tables, snapshots: Snapshots, catalogue: Catalogue) -> FeatureFrame:
        frame = build(tables, Snapshots(snapshots.lead, snapshots.as_of + 1), catalogue)
        return replace(frame, snapshots=snapshots)

    return _shown_by(case, builder)


def first_clock_builder(case: Case) -> set[str]:
    """A builder that forgets the second clock."""

    def builder(tables: Tables, snapshots: Snapshots, catalogue: Catalogue) -> FeatureFrame:
        blind = replace(tables, events=replace(tables.events, recorded_at=None))
        return build(blind, snapshots, catalogue)

    return _shown_by(case, builder)


def today_builder(case: Case) -> set[str]:
    """A builder that reads dated and replayed attributes as they are today."""

    def builder(tables: Tables, snapshots: Snapshots, catalogue: Catalogue) -> FeatureFrame:
        today = tuple(
            replace(a, known_at=np.where(a.known_at == NEVER, NEVER, 0))
            if a.known_at is not None
            else a
            for a in tables.attributes
        )
        return build(replace(tables, attributes=today), snapshots, catalogue)

    return _shown_by(case, builder)


def lagging_builder(case: Case) -> set[str]:
    """A builder that runs a day late: the past must show."""

    def builder(tables: Tables, snapshots: Snapshots, catalogue: Catalogue) -> FeatureFrame:
        frame = build(tables, Snapshots(snapshots.lead, snapshots.as_of - HOUR), catalogue)
        return replace(frame, snapshots=snapshots)

    return _shown_by(case, builder)


def other_api_builder(case: Case) -> set[str]:
    """A second implementation for single leads that rounds."""

    def builder(tables: Tables, snapshots: Snapshots, catalogue: Catalogue) -> FeatureFrame:
        frame = build(tables, snapshots, catalogue)
        if len(snapshots) > 1:
            return frame
        return replace(frame, numbers=np.floor(frame.numbers + np.float32(0.3)))

    return _shown_by(case, builder)


# --- labels and windows -----------------------------------------------------------------------


def _maturity(case: Case, dataset: Dataset) -> set[str]:
    return stops(windows.maturity(dataset.labelled, case.tables, case.outcomes, case.project))


def immature_negatives(case: Case) -> set[str]:
    """Leads whose horizon has not passed, counted as negatives."""
    every = make_snapshots(case.tables, case.outcomes, case.project)
    beyond = replace(case.outcomes, observed_until=case.outcomes.observed_until + 400 * DAY)
    return _maturity(
        case, replace(case.dataset, labelled=label(every, case.tables, beyond, case.project))
    )


def extract_ends_early(case: Case) -> set[str]:
    """The extract ends 40 days before observed_until says."""
    until = case.outcomes.observed_until - 40 * DAY
    events = case.tables.events
    tables = replace(case.tables, events=events.keep(events.at < until))
    seen = np.where(case.outcomes.converted_at < until, case.outcomes.converted_at, NEVER)
    kept = case.tables.created_at < until
    tables = replace(tables, created_at=np.where(kept, tables.created_at, tables.created_at[0]))
    outcomes = replace(case.outcomes, converted_at=seen)
    labelled = label(make_snapshots(tables, outcomes, case.project), tables, outcomes, case.project)
    return stops(windows.maturity(labelled, tables, outcomes, case.project))


def longer_for_older(case: Case) -> set[str]:
    """Older leads get twice the time to convert."""
    labelled = case.dataset.labelled
    old = labelled.snapshots.as_of < np.median(labelled.snapshots.as_of)
    closes = np.where(old, labelled.closes_at + 90 * DAY, labelled.closes_at)
    converted = case.outcomes.converted_at[labelled.snapshots.lead]
    y = ((converted >= labelled.snapshots.as_of) & (converted < closes)).astype(np.int8)
    return _maturity(case, replace(case.dataset, labelled=replace(labelled, closes_at=closes, y=y)))


def after_conversion(case: Case) -> set[str]:
    """Snapshots that go on after the conversion."""
    labelled = case.dataset.labelled
    late = Snapshots(labelled.snapshots.lead, labelled.snapshots.as_of + 45 * DAY)
    shifted = label(late, case.tables, case.outcomes, case.project)
    return _maturity(case, replace(case.dataset, labelled=shifted))


def recorded_late(case: Case) -> set[str]:
    """Conversions were recorded from the fifth month on only."""
    created = case.tables.created_at
    start = int(created.min()) + 150 * DAY
    converted = case.outcomes.converted_at
    outcomes = replace(case.outcomes, converted_at=np.where(converted < start, NEVER, converted))
    project = case.project.model_copy(
        update={"conversion": case.project.conversion.model_copy(update={"horizon": 60 * DAY})}
    )
    labelled = label(make_snapshots(case.tables, outcomes, project), case.tables, outcomes, project)
    return stops(windows.maturity(labelled, case.tables, outcomes, project))


def survivors_only(case: Case) -> set[str]:
    """Leads that came to nothing are deleted after two months."""
    leads = case.frames["leads"]
    deals = set(case.world.frames["opportunities"]["lead_id"])
    until = pd.Timestamp(case.world.observed_until * 1000, tz="UTC")
    old = (until - leads["created_at"]).dt.days > 150
    rng = np.random.default_rng(case.seed)
    gone = old & ~leads["lead_id"].isin(deals) & (rng.random(len(leads)) < 0.9)
    kept = leads[~gone].reset_index(drop=True)
    tables, outcomes = read_tables(case.project, frames=case.frames | {"leads": kept})
    labelled = label(make_snapshots(tables, outcomes, case.project), tables, outcomes, case.project)
    return stops(windows.maturity(labelled, tables, outcomes, case.project))


# --- splits -----------------------------------------------------------------------------------


def duplicated_leads(case: Case) -> set[str]:
    """Two leads in a hundred entered twice, months apart, under another id."""
    rng = np.random.default_rng(case.seed)
    leads = case.frames["leads"]
    twice = leads.iloc[rng.permutation(len(leads))[: len(leads) // 20]]
    again = twice.assign(
        lead_id="D" + twice["lead_id"], created_at=twice["created_at"] + pd.Timedelta(days=70)
    )
    until = pd.Timestamp(case.world.observed_until * 1000, tz="UTC")
    again = again[again["created_at"] < until].copy()
    for column in {"closed_at", "opportunity_at"} & set(again):
        again[column] = again[column].mask(np.ones(len(again), bool))
    frames = case.frames | {"leads": pd.concat([leads, again], ignore_index=True)}
    tables, outcomes = read_tables(case.project, frames=frames)
    dataset = make_dataset(case.project, tables, outcomes, threads=1)
    return stops(windows.duplicates(dataset.labelled, tables, dataset.cut, pd.DataFrame()))


def random_split(case: Case) -> set[str]:
    """A random split of snapshots in place of the purged cut."""
    order = np.random.default_rng(case.seed).permutation(len(case.dataset.y))
    n = len(order) // 5
    cut = replace(case.dataset.cut, train=np.sort(order[n:]), test=np.sort(order[:n]))
    return stops(windows.split(case.dataset.labelled, case.tables, cut))


def fitted_on_everything(case: Case) -> set[str]:
    """A scaler and a target encoder that saw all rows."""
    labelled, cut = case.dataset.labelled, case.dataset.cut
    seen = windows.row_hash(case.tables, labelled.snapshots)
    expected = windows.row_hash(case.tables, labelled.snapshots.take(cut.train))
    return stops(windows.fit_scope({"scaler": seen, "target encoder": seen}, expected))


STRUCTURE: dict[str, Callable[[Case], set[str]]] = {
    "demo entered after conversion, dated before": late_demo,
    "event exactly at as_of": event_at_as_of,
    "five hours of future by a time zone": wrong_zone,
    "deals joined as attributes": joined_deals,
    "outcome column declared a feature": label_as_feature,
    "builder: all-time event count": all_time_builder,
    "builder: at <= as_of": inclusive_builder,
    "builder: second clock forgotten": first_clock_builder,
    "builder: today's answers": today_builder,
    "builder: an hour late": lagging_builder,
    "builder: another one for the API": other_api_builder,
    "immature negatives": immature_negatives,
    "extract ends before observed_until": extract_ends_early,
    "longer horizon for older leads": longer_for_older,
    "snapshots after conversion": after_conversion,
    "conversions recorded from month five": recorded_late,
    "export of survivors only": survivors_only,
    "duplicates and merged leads over the split": duplicated_leads,
    "random split of snapshots": random_split,
    "scaler fitted on everything": fitted_on_everything,
}
