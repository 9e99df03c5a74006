"""Plants in sets without any signal, each with who kept it out: nobody where it got in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from data.errors import InputError
from data.reading.read_tables import read_tables
from data.tables import Outcomes, Tables
from tests.fakes.noise_sets import NoiseSet, make_noise
from training.audit import AuditReport, audit
from training.audit.cells import auc
from training.dataset import Dataset, make_dataset

CHANCE = 0.1
"""An AUC that is further from one half than this is a signal, which no feature here may have."""


def audited(noise: NoiseSet, seed: int) -> tuple[Tables, Outcomes, Dataset, AuditReport]:
    """Read a set and audit it: tables, outcomes, all features, the report."""
    tables, outcomes = read_tables(noise.project, frames=noise.frames)
    dataset = make_dataset(noise.project, tables, outcomes, threads=1)
    report = audit(tables, outcomes, noise.project, seed=seed, dataset=dataset)
    return tables, outcomes, dataset, report


def ranks_outcome(dataset: Dataset) -> list[str]:
    """Name the features that rank the outcome, by value or by being missing."""
    found = []
    frame = dataset.frame.to_pandas()
    for name in frame.columns:
        blank = frame[name].isna().to_numpy(float)
        areas = [auc(blank, dataset.y)]
        if pd.api.types.is_numeric_dtype(frame[name].dtype):
            areas.append(auc(frame[name].fillna(frame[name].mean()).to_numpy(float), dataset.y))
        if max(abs(area - 0.5) for area in areas) > CHANCE:
            found.append(str(name))
    return found


def _kept_out(seed: int, leak: int, shape: str) -> set[str]:
    """Name the detectors that hold the leak; none where any feature still ranks the outcome."""
    noise = make_noise(seed, shape=shape, leak=leak)
    tables, _, dataset, report = audited(noise, seed)
    left = dataset.without(report.quarantined, tables)
    if ranks_outcome(left):
        return set()
    held = {v.detector for v in report.verdicts if v.severity == "quarantine"}
    return held or {"no feature"}


def joined_blank(seed: int) -> set[str]:
    """Joined account columns, blank for all who did not convert, counted as missing details."""
    return _kept_out(seed, 0, "timed")


def joined_blank_static(seed: int) -> set[str]:
    return _kept_out(seed, 0, "static")


def date_blank_static(seed: int) -> set[str]:
    """A date of signing up, written as text, blank for most who did not convert."""
    return _kept_out(seed, 2, "static")


def filled_for_the_lost(seed: int) -> set[str]:
    """Remarks in sixty ways that only the lost have."""
    return _kept_out(seed, 4, "flagged")


def order_by_text(seed: int) -> set[str]:
    """Rows "in time order" by a column of words, which would sort by the alphabet."""
    noise = make_noise(seed, shape="static", leak=None)
    section = noise.project.project.model_copy(update={"order_by": "city"})
    try:
        read_tables(noise.project.model_copy(update={"project": section}), frames=noise.frames)
    except InputError:
        return {"refused"}
    return set()


def flag_beside_a_date(seed: int) -> set[str]:
    """A date of creation beside a flag: the test must be the newest rows, and purged."""
    _, _, dataset, report = audited(make_noise(seed, shape="flagged", leak=None), seed)
    cut, labelled = dataset.cut, dataset.labelled
    begins = labelled.snapshots.as_of[cut.test].min()
    purged = cut.in_time and (labelled.closes_at[cut.train] <= begins).all()
    return {"D6"} if purged and not report.structural else set()


def a_random_split_called_newest(seed: int) -> set[str]:
    """Rows that nothing orders: no folds in time, and no word of a newer test."""
    _, _, dataset, report = audited(make_noise(seed, shape="static", leak=None), seed)
    said = " ".join([*report.checked.values(), *(v.reason for v in report.verdicts)])
    silent = "newest" not in said and "out of time" not in said
    return {"S6"} if silent and dataset.times is None and not dataset.cut.in_time else set()


def shuffled_blanks(seed: int) -> set[str]:
    """The same blanks, dealt at random: honest, so no column may be held."""
    noise = make_noise(seed, shape="static", leak=1)
    column = noise.leaks[0]
    order = np.random.default_rng(seed).permutation(len(noise.frames["leads"]))
    dealt = noise.frames["leads"][column].to_numpy(object)[order]
    leads = noise.frames["leads"].assign(**{column: dealt})
    _, _, _, report = audited(replace(noise, frames={**noise.frames, "leads": leads}), seed)
    return {"nothing held"} if not report.quarantined else set()


TRUTH: dict[str, Callable[[int], set[str]]] = {
    "joined columns blank for the rest, counted": joined_blank,
    "the same in static mode": joined_blank_static,
    "date as text, blank for the rest, static": date_blank_static,
    "remarks that only the lost have": filled_for_the_lost,
    "order_by on words": order_by_text,
    "created date beside a flag": flag_beside_a_date,
    "random split called out of time": a_random_split_called_newest,
    "honest blanks (nothing may be held)": shuffled_blanks,
}
