"""Open leads far older than any snapshot that training saw -> one line of warning."""

from __future__ import annotations

from typing import Final

from data.clock import DAY, Micros
from data.schema import Project
from data.tables import Snapshots
from features.catalogue import oldest_age

FACTOR: Final = 2
"""Times the oldest snapshot age from which a score is called extrapolated."""
MANY: Final = 0.1
"""Share of open leads from which it is worth a line."""


def count_older(project: Project, created: Micros | None, snapshots: Snapshots) -> int:
    """Count open leads far older than what the model learned from; 0 where they are few.

    A model that saw leads up to an age of 60 days says of one of 700 days what it would say of one
    of 60: too much, as most that convert have long done so. `created` is Tables.created_at.
    """
    oldest = oldest_age(project)
    if oldest is None or created is None or not len(snapshots):
        return 0
    age = snapshots.as_of - created[snapshots.lead]
    older = int((age > FACTOR * oldest).sum())
    return older if older > MANY * len(snapshots) else 0


def say_older(project: Project, created: Micros | None, snapshots: Snapshots) -> str | None:
    """Warn of such leads and say what to do; None where they are few."""
    oldest, older = oldest_age(project), count_older(project, created, snapshots)
    if oldest is None or not older:
        return None
    return (
        f"{older:,} of {len(snapshots):,} open leads are more than twice as old as the oldest "
        f"snapshot ({oldest / DAY:g} days): the model never saw such leads, their scores are too "
        "high if old leads convert less; add older ages to conversion.snapshots, and set "
        "disqualified_at for leads that are over"
    )
