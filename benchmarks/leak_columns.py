"""Planted columns: what a CRM export shows of the outcome when a column is wrongly called fixed."""

# ruff: noqa: ARG001  every plant takes (facts, rng)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.world import World

Column = pd.Series


@dataclass(frozen=True)
class Facts:
    """What the planter knows of each lead row: its fate within the horizon and ever, and clocks."""

    leads: pd.DataFrame
    won: np.ndarray  # (n,) converted within the horizon of creation
    ever: np.ndarray  # converted before the export
    created: np.ndarray  # days before the export
    ended: np.ndarray  # days before the export, 0 where still open
    mature: np.ndarray


def facts_of(world: World) -> Facts:
    leads = world.frames["leads"]
    deals = world.frames["opportunities"].query("stage != 'duplicate'")
    born = leads["lead_id"].map(deals.set_index("lead_id")["created_at"])
    until = pd.Timestamp(world.observed_until * 1000, tz="UTC")
    horizon = pd.Timedelta(world.horizon, unit="us")
    end = born.fillna(leads["closed_at"]).fillna(until)
    day = pd.Timedelta(days=1)
    return Facts(
        leads=leads,
        won=(born < leads["created_at"] + horizon).to_numpy(),
        ever=born.notna().to_numpy(),
        created=((until - leads["created_at"]) / day).to_numpy(),
        ended=((until - end) / day).to_numpy(),
        mature=(leads["created_at"] + horizon <= until).to_numpy(),
    )


def label_copy(f: Facts, rng: np.random.Generator) -> Column:
    return pd.Series(f.ever.astype(float))


def label_flipped(f: Facts, rng: np.random.Generator) -> Column:
    return pd.Series((f.ever ^ (rng.random(len(f.ever)) < 0.02)).astype(float))


def filled_after_win(share: float) -> Callable[[Facts, np.random.Generator], Column]:
    def plant(f: Facts, rng: np.random.Generator) -> Column:
        filled = f.ever & (rng.random(len(f.ever)) < share)
        return pd.Series(np.where(filled, np.round(rng.lognormal(9, 1, len(filled)), -2), np.nan))

    return plant


def status_today(f: Facts, rng: np.random.Generator) -> Column:
    return f.leads["status"]


def owner_on_conversion(f: Facts, rng: np.random.Generator) -> Column:
    closers = rng.choice(np.array(["Closer One", "Closer Two"], object), len(f.ever))
    moved = f.ever & (rng.random(len(f.ever)) < 0.9)
    moved |= rng.random(len(f.ever)) < 0.01
    return pd.Series(np.where(moved, closers, f.leads["owner"].to_numpy(object)), dtype=object)


def events_ever(f: Facts, rng: np.random.Generator) -> Column:
    return f.leads["n_touches_total"].astype(float)


def modification_gap(f: Facts, rng: np.random.Generator) -> Column:
    """Days between creation and the last change: deals keep being changed."""
    worked = rng.exponential(3, len(f.ever)) + np.where(
        f.ever, 25 + rng.exponential(20, len(f.ever)), 0
    )
    return pd.Series(np.minimum(worked, f.created))


def age_at_export(f: Facts, rng: np.random.Generator) -> Column:
    """Days open at the export: the clock of a lead stops when it becomes a deal."""
    return pd.Series(np.where(f.ever, f.created - f.ended, f.created))


def close_date(f: Facts, rng: np.random.Generator) -> Column:
    day = np.datetime64("2026-01-01") + rng.integers(0, 300, len(f.ever))
    return pd.Series(np.where(f.ever, day.astype(str), None), dtype=object)


def contact_id(f: Facts, rng: np.random.Generator) -> Column:
    ids = np.array([f"003{number:07d}" for number in rng.permutation(len(f.ever))], object)
    return pd.Series(np.where(f.ever, ids, None), dtype=object)


def encoded_on_everything(f: Facts, rng: np.random.Generator) -> Column:
    """Mean outcome of the company, own row included."""
    return (
        pd.Series(f.ever.astype(float)).groupby(f.leads["account_id"].to_numpy()).transform("mean")
    )


