"""A project file -> the rule that it gives in points, which scores while nothing is learned."""

from __future__ import annotations

import numpy as np

from data.schema import Project
from data.tables import Tables
from models.fit.encoders import describe, read_columns
from models.fit.rule_points import SHARED, RulePoints, make_rule
from training.dataset import Dataset


def points_of(project: Project) -> RulePoints:
    """Give the points of the project file, the defaults where it says nothing."""
    section = project.qualification
    answers = tuple(column for column in section.bant.model_dump().values() if column)
    profile = tuple((criterion.when, criterion.weight) for criterion in section.icp)
    rate = project.conversion.expected_rate
    return RulePoints(section.weights or {}, answers, profile, rate)


def stated_rule(project: Project) -> RulePoints | None:
    """Give the rule that what is learned begins from; None where the project file states none."""
    said = project.qualification.weights, project.conversion.expected_rate
    return None if said == (None, None) else points_of(project)


def names_of_points(tables: Tables) -> set[str]:
    """Name what can be given points: what all leads share, and every type of event."""
    return {*SHARED, *map(str, tables.events.type_names)}


def has_rule(project: Project, dataset: Dataset) -> bool:
    """Tell whether any column of these leads is given points."""
    frame = dataset.frame.take(np.zeros(1, np.int64)).to_pandas()
    columns = read_columns(frame, describe(frame, dataset.frame.catalogue))
    return bool(make_rule(points_of(project), columns).terms)
