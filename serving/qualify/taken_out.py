"""Disqualification rules and leads as of a moment -> which rule takes each lead out, if any.

What a rule says of a lead ends with its episode: a lead that came back after a close is judged by
what became known since. A permanent rule is judged by the lead's whole life, and where it held at
the end of an earlier episode, it holds for good.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.asof import known_since_back
from data.rules.expressions import Expression
from data.schema import Project
from data.tables import Snapshots, Tables
from features.build import build
from features.frame import Catalogue
from serving.qualify.rule_facts import RuleFacts

Answers = NDArray[np.bool_]


def take_out(
    rules: Sequence[Expression], facts: RuleFacts, catalogue: Catalogue | None
) -> NDArray[np.int16]:
    """Find the first rule that certainly holds: (n,) positions, -1 where none does.

    `catalogue` says how to build the columns of features that rules name.
    """
    tables, snapshots, project = facts.tables, facts.snapshots, facts.project
    holds = _hold(rules, facts)
    back = np.flatnonzero(tables.episode[snapshots.lead] > 1)
    if len(back) and len(rules):
        permanent = np.array([rule.permanent for rule in project.qualification.disqualify])
        returned = snapshots.take(back)
        now = _facts(known_since_back(tables), returned, project, rules, catalogue)
        ever = holds[back]
        if permanent.any():
            ends = _ends_before(tables, returned)
            then = _hold(rules, _facts(tables, ends, project, rules, catalogue))
            ever |= _earlier(tables, returned, ends, then)
        holds[back] = np.where(permanent, ever, _hold(rules, now))
    first = holds.argmax(axis=1) if len(rules) else np.zeros(len(snapshots))
    return np.where(holds.any(axis=1), first, -1).astype(np.int16)


def _hold(rules: Sequence[Expression], facts: RuleFacts) -> Answers:
    """Tell which rules certainly hold: (n, n_rules)."""
    holds = np.zeros((len(facts.snapshots), len(rules)), bool)
    for position, rule in enumerate(rules):
        holds[:, position] = rule.holds(facts, len(facts.snapshots))
    return holds


def _facts(
    tables: Tables,
    snapshots: Snapshots,
    project: Project,
    rules: Sequence[Expression],
    catalogue: Catalogue | None,
) -> RuleFacts:
    """Gather what the rules read; features are built only where a rule names one."""
    facts = RuleFacts(tables, snapshots, project)
    if catalogue is None or all(name in facts for rule in rules for name in rule.names):
        return facts
    return RuleFacts(tables, snapshots, project, features=build(tables, snapshots, catalogue))


def _ends_before(tables: Tables, returned: Snapshots) -> Snapshots:
    """List the earlier episodes of these leads, each at the moment of its end."""
    past = tables.episodes
    assert past is not None  # leads came back
    rows = np.flatnonzero(past.lead[1:] == past.lead[:-1])
    rows = rows[np.isin(past.lead[rows], past.lead[returned.lead])]
    return Snapshots(rows, past.closed_at[rows + 1])


def _earlier(tables: Tables, returned: Snapshots, ends: Snapshots, held: Answers) -> Answers:
    """Tell which rules held at the end of an episode before each lead's own: (n, n_rules)."""
    past = tables.episodes
    assert past is not None  # leads came back
    never = np.iinfo(np.int64).max
    first = np.full((int(past.lead.max()) + 1, held.shape[1]), never)
    number = past.number[ends.lead][:, None]
    np.minimum.at(first, past.lead[ends.lead], np.where(held, number, never))
    return np.asarray(first[past.lead[returned.lead]] < past.number[returned.lead][:, None])
