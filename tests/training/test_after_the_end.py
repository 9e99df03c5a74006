"""Data that reach beyond the declared end of observation: said by all, and no reason to train."""

from __future__ import annotations

import pandas as pd

import leadscore as ls
from training.publish import learned_fingerprint

END = pd.Timestamp("2026-04-01")
PROJECT = {
    "project": {"name": "late", "observed_until": "2026-04-01"},
    "leads": {
        "id": "id",
        "created_at": "created",
        "converted_at": "won",
        "account": "company",
        "fixed": ["size"],
        "known_at": {"budget": "asked"},
        "history": [{"lead": "id", "field": "field", "old": "old", "new": "new", "at": "at"}],
    },
    "events": [{"lead": "lead", "at": "at", "type": ["type"]}],
    "conversion": {"horizon": "14d"},
}


def company(end: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Lay out what an export of that day holds: a lead a day, its events, answers and changes."""
    created = pd.date_range("2026-01-01", end, freq="D", inclusive="left")
    n, ids = len(created), [f"L{i:03d}" for i in range(len(created))]
    asked, won = created + pd.Timedelta("9D"), created + pd.Timedelta("12D")
    leads = pd.DataFrame(
        {
            "id": ids,
            "created": created,
            "won": won.where((won < end) & (pd.Series(range(n)) % 9 == 0)),
            "company": [f"C{(7 * i) % 50 + 900 - i:03d}" for i in range(n)],
            "size": [float(i % 7) for i in range(n)],
            "asked": asked.where(asked < end),
            "budget": pd.Series([float(i) for i in range(n)]).where(asked < end),
        }
    )
    events = pd.DataFrame({"lead": ids, "at": created + pd.Timedelta("1D"), "type": "web visit"})
    events.loc[events["at"] > END, "type"] = "advert"
    history = pd.DataFrame({"id": ids, "field": "stage", "at": created + pd.Timedelta("5D")})
    history = history.assign(old="new", new="seen")
    inside = {"events": events, "history": history}
    return {"leads": leads, **{k: v[v["at"] < end] for k, v in inside.items()}}


def read(end: pd.Timestamp) -> ls.CrmProject:
    return ls.read(PROJECT, **company(end), threads=1)  # type: ignore[arg-type]


def test_longer_files_with_the_same_end_are_the_same_data_and_all_say_so() -> None:
    one, other = read(END), read(END + pd.Timedelta("30D"))
    prints = [learned_fingerprint(c._reading.tables, c._reading.outcomes) for c in (one, other)]
    assert prints[0] == prints[1]
    later = company(END + pd.Timedelta("30D"))
    later["leads"].loc[0, "size"] = 99.0
    changed = ls.read(PROJECT, **later, threads=1)  # type: ignore[arg-type]
    assert learned_fingerprint(changed._reading.tables, changed._reading.outcomes) != prints[0]
    said = "30 leads and 30 events lie after the end of observation, 2026-04-01"
    assert any(said in line for line in ls.check(other).lines)
    assert any(said in line for line in ls.train(other, fast=True).notes)
    assert not any("after the end" in line for line in ls.check(one).lines)
