"""Leads that somebody asks about, one or a few -> the answers that a night gives about them.

A night sees all leads and the bands of the night before. Whoever asks about a few can't show all
of that, so what is not known is named in the answer (`LeadScore.assumed`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.clock import show
from data.errors import InputError
from data.labels import is_open
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from serving.answers.answer_store import RepAnswer
from serving.answers.standing import answered_leads
from serving.kept_run import KeptRun
from serving.lead_score import LeadScore
from serving.loaded_model import LoadedModel
from serving.qualify.engine import QualificationRules
from serving.qualify.rule_facts import with_types_counted
from serving.run_moment import RunMoment
from serving.score import score_snapshots

CLOSED = "the lead is closed at that moment: a night does not score it"
NO_BAND = "no earlier band is known: the band is cut at the score itself"
NO_RANK = "no run of this model is known: no percentile"


@dataclass(frozen=True, slots=True)
class RankedLeads:
    """The leads to rank among: their margins, and the moment as of which they were scored."""

    as_of: int
    margins: NDArray[np.float64]

    @classmethod
    def of(cls, kept: KeptRun | None, model: LoadedModel) -> RankedLeads | None:
        """Take those of a kept run; None where another model scored it."""
        if kept is None or kept.model_version != model.version:
            return None
        return cls(kept.as_of, kept.margins)


def answer_leads(
    project: Project,
    model: LoadedModel,
    rules: QualificationRules,
    tables: Tables,
    outcomes: Outcomes,
    *,
    as_of: int,
    at: int,
    bands: Mapping[str, str | None],
    ranked: RankedLeads | None,
    left_out: Mapping[str, Sequence[str]],
    answers: Sequence[RepAnswer] = (),
) -> dict[str, LeadScore]:
    """Score every lead of the tables as a night does, and name what was assumed: lead -> answer.

    `at` is the time of asking; `bands` are those that leads had, `answers` what reps said of them.
    InputError where a lead is created after `as_of`.
    """
    created, rows = tables.created_at, np.arange(len(tables))
    if tables.episodes is not None:  # of each lead the newest episode
        rows = np.unique([tables.row_of(lead, as_of) or 0 for lead in set(tables.lead_ids)])
    if created is not None and (created[rows] > as_of).any():
        raise InputError("a lead is created after as_of", column=project.leads.created_at)
    moments = np.full(len(rows), as_of, np.int64)
    back = set() if ranked is None else tables.back_between(ranked.as_of, as_of)
    bands = {lead: None if lead in back else band for lead, band in bands.items()}
    scored = score_snapshots(
        project,
        with_types_counted(tables, project, rules.names()),
        Snapshots(rows, moments),
        model,
        RunMoment(as_of, at),
        rules=rules,
        previous_bands={lead: band for lead, band in bands.items() if band is not None},
        answered=answered_leads(answers, tables, as_of, outcomes=outcomes, at=at),
        ranked_among=np.empty(0) if ranked is None else ranked.margins,
    )
    static = created is None
    live = np.ones(len(rows), bool) if static else is_open(tables, outcomes, rows, moments)
    return {
        each.lead_id: replace(
            each,
            assumed=(
                *left_out.get(each.lead_id, ()),
                *(() if alive else (CLOSED,)),
                *_unknown(project, each, bands.get(each.lead_id), ranked, as_of),
            ),
        )
        for each, alive in zip(scored.answers(), live.tolist(), strict=True)
    }


def _unknown(
    project: Project, answer: LeadScore, band: str | None, ranked: RankedLeads | None, as_of: int
) -> list[str]:
    """Say what only a night knows of other leads and of the night before."""
    notes: list[str] = []
    if answer.band is not None and band is None and project.score.hysteresis > 0:
        notes.append(NO_BAND)
    if answer.withheld is not None:
        return notes
    if ranked is None:
        notes.append(NO_RANK)
    elif ranked.as_of != as_of:
        among = f"{len(ranked.margins):,} leads scored as of {show(ranked.as_of)}"
        notes.append(f"percentile among the {among}")
    return notes


def say_left_out(project: Project, columns: Collection[str], sent: Collection[str]) -> list[str]:
    """Say what was not sent of a lead and how it counts then, a sentence each.

    `columns` are those of its row; `sent` names its other tables: "events.0", "history.0",
    "join.0", "join.0.history.0".
    """
    absent = [n for n in (*project.leads.fixed, *project.leads.known_at) if n not in columns]
    notes = [f"not sent, so missing: {', '.join(absent)}"] if absent else []
    strange = [
        name for name in columns if isinstance(name, str) and name not in project.leads.fixed
    ]
    notes += [
        f"{near!r} was sent and is not used: is {name} meant?"
        for name in absent
        for near in difflib.get_close_matches(name, strange, 1, cutoff=0.8)
    ]
    words = {f"events.{i}": "as if there were none" for i in range(len(project.events))}
    for i, join in enumerate(project.leads.join):
        words[f"join.{i}"] = "what it says counts as missing"
        words |= {
            f"join.{i}.history.{j}": "as if nothing had changed" for j in range(len(join.history))
        }
    words |= {
        f"history.{i}": "as if no field had changed" for i in range(len(project.leads.history))
    }
    return notes + [
        f"{name} was not sent: {meaning}" for name, meaning in words.items() if name not in sent
    ]


def refuse_without_account(project: Project, columns: Collection[str]) -> None:
    """Refuse a lead whose arm, and so whether its score is held back, can't be known."""
    column, section = project.leads.account, project.experiment
    declared = bool(section.arms) or section.random_arm > 0
    if section.unit == "account" and declared and column is not None and column not in columns:
        raise InputError("is needed: the experiment gives whole accounts an arm", column=column)
