"""When a scoring run is made, and as of which moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunMoment:
    """What all scores of a run share; times in microseconds UTC.

    `as_of_given` tells whether somebody named the moment, `own_sources` whether the project's own
    sources were read: the guard asks less of what was chosen by hand.
    """

    as_of: int
    scored_at: int
    run_id: str = ""
    as_of_given: bool = True
    own_sources: bool = True
