"""Open leads far older than any snapshot that training saw -> one line of warning."""

from __future__ import annotations

from data.clock import Micros
from data.durations import DAY
from data.labels import TOO_OLD, TOO_OLD_SHARE
from data.schema import Project
from data.tables import Snapshots
from features.catalogue import oldest_age


def count_older(project: Project, created: Micros | None, snapshots: Snapshots) -> int:
    """Count open leads far older than what the model learned from; 0 where they are few.

    A model trained on leads up to 60 days old scores a lead of 700 days as if it were 60 days old:
    too high, as most leads that convert have done so by then. `created` is Tables.created_at.
    """
    older = count_far_older(project, created, snapshots)
    return older if older > TOO_OLD_SHARE * len(snapshots) else 0


def count_far_older(project: Project, created: Micros | None, snapshots: Snapshots) -> int:
    """Count open leads far older than what the model learned from, however few."""
    oldest = oldest_age(project)
    if oldest is None or created is None:
        return 0
    return int((snapshots.as_of - created[snapshots.lead] > TOO_OLD * oldest).sum())


def say_older(project: Project, created: Micros | None, snapshots: Snapshots) -> str | None:
    """Warn of leads far older than in training, with the cure; None where they are few."""
    return word_older(project, count_far_older(project, created, snapshots), len(snapshots))


def word_older(project: Project, older: int, n: int) -> str | None:
    """Warn of so many leads of `n`; None where they are few."""
    oldest = oldest_age(project)
    if oldest is None or older <= TOO_OLD_SHARE * n:
        return None
    if project.leads.converted is not None:  # no age can be chosen: a row is a lead when created
        return (
            f"{older:,} of {n:,} open leads are scored as on the day of their "
            "creation, as a flag does not say when leads convert: their scores are too high if "
            "old leads convert less; set disqualified_at for leads that are over, or give "
            "leads.converted_at instead of the flag"
        )
    return (
        f"{older:,} of {n:,} open leads are more than twice as old as the oldest "
        f"snapshot ({oldest / DAY:g} days): the model never saw such leads, their scores are too "
        "high if old leads convert less; add older ages to conversion.snapshots, and set "
        "disqualified_at for leads that are over"
    )
