"""The qualification of n leads: columns for lists and files, one card for a lead's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from serving.qualify.bant import QUESTIONS, Bant, Question
from serving.worklist.phrase import Phrase


@dataclass(frozen=True, slots=True)
class StageWords:
    """A stage as it is printed: its criteria in words and as written, content, next step."""

    name: str
    label: str
    criteria: tuple[Phrase, ...]
    texts: tuple[str, ...]
    content: tuple[str, ...] = ()
    next_step: str | None = None


@dataclass(frozen=True, slots=True)
class Criteria:
    """The shared definitions: `icp` (label, weight), `disqualify` (reason, rule as written)."""

    stages: tuple[StageWords, ...]
    icp: tuple[tuple[str, float], ...]
    disqualify: tuple[tuple[str, str], ...]
    levels: Mapping[str, tuple[str, ...]]
    definition: str


@dataclass(frozen=True, slots=True)
class BantAnswer:
    """One question of one lead: `value` None where not known, `known_at` None where undated."""

    question: Question
    value: str | None
    known_at: int | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A criterion of the next stage that does not hold, or is not known to."""

    phrase: Phrase
    unknown: bool


@dataclass(frozen=True, slots=True)
class LeadCard:
    """The qualification card of one lead.

    `rule` is the stated reason of the disqualification rule that took the lead out; it then has
    neither stage nor next step. `icp_match` is 0 to 100, None where nothing can be said.
    """

    lead_id: str
    stage: str | None
    next_stage: str | None
    rule: str | None
    rule_text: str | None
    answers: tuple[BantAnswer, ...]
    icp_match: float | None
    icp: tuple[tuple[str, bool | None, float], ...]
    missing: tuple[Missing, ...]
    content: tuple[str, ...]
    next_step: str | None
    levels: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Qualification:
    """Stage, rule, profile and answers of n leads; answers are 1 holds, 0 does not, -1 unknown.

    `stage` and `disqualified` are (n,) positions in `criteria`, -1 for none. `icp` is (n,) 0 to
    100; `icp_answers` (n, criteria); `stage_answers` one (n, clauses) for each stage.
    """

    lead_ids: NDArray[np.object_]
    as_of: Micros
    stage: NDArray[np.int16]
    disqualified: NDArray[np.int16]
    icp: NDArray[np.float64]
    icp_answers: NDArray[np.int8]
    levels: Mapping[str, NDArray[np.object_]]
    bant: Bant
    stage_answers: tuple[NDArray[np.int8], ...]
    criteria: Criteria

    def __len__(self) -> int:
        """Count the leads."""
        return len(self.lead_ids)

    @property
    def stage_names(self) -> NDArray[np.object_]:
        """Name the stage of each lead: (n,), None where there is none."""
        return np.array([*(stage.name for stage in self.criteria.stages), None], object)[self.stage]

    @property
    def rule_reasons(self) -> NDArray[np.object_]:
        """Name the stated reason of each disqualified lead: (n,), None for the others."""
        reasons = [reason for reason, _ in self.criteria.disqualify]
        return np.array([*reasons, None], dtype=object)[self.disqualified]

    def without_stage(self, rows: NDArray[np.bool_]) -> Qualification:
        """Take the stage, and so the next step, from leads that a rep disqualified: (n,) rows."""
        if not rows.any():
            return self
        return replace(self, stage=np.where(rows, -1, self.stage).astype(np.int16))

    def frame(self) -> pd.DataFrame:
        """Return one row per lead, for lists, files and the CRM."""
        columns: dict[str, object] = {
            "lead_id": self.lead_ids,
            "as_of": pd.to_datetime(self.as_of, unit="us", utc=True),
            "stage": self.stage_names,
            "rule": self.rule_reasons,
            "icp_match": self.icp,
            "n_bant_known": self.bant.n_known,
        }
        columns |= {question: self.bant.values[:, i] for i, question in enumerate(QUESTIONS)}
        columns |= {name: words for name, words in self.levels.items() if name not in columns}
        columns["missing"] = [
            "; ".join(str(gap.phrase) for gap in self._missing(row)) for row in range(len(self))
        ]
        columns["next_step"] = [self._next_step(row) for row in range(len(self))]
        return pd.DataFrame(columns)

    def counts(self) -> tuple[tuple[str, int], ...]:
        """Count the leads at each stage, lowest first."""
        return tuple(
            (stage.name, int((self.stage == i).sum()))
            for i, stage in enumerate(self.criteria.stages)
        )

    def counts_by_rule(self) -> tuple[tuple[str, int], ...]:
        """Count the leads that each disqualification rule took out."""
        return tuple(
            (reason, int((self.disqualified == i).sum()))
            for i, (reason, _) in enumerate(self.criteria.disqualify)
        )

    def card(self, row: int) -> LeadCard:
        """Return the qualification card of one lead."""
        rule = int(self.disqualified[row])
        stage, next_stage = int(self.stage[row]), self._next(row)
        stages = self.criteria.stages
        match = float(self.icp[row])
        return LeadCard(
            lead_id=str(self.lead_ids[row]),
            stage=stages[stage].name if stage >= 0 else None,
            next_stage=next_stage.name if next_stage is not None else None,
            rule=self.criteria.disqualify[rule][0] if rule >= 0 else None,
            rule_text=self.criteria.disqualify[rule][1] if rule >= 0 else None,
            answers=self._bant_answers(row),
            icp_match=None if np.isnan(match) else match / 100,
            icp=tuple(
                (label, None if answer == -1 else bool(answer), weight)
                for (label, weight), answer in zip(
                    self.criteria.icp, self.icp_answers[row], strict=True
                )
            ),
            missing=self._missing(row),
            content=stages[stage].content if stage >= 0 else (),
            next_step=self._next_step(row),
            levels={name: words[row] for name, words in self.levels.items()},
        )

    def _bant_answers(self, row: int) -> tuple[BantAnswer, ...]:
        return tuple(
            BantAnswer(
                question,
                self.bant.values[row, i],
                None if self.bant.since[row, i] == NEVER else int(self.bant.since[row, i]),
            )
            for i, question in enumerate(QUESTIONS)
            if question in self.bant.asked
        )

    def _next(self, row: int) -> StageWords | None:
        """Find the stage after the lead's own; None at the top and for the disqualified."""
        position = int(self.stage[row]) + 1
        if self.disqualified[row] >= 0 or position >= len(self.criteria.stages):
            return None
        return self.criteria.stages[position]

    def _missing(self, row: int) -> tuple[Missing, ...]:
        """List the criteria of the next stage that do not certainly hold."""
        next_stage = self._next(row)
        if next_stage is None:
            return ()
        answers = self.stage_answers[int(self.stage[row]) + 1][row]
        return tuple(
            Missing(phrase, bool(answer == -1))
            for phrase, answer in zip(next_stage.criteria, answers, strict=True)
            if answer != 1
        )

    def _next_step(self, row: int) -> str | None:
        stage = int(self.stage[row])
        return self.criteria.stages[stage].next_step if stage >= 0 else None
