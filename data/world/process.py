"""Push and first-state shares of each lead -> its acts, answers and outcome, day by day.

Age is cut into days from creation. During day k the lead is in state s_k: acts are Poisson with
`rates[:, s_k]`, open questions are answered with `BANT_RATES`. Between days the state changes as
`fill_transitions` says. A lead that converts (or is disqualified) stays hot (cold) on its last day
until a uniform moment of that day, at which the outcome is recorded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@compiled
def fill_transitions(push: float, chain: Floats, conversion: float, lost: Floats) -> None:
    """Fill the daily transitions, (4, 4), and disqualifications, (4,), of a lead with this push."""
    up = np.exp(0.5 * push)
    chain[:] = 0.0
    chain[0, 1] = min(0.35, 0.003 * up)
    chain[1, 0] = 0.060
    chain[1, 2] = min(0.35, 0.040 * up)
    chain[2, 1] = 0.050
    chain[2, 3] = min(0.35, 0.060 * up)
    chain[3, 2] = 0.040
    down = np.exp(-0.4 * push)
    lost[0] = min(0.2, 0.0060 * down)
    lost[1] = min(0.2, 0.0050 * down)
    lost[2] = min(0.2, 0.0040 * down)
    lost[3] = min(0.2, 0.0020 * down)
    for state in range(4):
        out = lost[state] + (conversion if state == 3 else 0.0)
        for other in range(4):
            if other != state:
                out += chain[state, other]
        chain[state, state] = 1.0 - out


@compiled
def conversion_hazard(push: float) -> float:
    """Give the daily hazard of conversion from the hot state, after the key act."""
    return min(0.35, 0.09 * math.exp(0.7 * push))


@compiled
def pick(cumulative: Floats, u: float) -> int:
    """Find the first index whose cumulative share exceeds u."""
    for index in range(len(cumulative) - 1):
        if u < cumulative[index]:
            return index
    return len(cumulative) - 1


@compiled
def simulate(
    rng: Any,
    push: Floats,
    first: Floats,
    days: Floats,
    rates: Floats,
    key: int,
    first_shares: Floats,
    first_types: Ints,
    bant_rates: Floats,
    n_bant: int,
) -> Any:
    """Simulate every lead day by day.

    `first` is (n, 4) shares of the first state; `days` the length of observation of each lead.
    Returns act columns (lead, type, day, moment in the day), states at the first day, outcome
    (0 open, 4, 5) with its moment in days of age, and answers (n, n_bant) with their moments.
    """
    n = len(push)
    capacity = 1024 + 16 * n
    act_lead = np.empty(capacity, np.int64)
    act_type = np.empty(capacity, np.int64)
    day = np.empty(capacity, np.int64)
    act_at = np.empty(capacity, np.float64)
    state_of = np.empty(capacity, np.int8)
    used = 0
    outcome = np.zeros(n, np.int8)
    outcome_at = np.full(n, np.inf)
    answer = np.full((n, n_bant), -1, np.int8)
    answer_at = np.full((n, n_bant), np.inf)
    last_state = np.zeros(n, np.int8)
    totals = rates.sum(axis=0)
    shares = np.empty((4, rates.shape[0]))
    for state in range(4):
        shares[state] = np.cumsum(rates[:, state]) / totals[state]
    first_cum = np.empty_like(first_shares)
    for state in range(4):
        first_cum[state] = np.cumsum(first_shares[state])
    bant_totals = bant_rates.sum(axis=0)
    bant_cum = np.empty((4, bant_rates.shape[0]))
    for state in range(4):
        bant_cum[state] = np.cumsum(bant_rates[:, state]) / bant_totals[state]
    chain = np.empty((4, 4))
    lost = np.empty(4)
    for lead in range(n):
        conversion = conversion_hazard(push[lead])
        fill_transitions(push[lead], chain, conversion, lost)
        state = pick(np.cumsum(first[lead]), rng.random())
        opening = first_types[pick(first_cum[state], rng.random())]
        done = opening == key
        ending = 0
        for k in range(int(np.ceil(days[lead]))):
            stop = 1.0
            if ending:
                stop = rng.random()
            if used + 64 > capacity:
                capacity *= 2
                act_lead = np.concatenate((act_lead, np.empty(capacity - len(act_lead), np.int64)))
                act_type = np.concatenate((act_type, np.empty(capacity - len(act_type), np.int64)))
                day = np.concatenate((day, np.empty(capacity - len(day), np.int64)))
                act_at = np.concatenate((act_at, np.empty(capacity - len(act_at), np.float64)))
                state_of = np.concatenate((state_of, np.empty(capacity - len(state_of), np.int8)))
            if k == 0:
                act_lead[used], act_type[used], day[used], act_at[used] = lead, opening, 0, 0.0
                state_of[used] = state
                used += 1
            keyed = False
            for _ in range(min(60, rng.poisson(totals[state]))):
                moment = rng.random()
                act = pick(shares[state], rng.random())
                if moment < stop:
                    act_lead[used], act_type[used], day[used], act_at[used] = lead, act, k, moment
                    state_of[used] = state
                    used += 1
                    keyed = keyed or act == key
            for field in range(n_bant):
                if answer[lead, field] < 0:
                    moment = rng.exponential() / bant_totals[state]
                    if moment < stop:
                        answer[lead, field] = pick(bant_cum[state], rng.random())
                        answer_at[lead, field] = k + moment
            if ending:
                outcome[lead] = ending
                outcome_at[lead] = k + stop
                break
            done = done or keyed
            last_state[lead] = state
            u = rng.random()
            hazard = conversion if state == 3 and done else 0.0
            if u < hazard:
                ending = 4
            elif u < hazard + lost[state]:
                ending = 5
                state = 0
            else:
                u = (u - hazard - lost[state]) / (1.0 - hazard - lost[state])
                total = 0.0
                for other in range(4):
                    total += chain[state, other]
                # without the key act the conversion hazard stays with the hot state itself
                spare = conversion if state == 3 and not done else 0.0
                total += spare
                run = 0.0
                follow = state
                for other in range(4):
                    run += chain[state, other] + (spare if other == state else 0.0)
                    if u * total < run:
                        follow = other
                        break
                state = follow
    return (
        act_lead[:used],
        act_type[:used],
        day[:used],
        act_at[:used],
        state_of[:used],
        outcome,
        outcome_at,
        answer,
        answer_at,
        last_state,
    )
