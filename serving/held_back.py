"""Leads whose score an experiment holds back: who they are, and in which order they stand.

An experiment compares leads worked by score with leads worked without one, so whoever works the
second kind must not see their scores: not in a list, a card, over HTTP, in the CRM or anywhere
else, and not by the place at which they stand.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.reading.values import moment
from data.schema import Project
from data.tables import Tables

Rows = NDArray[np.int64]
CONTROL: Final = "control"
RANDOM_ARM: Final = "random"


def holds_back(project: Project, at: int) -> bool:
    """Tell whether an experiment runs at a moment that holds scores back.

    One whose arms stand in a column (`experiment.arm`) was run elsewhere, or is over.
    """
    section = project.experiment
    if section.arm is not None or not (CONTROL in section.arms or section.random_arm > 0):
        return False
    return section.start is None or at >= moment(section.start, project, "experiment.start")


def held_arms(tables: Tables, lead: Rows, project: Project, at: int) -> NDArray[np.object_]:
    """Name the arm for which the score of each of these leads is held back, None for the others.

    Returns (n,). These are the arm called "control" and the permanent random arm.
    """
    held = np.full(len(lead), None, object)
    if holds_back(project, at):
        from serving.experiment_arms import units_of
        from serving.figures.experiment import assign

        units = units_of(tables, project)[lead]
        arms = assign(units, project.experiment, name=project.project.name)
        named = CONTROL if project.experiment.arms else None  # the random arm may stand alone
        kept = (arms == RANDOM_ARM) | (arms == named)
        held[kept] = arms[kept]
    return held


def order_of_list(
    ids: NDArray[np.str_],
    came: NDArray[np.float64],
    project: Project,
    *,
    held: NDArray[np.object_],
    rank: NDArray[np.float64],
) -> Rows:
    """Order the rows of a list: (n,) positions, first to work first; `came` grows with the date.

    Leads that show their score stand by `rank`, lowest first. Leads of an arm that is held back
    stand as they would without a score: newest first, or at random (`experiment.control`; always
    for the random arm). The queues are merged evenly, each in its share, so that the place of a
    lead says nothing of its score.
    """
    place = np.empty(len(ids))
    for arm in (None, CONTROL, RANDOM_ARM):
        rows = np.flatnonzero(held == arm)
        if not len(rows):
            continue
        if arm is None:
            keys = rank[rows]
        elif arm == CONTROL and project.experiment.control == "as before":
            keys = -came[rows]
        else:
            from serving.figures.experiment import draw

            keys = draw(ids[rows], project.experiment.salt, "order of the list")
        queue = rows[np.lexsort((ids[rows], keys))]
        place[queue] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((ids, rank if (held == None).all() else place))  # noqa: E711  # by element


def came_in_order(tables: Tables, lead: Rows) -> NDArray[np.float64]:
    """Give numbers that grow with the time at which leads came."""
    when = tables.order if tables.created_at is None else tables.created_at
    return np.zeros(len(lead)) if when is None else when[lead].astype(np.float64)
