"""What a perfect model could know: the exact probability given everything seen before as_of.

The hidden state is filtered by Bayes' rule over full days and the current one (forward algorithm of
a hidden Markov model, Rabiner 1989), then carried to the end of the window with the key act as a
second, visible state. Late records count from the moment they happened, so a model that has to
wait for them can only come close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.clock import DAY, Micros
from data.compiled import compiled
from data.world.process import Floats, Ints, conversion_hazard, fill_transitions


@dataclass(frozen=True, slots=True)
class Truth:
    """The hidden quantities of a world, which no CRM table holds.

    `leads` has lead_id, fit, push and p_cold … p_hot, the shares of the first state; `effects` the
    true effect of every level (factor, level, effect on the push).
    """

    leads: pd.DataFrame
    effects: pd.DataFrame
    created_at: Micros
    rates: Floats
    first_shares: Floats
    first_types: Ints
    key: int
    bant_rates: Floats
    offsets: Ints
    act_at: Micros
    act_type: Ints
    answer: NDArray[np.int8]
    answer_at: Micros
    answer_age: Floats
    clock: Floats

    def probability(self, lead_ids: ArrayLike, as_of: ArrayLike, until: ArrayLike) -> Floats:
        """Give P(conversion in [as_of, until) | still open, and all that happened before as_of).

        Arrays of one length (or scalars for the times, microseconds); the answer is (n,).
        """
        ids = np.atleast_1d(np.asarray(lead_ids, dtype=object))
        rows = pd.Index(self.leads["lead_id"]).get_indexer(pd.Index(ids))
        if (rows < 0).any():
            raise KeyError(str(ids[rows < 0][0]))
        seen = np.broadcast_to(np.asarray(as_of, np.int64), ids.shape)
        day, part = self._age(rows, seen)
        last, last_part = self._age(rows, np.broadcast_to(np.asarray(until, np.int64), ids.shape))
        expected: Floats = _probabilities(
            rows,
            seen,
            day,
            part,
            last,
            last_part,
            self.leads["push"].to_numpy(np.float64),
            self.leads[["p_cold", "p_curious", "p_engaged", "p_hot"]].to_numpy(np.float64),
            self.created_at,
            self.rates,
            self.first_shares,
            self.first_types,
            self.key,
            self.bant_rates,
            self.offsets,
            self.act_at,
            self.act_type,
            self.answer,
            self.answer_at,
            self.answer_age,
        )
        return expected

    def _age(self, rows: Ints, at: Micros) -> tuple[Ints, Floats]:
        """Split ages into full days and the share of the current day's acts that is over."""
        created = self.created_at[rows]
        age = np.maximum(at - created, 0)
        edges = np.linspace(0.0, 1.0, len(self.clock))
        start = np.interp(created % DAY / DAY, edges, self.clock)
        reached = np.interp((created + age) % DAY / DAY, edges, self.clock)
        part = np.where(age % DAY == 0, 0.0, np.mod(reached - start, 1.0))
        return age // DAY, part


@compiled
def _day_weight(
    lead: int,
    k: int,
    edge: int,
    share: float,
    at: int,
    weight: Floats,
    rates: Floats,
    totals: Floats,
    first_shares: Floats,
    first_types: Ints,
    key: int,
    bant_rates: Floats,
    open_rate: Floats,
    offsets: Ints,
    act_at: Micros,
    act_type: Ints,
    answer: NDArray[np.int8],
    answer_at: Micros,
    answer_age: Floats,
) -> tuple[int, bool]:
    """Fill the likelihood of day k's acts and answers before `edge`, (4,); give the next act."""
    keyed = False
    weight[:] = np.exp(-totals * share)
    while at < offsets[lead + 1] and act_at[at] < edge:
        if at == offsets[lead]:  # the act that created the lead
            for choice in range(len(first_types)):
                if first_types[choice] == act_type[at]:
                    weight *= first_shares[:, choice]
        else:
            weight *= rates[act_type[at]]
        keyed = keyed or act_type[at] == key
        weight /= weight.max()
        at += 1
    for field in range(answer.shape[1]):
        if answer_at[lead, field] >= edge:
            weight *= np.exp(-open_rate * share)
        elif answer_age[lead, field] >= k:
            elapsed = answer_age[lead, field] - k
            weight *= np.exp(-open_rate * elapsed) * bant_rates[answer[lead, field]]
    return at, keyed


