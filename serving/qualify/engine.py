"""The [qualification] section and facts as of a moment -> stage, ICP, BANT, rule and next step.

Disqualification rules come first (taken_out.py) and may not use the score: they are the company's.
Then come the ideal-customer profile, the named levels, and the stages, lowest first: a lead is at
the highest stage whose criteria all certainly hold. What is unknown never counts as met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import InputError
from data.rules.expressions import Expression, parse
from data.schema import Project
from data.tables import Snapshots, Tables
from features.build import build
from features.catalogue import make_catalogue
from features.frame import FeatureFrame
from serving.qualify.criterion_words import word_criterion
from serving.qualify.result import Criteria, Qualification, StageWords
from serving.qualify.rule_facts import PAST, SCORED, RuleFacts, with_types_counted
from serving.qualify.taken_out import take_out


@dataclass(frozen=True, slots=True)
class QualificationRules:
    """The parsed [qualification] section; `labels` are words for event types and columns."""

    project: Project
    stages: tuple[tuple[Expression, ...], ...]
    icp: tuple[Expression, ...]
    disqualify: tuple[Expression, ...]
    levels: Mapping[str, tuple[tuple[str, Expression], ...]]
    labels: Mapping[str, str]

    def names(self) -> frozenset[str]:
        """Name every fact that any rule reads."""
        clauses = [clause for stage in self.stages for clause in stage]
        steps = [rule for level in self.levels.values() for _, rule in level]
        rules = [*clauses, *self.icp, *self.disqualify, *steps]
        return frozenset().union(*(rule.names for rule in rules))


def compile_rules(project: Project) -> QualificationRules:
    """Parse every rule of the project; InputError names the key and the position."""
    section = project.qualification
    labels = {
        name: words if isinstance(words, str) else words.get("en", name)
        for name, words in project.report.labels.items()
    }
    rules = QualificationRules(
        project,
        tuple(
            _clauses(parse(stage.when, where=f"qualification.stages[{i}].when ({stage.name})"))
            for i, stage in enumerate(section.stages)
        ),
        tuple(
            parse(criterion.when, where=f"qualification.icp[{i}].when")
            for i, criterion in enumerate(section.icp)
        ),
        tuple(
            parse(rule.when, where=f"qualification.disqualify[{i}].when ({rule.reason})")
            for i, rule in enumerate(section.disqualify)
        ),
        {
            name: tuple(
                (word, parse(text, where=f"qualification.levels.{name}.{word}"))
                for word, text in steps.items()
            )
            for name, steps in section.levels.items()
        },
        labels,
    )
    for rule, permanent in zip(rules.disqualify, section.disqualify, strict=True):
        used = rule.names & set(SCORED)
        if used:
            raise InputError(
                f"a disqualification rule may not use {min(used)!r}: rules come before the model",
                file=rule.where,
                cure="use attributes, events and answers",
            )
        past = rule.names & set(PAST)
        if past and project.conversion.reopens and not permanent.permanent:
            raise InputError(
                f"the rule reads {min(past)!r}, of an earlier episode, and ends with that episode",
                file=rule.where,
                cure="add permanent = true: it then holds for good",
            )
    return rules


def _clauses(rule: Expression) -> tuple[Expression, ...]:
    """Split a stage's criteria; a plain `true` asks for nothing."""
    return tuple(clause for clause in rule.clauses() if clause.tree.value is not True)


def qualify(
    tables: Tables,
    snapshots: Snapshots,
    project: Project,
    *,
    features: FeatureFrame | None = None,
    scored: Mapping[str, object] | pd.DataFrame | None = None,
    rules: QualificationRules | None = None,
) -> Qualification:
    """Qualify every snapshot: row i of the result is snapshot i.

    `features` (row for row with `snapshots`) and `scored` (score, band, probability, percentile)
    are needed only where rules name their columns. InputError where a rule names no fact.
    """
    rules = compile_rules(project) if rules is None else rules
    facts = RuleFacts(tables, snapshots, project, features=features, scored=scored)
    n = len(snapshots)
    catalogue = None if features is None else features.catalogue
    disqualified = take_out(rules.disqualify, facts, catalogue)
    icp, icp_answers, levels, answers = _judge(rules, facts, n)
    return Qualification(
        lead_ids=tables.lead_ids[snapshots.lead],
        as_of=snapshots.as_of,
        stage=np.where(disqualified >= 0, -1, _highest(answers, n)).astype(np.int16),
        disqualified=disqualified,
        icp=icp,
        icp_answers=icp_answers,
        levels=levels,
        bant=facts.bant,
        stage_answers=answers,
        criteria=describe_rules(rules),
    )


def refuse_unknown_facts(tables: Tables, project: Project) -> None:
    """Refuse rules that scoring would refuse, before a model is trained: they judge no lead here.

    InputError where a rule names no fact.
    """
    rules = compile_rules(project)
    if not rules.names():
        return
    counted = with_types_counted(tables, project, rules.names())
    nobody = Snapshots(np.zeros(0, np.int64), np.zeros(0, np.int64))
    features = build(counted, nobody, make_catalogue(counted, project))
    scored = pd.DataFrame({name: np.zeros(0) for name in SCORED}).astype({"band": str})
    qualify(counted, nobody, project, features=features, scored=scored, rules=rules)


