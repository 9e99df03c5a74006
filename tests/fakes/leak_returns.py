"""Plants about leads that come back: reopened after conversion, and honest returns beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from data.clock import DAY, NEVER
from data.labels import label, make_snapshots
from data.reading.read_tables import read_tables
from data.schema import Project
from data.tables import Outcomes, Tables
from tests.fakes.leak_structure import Case, stops
from training.audit import audit, windows

OPENS, HANDED_OVER = "demo_request", "handed_over"


def with_returns(project: Project, *, repeat: bool = False) -> Project:
    """Let a demo request bring closed leads back; a hand-over closes a lead."""
    conversion = project.conversion.model_copy(update={"reopen": (OPENS,), "repeat": repeat})
    events = project.events[0].model_copy(update={"outcome": (HANDED_OVER,)})
    return project.model_copy(
        update={"conversion": conversion, "events": (events, *project.events[1:])}
    )


def touches(case: Case, lead: np.ndarray, at: np.ndarray, word: str) -> pd.DataFrame:
    """Write touches of one type of the leads of these rows, recorded when they happened."""
    donors = case.frames["events.0"].iloc[np.arange(len(lead)) % len(case.frames["events.0"])]
    when = pd.to_datetime(at, unit="us", utc=True)
    return donors.reset_index(drop=True).assign(
        touch_id=[f"{word}{i}" for i in range(len(lead))],
        lead_id=case.tables.lead_ids[lead],
        touch_type=word,
        touch_at=when,
        ingested_at=when,
    )


def read_with(
    case: Case, project: Project, *more: pd.DataFrame
) -> tuple[Tables, Outcomes, dict[str, pd.DataFrame]]:
    frames = case.frames | {
        "events.0": pd.concat([case.frames["events.0"], *more], ignore_index=True)
    }
    return *read_tables(project, frames=frames), frames


def customers(case: Case, days: float) -> pd.DataFrame:
    """Demo requests of customers, so many days after they converted."""
    at = case.outcomes.converted_at
    won = np.flatnonzero(at != NEVER)
    moments = at[won] + int(days * DAY)
    seen = moments < case.outcomes.observed_until
    return touches(case, won[seen], moments[seen], OPENS)


def reopened_after_conversion(case: Case) -> set[str]:
    """A reader that forgets the conversion: what a customer asks for opens an episode."""
    forgetful = with_returns(case.project, repeat=True)
    tables, outcomes, _ = read_with(case, forgetful, customers(case, 20))
    assert tables.episodes is not None
    assert tables.episodes.conversions.any()
    project = with_returns(case.project)
    labelled = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    return stops(windows.maturity(labelled, tables, outcomes, project))


def customers_kept_out(case: Case) -> set[str]:
    """The same through our own reader: nothing that customers do is in any row."""
    project = with_returns(case.project)
    rows = []
    for more in ((), (customers(case, 20),), (customers(case, 1e-9),)):
        tables, outcomes, _ = read_with(case, project, *more)
        assert tables.episodes is not None
        converted = (tables.episodes.conversions > 0).any()
        rows.append((len(tables), len(tables.events), bool(converted), outcomes.converted_at.sum()))
    return {"D7"} if rows[0] == rows[1] == rows[2] and not rows[0][2] else set()


def handed_over(case: Case) -> set[str]:
    """A deal that is won closes the lead as handed over; its paperwork reopens and converts it."""
    at = case.outcomes.converted_at
    won = np.flatnonzero(at != NEVER)
    closed = np.maximum(at[won] - 16 * DAY, case.tables.created_at[won] + 1)
    opened = np.maximum(at[won] - 12 * DAY, closed + 1)
    project = with_returns(case.project)
    tables, outcomes, _ = read_with(
        case, project, touches(case, won, closed, HANDED_OVER), touches(case, won, opened, OPENS)
    )
    report = audit(tables, outcomes, project, seed=case.seed)
    return {v.detector for v in report.verdicts if "closed" in v.column and v.severity != "review"}


def honest_returns(case: Case) -> set[str]:
    """Lost leads that ask again; some convert, not more than others: nothing may be held."""
    lost, rng = case.outcomes.disqualified_at, np.random.default_rng(case.seed)
    back = np.flatnonzero(lost != NEVER)
    back = back[rng.random(len(back)) < 0.5]
    moments = lost[back] + (rng.exponential(40, len(back)) * DAY).astype(np.int64) + 1
    seen = moments < case.outcomes.observed_until
    project = with_returns(case.project)
    tables, outcomes, _ = read_with(case, project, touches(case, back[seen], moments[seen], OPENS))
    converts = tables.episode > 1
    converts &= rng.random(len(tables)) < 0.15
    later = tables.created_at + (rng.exponential(20, len(tables)) * DAY).astype(np.int64)
    free = converts & (later < outcomes.observed_until) & (later < outcomes.disqualified_at)
    outcomes = replace(outcomes, converted_at=np.where(free, later, outcomes.converted_at))
    ends = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    events = tables.events
    tables = replace(tables, events=events.keep(events.at < ends[events.lead]))
    report = audit(tables, outcomes, project, seed=case.seed)
    return set() if stops(report.verdicts) else {"nothing held"}


RETURNS: dict[str, Callable[[Case], set[str]]] = {
    "reopened after conversion": reopened_after_conversion,
    "customers who ask again, our own reader": customers_kept_out,
    "closed as won, reopened by its paperwork": handed_over,
    "honest returns (nothing may be held)": honest_returns,
}