@compiled
def _after_day(
    state: int, gate: int, chain: Floats, conversion: float, counts: float, value: Floats
) -> float:
    """Give P(conversion in the window) at a day's end; `counts` is the next day's share of it."""
    total = 0.0
    for other in range(4):
        total += chain[state, other] * value[gate, other]
    if state == 3:
        total += conversion * (counts if gate else value[0, 3])
    return total


@compiled
def _probabilities(
    rows: Ints,
    seen: Micros,
    day: Ints,
    part: Floats,
    last: Ints,
    last_part: Floats,
    push: Floats,
    first: Floats,
    created: Micros,
    rates: Floats,
    first_shares: Floats,
    first_types: Ints,
    key: int,
    bant_rates: Floats,
    offsets: Ints,
    act_at: Micros,
    act_type: Ints,
    answer: NDArray[np.int8],
    answer_at: Micros,
    answer_age: Floats,
) -> Floats:
    """Filter the state of each (lead, as_of) and carry it to the end of its window."""
    out = np.empty(len(rows))
    totals, open_rate = rates.sum(axis=0), bant_rates.sum(axis=0)
    opening = np.zeros(4)
    for choice in range(len(first_types)):
        if first_types[choice] == key:
            opening += first_shares[:, choice]
    chain, lost, weight = np.empty((4, 4)), np.empty(4), np.empty(4)
    fresh, value, older = np.empty(4), np.empty((2, 4)), np.empty((2, 4))
    for row in range(len(rows)):
        lead, m, f, end = rows[row], day[row], part[row], last[row]
        conversion = conversion_hazard(push[lead])
        fill_transitions(push[lead], chain, conversion, lost)
        belief = first[lead].copy()
        converting, disqualifying = 0.0, 0.0  # probability of an outcome on the current day
        at, done = offsets[lead], False
        for k in range(m + 1):
            begun = k == m
            edge = seen[row] if begun else created[lead] + (k + 1) * DAY
            at, keyed = _day_weight(
                lead,
                k,
                edge,
                f if begun else 1.0,
                at,
                weight,
                rates,
                totals,
                first_shares,
                first_types,
                key,
                bant_rates,
                open_rate,
                offsets,
                act_at,
                act_type,
                answer,
                answer_at,
                answer_age,
            )
            done = done or keyed
            belief *= weight
            if begun:  # the outcome of this day may still lie ahead
                converting *= weight[3] * (1.0 - f)
                disqualifying *= weight[0] * (1.0 - f)
                total = belief.sum() + converting + disqualifying
                belief /= total
                converting /= total
                break
            belief /= belief.sum()
            converting = belief[3] * conversion if done else 0.0
            disqualifying = (belief * lost).sum()
            for other in range(4):
                fresh[other] = (belief * chain[:, other]).sum()
            if not done:
                fresh[3] += belief[3] * conversion
            belief[:] = fresh
        value[:] = 0.0
        for j in range(end - 1, m, -1):
            counts = last_part[row] if j + 1 == end else 1.0
            older[:] = value
            for state in range(4):
                act = 1.0 - np.exp(-rates[key, state])
                with_key = _after_day(state, 1, chain, conversion, counts, older)
                without = _after_day(state, 0, chain, conversion, counts, older)
                value[0, state] = act * with_key + (1.0 - act) * without
                value[1, state] = with_key
        if end == m:
            out[row] = converting * max(0.0, last_part[row] - f) / (1.0 - f)
            continue
        p = converting
        counts = last_part[row] if m + 1 == end else 1.0
        for state in range(4):
            with_key = _after_day(state, 1, chain, conversion, counts, value)
            if done:
                p += belief[state] * with_key
            else:
                act = 1.0 - np.exp(-rates[key, state] * (1.0 - f))
                if at == offsets[lead]:  # as_of is the creation: its own act is not known yet
                    act = 1.0 - (1.0 - act) * (1.0 - opening[state])
                without = _after_day(state, 0, chain, conversion, counts, value)
                p += belief[state] * (act * with_key + (1.0 - act) * without)
        out[row] = min(max(p, 0.0), 1.0)
    return out
