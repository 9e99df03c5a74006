"""The moment up to which the sources are taken to be complete -> words, beside the clock."""

from __future__ import annotations

from data.clock import DAY, show
from data.tables import Tables


def say_ahead(tables: Tables, now: int) -> str | None:
    """Say that the end of observation lies more than a day ahead of the clock; None if not."""
    ahead = tables.observed_until - now
    if tables.created_at is None or ahead <= DAY:
        return None
    return (
        f"the end of observation, {show(tables.observed_until)[:10]}, lies {ahead // DAY:,} days "
        "ahead of the clock: a date in the sources is wrong (`check` names it), or set "
        "project.observed_until"
    )