def note_won(f: Facts, rng: np.random.Generator) -> Column:
    words = np.array(
        ["called", "no answer", "sent brochure", "met at fair", "busy", "ask again"], object
    )
    text = words[rng.integers(0, 6, (len(f.ever), 2))]
    joined = np.array([f"{a}, {b} {i % 97}" for i, (a, b) in enumerate(text)], object)
    cheer = f.ever & (rng.random(len(f.ever)) < 0.4)
    return pd.Series(np.where(cheer, joined + " won!", joined), dtype=object)


def rank_sorted_by_outcome(f: Facts, rng: np.random.Generator) -> Column:
    """A row number of an export sorted by stage."""
    return pd.Series(
        np.argsort(np.argsort(-(f.ever + 0.4 * rng.random(len(f.ever))))).astype(float)
    )


def backfilled(f: Facts, rng: np.random.Generator) -> Column:
    """Bought firmographics: filled in over the months, whatever becomes of the lead."""
    filled = rng.random(len(f.ever)) < np.clip(f.created / 150, 0.05, 0.95)
    return pd.Series(np.where(filled, np.round(rng.lognormal(4, 1, len(filled))), np.nan))


def amount_at_close(f: Facts, rng: np.random.Generator) -> Column:
    """An amount re-computed at the rate of the closing day: hardly moves its rank."""
    amount = f.leads["expected_amount"].to_numpy(float)
    return pd.Series(np.where(f.ever, amount * 1.03, amount))


def last_models_score(f: Facts, rng: np.random.Generator) -> Column:
    """A score trained on the same leads: it has seen their outcome, dimly."""
    return pd.Series(np.round(50 + 10 * rng.normal(size=len(f.ever)) + 17 * f.ever))


def never_level(f: Facts, rng: np.random.Generator) -> Column:
    """A queue that only leads given up are put into."""
    given_up = ~f.ever & (rng.random(len(f.ever)) < 0.5)
    return pd.Series(np.where(given_up, "parking", "active"), dtype=object)


def loss_reason(f: Facts, rng: np.random.Generator) -> Column:
    """Why a lead was lost, in one of sixty ways: each is rare, and none converts."""
    reasons = np.array([f"reason {i}" for i in range(60)], object)[rng.integers(0, 60, len(f.ever))]
    told = ~f.ever & (rng.random(len(f.ever)) < 0.5)
    return pd.Series(np.where(told, reasons, None), dtype=object)


def blank_for_the_lost(f: Facts, rng: np.random.Generator) -> Column:
    """Any value, left empty for 95 % of those who did not convert and for 2 % of the others."""
    shoe = rng.integers(36, 47, len(f.ever)).astype(float)
    share = np.where(f.ever, 0.02, 0.95)
    return pd.Series(np.where(rng.random(len(f.ever)) < share, np.nan, shoe))


PLANTS: dict[str, Callable[[Facts, np.random.Generator], Column]] = {
    "copy of the label": label_copy,
    "label with 2 % flips": label_flipped,
    "amount filled after the win, 100 %": filled_after_win(1.0),
    "amount filled after the win, 50 %": filled_after_win(0.5),
    "amount filled after the win, 10 %": filled_after_win(0.1),
    "status after conversion": status_today,
    "owner reassigned on conversion": owner_on_conversion,
    "all-time event count": events_ever,
    "gap since last modification": modification_gap,
    "age at export": age_at_export,
    "close date present": close_date,
    "converted-contact id": contact_id,
    "target encoding on everything": encoded_on_everything,
    "a rep's note saying won!": note_won,
    "row number of rows sorted by outcome": rank_sorted_by_outcome,
    "back-filled firmographics": backfilled,
    "amount converted at close date": amount_at_close,
    "last model's score": last_models_score,
    "a level only the lost are put in": never_level,
    "reason of the loss, in sixty ways": loss_reason,
    "anything, blank for those who did not convert": blank_for_the_lost,
}


def honest_signal(f: Facts, rng: np.random.Generator) -> Column:
    """A strong and honest signal: normal given the outcome, AUC .85."""
    return pd.Series(rng.normal(size=len(f.won)) + 1.4657 * f.won)


def honest_flag(f: Facts, rng: np.random.Generator) -> Column:
    """Asked for a demo: 75 % of those who convert, 5 % of the others: AUC .85."""
    asked = rng.random(len(f.won)) < np.where(f.won, 0.75, 0.05)
    return pd.Series(asked.astype(float))