def stages_from(rules: QualificationRules, facts: LaidOutFacts, n: int) -> NDArray[np.object_]:
    """Name the stage of each of n leads from facts laid out as columns: (n,), None for none."""
    answers = _judge(rules, facts, n)[3]
    names = [stage.name for stage in rules.project.qualification.stages]
    return np.array([*names, None], object)[_highest(answers, n)]


class LaidOutFacts(dict[str, object]):
    """Facts of n leads that were computed before: `facts[name]` is (n,)."""

    def add(self, name: str, values: object) -> None:
        """Add a fact."""
        self[name] = values


def _judge(
    rules: QualificationRules, facts: RuleFacts | LaidOutFacts, n: int
) -> tuple[
    NDArray[np.float64],
    NDArray[np.int8],
    dict[str, NDArray[np.object_]],
    tuple[NDArray[np.int8], ...],
]:
    """Judge profile, levels and stages: (match, its answers, levels, answers of each stage)."""
    icp_answers = _answers(rules.icp, facts, n)
    weights = np.array([each.weight for each in rules.project.qualification.icp])
    icp = match_profile(icp_answers, weights)
    facts.add("icp", icp)
    levels = _levels(rules, facts, n)
    return icp, icp_answers, levels, tuple(_answers(stage, facts, n) for stage in rules.stages)


def match_profile(answers: NDArray[np.int8], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh the criteria that are met: 0 to 100, (n,); NaN where nothing can be said.

    A criterion whose facts are unknown counts half its weight: neither for nor against.
    Negative weights count against, and the sum is clipped to 0..100.
    """
    total = float(weights[weights > 0].sum())
    if total == 0:
        return np.full(len(answers), np.nan)
    credit = np.where(
        answers == 1, 1.0, np.where(answers == -1, np.where(weights > 0, 0.5, 0.0), 0.0)
    )
    match = np.clip(100 * (credit @ weights) / total, 0, 100)
    return np.where((answers == -1).all(axis=1), np.nan, match)


def describe_rules(rules: QualificationRules) -> Criteria:
    """Word the definitions that marketing and sales share, for printing."""
    section = rules.project.qualification
    stages = tuple(
        StageWords(
            name=stage.name,
            label=stage.label or stage.name,
            criteria=tuple(word_criterion(clause, rules.labels) for clause in clauses),
            texts=tuple(clause.text for clause in clauses),
            content=stage.content,
            next_step=stage.next_step,
        )
        for stage, clauses in zip(section.stages, rules.stages, strict=True)
    )
    return Criteria(
        stages=stages,
        icp=tuple(
            (criterion.label or str(word_criterion(rule, rules.labels)), criterion.weight)
            for criterion, rule in zip(section.icp, rules.icp, strict=True)
        ),
        disqualify=tuple((rule.reason, rule.when) for rule in section.disqualify),
        levels={name: tuple(steps) for name, steps in section.levels.items()},
        definition=section.definition or "",
    )


def _answers(
    rules: tuple[Expression, ...], facts: RuleFacts | LaidOutFacts, n: int
) -> NDArray[np.int8]:
    """Answer every rule for every row: (n, n_rules), 1 holds, 0 does not, -1 unknown."""
    answers = np.zeros((n, len(rules)), dtype=np.int8)
    for position, rule in enumerate(rules):
        holds, known = rule.evaluate(facts, n)
        answers[:, position] = np.where(holds, 1, np.where(known, 0, -1))
    return answers


def _first_holding(
    rules: tuple[Expression, ...], facts: RuleFacts | LaidOutFacts, n: int
) -> NDArray[np.int16]:
    """Find the first rule that certainly holds: (n,), -1 where none does."""
    answers = _answers(rules, facts, n) == 1
    if not len(rules):
        return np.full(n, -1, dtype=np.int16)
    return np.where(answers.any(axis=1), answers.argmax(axis=1), -1).astype(np.int16)


def _levels(
    rules: QualificationRules, facts: RuleFacts | LaidOutFacts, n: int
) -> dict[str, NDArray[np.object_]]:
    """Name the first step of each level whose rule holds: (n,) words, None where none does."""
    levels: dict[str, NDArray[np.object_]] = {}
    for name, steps in rules.levels.items():
        first = _first_holding(tuple(rule for _, rule in steps), facts, n)
        words = np.array([*(word for word, _ in steps), None], dtype=object)
        levels[name] = words[first]
        facts.add(name, levels[name])
    return levels


def _highest(answers: tuple[NDArray[np.int8], ...], n: int) -> NDArray[np.int16]:
    """Find the highest stage whose criteria all hold: (n,), -1 where none does."""
    stage = np.full(n, -1, dtype=np.int16)
    for position, answer in enumerate(answers):
        stage[(answer == 1).all(axis=1)] = position
    return stage
