"""Simulated leads -> the tables a CRM exports, with mutable columns and late records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, HOUR, MINUTE, NEVER, Micros
from data.world.kinds import (
    ACTS,
    BANT,
    CHANNELS,
    CONVERTED,
    DISQUALIFIED,
    OUTBOUND,
    REASONS,
    WorldConstants,
)
from data.world.people import OWNERS, TEAMS, People
from data.world.process import Floats, Ints

_CAMPAIGNS: Final = tuple(f"campaign_{number:02d}" for number in range(1, 19))


Change = tuple[Ints, str, object, object, Micros]
"""Rows, field, old values, new values, moments."""


@dataclass(frozen=True, slots=True)
class Life:
    """What happened: acts sorted by (lead, at), outcomes, answers; NEVER where it did not."""

    lead: Ints
    act: Ints
    at: Micros
    state: NDArray[np.int8]
    outcome: NDArray[np.int8]
    outcome_at: Micros
    answer: NDArray[np.int8]
    answer_at: Micros
    answer_age: Floats


def write_frames(
    kind: WorldConstants,
    ids: NDArray[np.object_],
    created: Micros,
    people: People,
    life: Life,
    until: int,
    late_share: float,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Give accounts, contacts, leads, touches, opportunities and lead_history."""
    rng = np.random.default_rng([seed, 3])
    touches = _touches(rng, ids, people, life, until, late_share)
    history = _history(rng, ids, created, people, life, until)
    leads = _leads(rng, kind, ids, created, people, life, touches, history)
    contacts = people.contacts.assign(lead_id=ids[people.contacts["lead"]]).drop(columns="lead")
    return {
        "accounts": people.accounts.rename(
            columns={"industry": "sector", "country": "head_office"}
        ),
        "contacts": contacts.drop(columns="lead_id"),
        "leads": leads,
        "touches": touches,
        "opportunities": _opportunities(rng, kind, ids, people, life),
        "lead_history": history,
    }


def as_time(at: Micros) -> pd.Series:
    """Turn microseconds into UTC timestamps; NEVER becomes missing."""
    missing = np.asarray(at) == NEVER
    values = pd.Series(pd.to_datetime(np.where(missing, 0, at), unit="us", utc=True))
    return values.dt.as_unit("us").mask(missing)


def _touches(
    rng: np.random.Generator,
    ids: NDArray[np.object_],
    people: People,
    life: Life,
    until: int,
    late_share: float,
) -> pd.DataFrame:
    """Write one row per act, the acts after an opportunity included (they are outcome)."""
    after = _after_conversion(rng, life, until)
    lead = np.concatenate([life.lead, after["lead"]])
    act = np.concatenate([np.array(ACTS, object)[life.act], after["act"]])
    at = np.concatenate([life.at, after["at"]])
    order = np.lexsort((lead, at))
    lead, act, at = lead[order], act[order], at[order]
    n = len(at)
    lag = rng.integers(1_000_000, 5 * MINUTE, n)
    late = rng.random(n) < late_share
    lag[late] += (rng.exponential(4.0, int(late.sum())) * DAY).astype(np.int64)
    outbound = np.isin(act, (*OUTBOUND, "contract_sent"))
    campaign = np.array(_CAMPAIGNS, object)[rng.integers(0, len(_CAMPAIGNS), n)]
    tracked = np.isin(act, ["newsletter", "ebook", "webinar", "seminar", "form"])
    amount = np.full(n, np.nan)
    priced = np.isin(act, ["pricing_page", "trial"])
    amount[priced] = np.round(rng.lognormal(2.0, 0.8, int(priced.sum())), 1)
    return (
        pd.DataFrame(
            {
                "touch_id": [f"T{row:08d}" for row in range(n)],
                "lead_id": ids[lead],
                "contact_id": _persons(rng, people, lead),
                "touch_at": as_time(at),
                "ingested_at": as_time(at + lag),
                "touch_type": act,
                "channel": pd.Series(act)
                .map({**CHANNELS, "contract_sent": "email"})
                .to_numpy(object),
                "campaign": pd.Series(campaign, dtype=object).where(tracked, None),
                "direction": np.where(outbound, "outbound", "inbound"),
                "minutes": amount,
            }
        )
        .loc[lambda frame: (at + lag < until) | (frame["touch_type"] == _CONVERSION_ACT)]
        .reset_index(drop=True)
    )


_CONVERSION_ACT: Final = "meeting_agreed"


def _after_conversion(rng: np.random.Generator, life: Life, until: int) -> dict[str, np.ndarray]:
    """Draw the acts of converted leads: an agreed meeting, then contracts and calls for a month."""
    won = np.flatnonzero(life.outcome == CONVERTED)
    counts = rng.poisson(8, len(won))
    lead = np.repeat(won, counts)
    at = life.outcome_at[lead] + (rng.random(len(lead)) * 30 * DAY).astype(np.int64) + HOUR
    act = rng.choice(
        np.array([*OUTBOUND, "contract_sent", "email_reply"], object),
        len(lead),
    )
    lead, at = np.concatenate([won, lead]), np.concatenate([life.outcome_at[won], at])
    act = np.concatenate([np.full(len(won), _CONVERSION_ACT, object), act])
    kept = at < until
    return {"lead": lead[kept], "at": at[kept], "act": act[kept]}


def _persons(rng: np.random.Generator, people: People, lead: Ints) -> NDArray[np.object_]:
    """Name who acted: the lead's own contact, at times a colleague."""
    contact = people.contacts["contact_id"].to_numpy(object)
    n = len(people.profile)
    colleague = np.arange(n)
    colleagues = people.contacts["lead"].to_numpy()[n:]
    colleague[colleagues] = n + np.arange(len(colleagues))
    return contact[np.where(rng.random(len(lead)) < 0.15, colleague[lead], lead)]


def _history(
    rng: np.random.Generator,
    ids: NDArray[np.object_],
    created: Micros,
    people: People,
    life: Life,
    until: int,
) -> pd.DataFrame:
    """Write field history as CRMs export it: owner, industry and status, old and new value."""
    n = len(ids)
    parts: list[Change] = []
    owner = people.profile["owner"].to_numpy(object)
    moved = np.flatnonzero(rng.random(n) < 0.15)
    fresh = rng.choice(np.array(OWNERS, object), len(moved))
    parts.append((moved, "owner", owner[moved], fresh, created[moved] + _days(rng, len(moved), 60)))
    industry = people.profile["industry"].to_numpy(object)
    wrong = np.flatnonzero(rng.random(n) < 0.05)
    typed = rng.choice(np.unique(industry), len(wrong))
    corrected = created[wrong] + _days(rng, len(wrong), 40)
    parts.append((wrong, "industry", typed, industry[wrong], corrected))
    parts += _status_changes(life, n)
    frame = pd.concat(
        [
            pd.DataFrame({"row": rows, "field": field, "old": old, "new": new, "at": at})
            for rows, field, old, new, at in parts
        ]
    )
    frame = frame[(frame["at"] < until) & (frame["old"] != frame["new"])]
    frame = frame.sort_values(["at", "row", "field"], kind="stable").reset_index(drop=True)
    return pd.DataFrame(
        {
            "lead_id": ids[frame["row"]],
            "field": frame["field"],
            "old": frame["old"],
            "new": frame["new"],
            "changed_at": as_time(frame["at"].to_numpy()),
        }
    )


def _status_changes(life: Life, n: int) -> list[Change]:
    """Derive status from what happened: contacted at the first sales act, then the outcome."""
    outbound = np.isin(life.act, [ACTS.index(act) for act in OUTBOUND])
    rows, first = np.unique(life.lead[outbound], return_index=True)
    contacted = np.full(n, NEVER)
    contacted[rows] = life.at[outbound][first]
    # an outcome within the second of the first contact would have no clear order
    early = contacted < life.outcome_at - 1_000_000
    was = np.where(early & (contacted != NEVER), "contacted", "new").astype(object)
    touched = np.flatnonzero(early & (contacted != NEVER))
    out: list[Change] = [(touched, "status", "new", "contacted", contacted[touched])]
    for outcome, word in ((CONVERTED, "opportunity"), (DISQUALIFIED, "disqualified")):
        ended = np.flatnonzero(life.outcome == outcome)
        out.append((ended, "status", was[ended], word, life.outcome_at[ended]))
    return out


def _leads(
    rng: np.random.Generator,
    kind: WorldConstants,
    ids: NDArray[np.object_],
    created: Micros,
    people: People,
    life: Life,
    touches: pd.DataFrame,
    history: pd.DataFrame,
) -> pd.DataFrame:
    """Write the lead table as it stands today: current values, as a naive reader would use it."""
    profile = people.profile
    frame = pd.DataFrame(
        {
            "lead_id": ids,
            "created_at": as_time(created),
            "account_id": people.accounts["account_id"].to_numpy(object)[profile["account"]],
            "contact_id": people.contacts["contact_id"].to_numpy(object)[: len(ids)],
        }
    )
    for column in (
        "company",
        "person",
        "email",
        "job_title",
        "source",
        "country",
        "expected_amount",
    ):
        frame[column] = profile[column].to_numpy()
    frame["industry"] = profile["industry"].to_numpy(object)
    frame["owner"] = profile["owner"].to_numpy(object)
    frame["status"] = "new"
    _apply(frame, history)
    frame["team"] = frame["owner"].map(dict(zip(OWNERS, TEAMS, strict=True))).to_numpy(object)
    for field, (name, values) in enumerate(BANT.items()):
        answer, at = life.answer[:, field].copy(), life.answer_at[:, field].copy()
        # when an opportunity is opened, the rep fills in what is still open
        filled = (life.outcome == CONVERTED) & (answer < 0)
        answer[filled], at[filled] = 2, life.outcome_at[filled]
        words = np.array([*values, None], dtype=object)
        frame[name] = words[answer]
        frame[f"{name}_known_at"] = as_time(at)
    closed = life.outcome == DISQUALIFIED
    frame["closed_at"] = as_time(np.where(closed, life.outcome_at, NEVER))
    reasons = np.array(REASONS, object)[rng.integers(0, len(REASONS), len(ids))]
    frame["disqualification_reason"] = pd.Series(reasons, dtype=object).where(closed, None)
    if kind.name == "digital_agency":
        frame["opportunity_at"] = as_time(
            np.where(life.outcome == CONVERTED, life.outcome_at, NEVER)
        )
    last = touches.groupby("lead_id")["ingested_at"].max().reindex(ids)
    frame["last_modified_at"] = last.to_numpy()
    frame["n_touches_total"] = (
        touches["lead_id"].value_counts().reindex(ids, fill_value=0).to_numpy()
    )
    frame["owner_comment"] = pd.Series("not now", frame.index, dtype=object).where(closed, None)
    return frame


def _apply(frame: pd.DataFrame, history: pd.DataFrame) -> None:
    """Bring owner, industry and status up to today."""
    last = history.drop_duplicates(["lead_id", "field"], keep="last")
    for field, changes in last.groupby("field"):
        current = frame["lead_id"].map(changes.set_index("lead_id")["new"])
        frame[field] = current.where(current.notna(), frame[field])


def _opportunities(
    rng: np.random.Generator,
    kind: WorldConstants,
    ids: NDArray[np.object_],
    people: People,
    life: Life,
) -> pd.DataFrame:
    """Write one row per opportunity, and a few duplicates that were merged away."""
    won = np.flatnonzero(life.outcome == CONVERTED)
    double = won[rng.random(len(won)) < 0.03]
    rows = np.concatenate([won, double])
    at = life.outcome_at[rows].copy()
    at[len(won) :] += 2 * HOUR
    stage = rng.choice(np.array(["proposal", "negotiation", "won", "lost"], object), len(rows))
    stage[len(won) :] = "duplicate"
    amount = people.profile["expected_amount"].to_numpy(np.float64)[rows]
    return pd.DataFrame(
        {
            "opportunity_id": [f"O{row:06d}" for row in range(len(rows))],
            "lead_id": ids[rows],
            "created_at": as_time(at),
            "stage": stage,
            "amount": np.round(amount * rng.lognormal(0, 0.3, len(rows)), -2),
            "service": kind.name,
        }
    )


def _days(rng: np.random.Generator, n: int, scale: float) -> Ints:
    return (rng.exponential(scale, n) * DAY).astype(np.int64) + HOUR
