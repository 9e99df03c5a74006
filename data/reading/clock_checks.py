"""Read columns -> errors for dates that cannot be right, notes where only a few are odd."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER, Micros, show
from data.errors import InputError
from data.reading.cures import quoted, where_line
from data.reading.event_columns import EventRows
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable

MAX_EARLY_LABELS = 0.01
MAX_EARLY_EVENTS = 0.5
REFUSED_AHEAD: Final = 366 * DAY
NOTED_AHEAD: Final = 30 * DAY
"""How far the last timestamp may lie after all others."""
_USUAL: Final = 0.999
_FEWEST_TIMES: Final = 20
_BEFORE: Final = 1_000
_PAUSES: Final = 3
"""Times the longest pause among the timestamps before from which a pause is odd."""


def check_clocks(
    raw: RawTable,
    job: ReadJob,
    order: NDArray[np.int64],
    created: Micros,
    converted: Micros,
    disqualified: Micros,
    sources: list[EventRows],
) -> None:
    """Compare the clocks of leads, outcomes and events.

    More than 1 % of outcomes before their lead's creation, or more than half of a source's events,
    is an error; fewer are noted.
    """
    for at, word in ((converted, "converts"), (disqualified, "is disqualified")):
        early = (at < created) & (at != NEVER)
        count, known = int(early.sum()), int((at != NEVER).sum())
        lead = int(early.argmax()) if count else 0
        cause = partial(_early, word, show(int(at[lead])))
        if count > max(1, MAX_EARLY_LABELS * known) and not job.lenient:
            raise raw.mistake(
                cause(count, known),
                int(order[lead]),
                job.project.leads.created_at or "",
                _cure_of_early(raw, job, order, early),
            )
        job.notes.count(
            word, partial(_early_noted, raw.place(int(order[lead])), cause), count, known
        )
    for i, rows in enumerate(sources):
        early_events = int((rows.at < created[rows.lead]).sum())
        if early_events > MAX_EARLY_EVENTS * len(rows.at) and not job.lenient:
            raise InputError(
                f"{early_events:,} of {len(rows.at):,} events lie before their lead's creation",
                file=f"events.{i}",
                column=rows.section.at,
                cure="check time zone and date_format of both tables",
            )
        job.notes.count(f"events.{i}: early", partial(_early_events, i), early_events)


def _early(word: str, moment: str, count: int, known: int) -> str:
    return f"lead {word} before it is created ({moment}; {count:,} of {known:,})"


def _early_noted(
    place: tuple[str, int], cause: Callable[[int, int], str], count: int, known: int
) -> str:
    file, line = place
    return f"{file}, row {line}: {cause(count, known)}; such leads have no snapshot"


def _early_events(source: int, count: int) -> str:
    return f"events.{source}: {count:,} events lie before their lead's creation; kept"


def _cure_of_early(
    raw: RawTable, job: ReadJob, order: NDArray[np.int64], early: NDArray[np.bool_]
) -> str:
    """Name the filter that leaves such leads out, after what is to be looked at first."""
    leads = job.project.leads
    cure = "correct the dates, or check time zone and date_format"
    out = np.zeros(len(raw), bool)
    out[order[early]] = True
    rules = []
    is_iso = raw.date_format is None and job.project.project.date_format is None
    for ended in (leads.converted_at, leads.disqualified_at):
        if ended and leads.created_at and is_iso:  # other spellings do not sort as the dates do
            at, created = quoted(ended), quoted(leads.created_at)
            rules.append(f"({at} >= {created} or {at} is missing)")
    line = where_line(raw, out, rules, id_column=leads.id, missing=job.missing)
    return f"{cure}; or leave such leads out: {line}" if line else cure


def check_future(times: list[Micros], file: str, job: ReadJob) -> int:
    """Find the last timestamp, which ends the observation, and doubt one far from all others.

    More than a year after the newest but one in a thousand it is refused; it is noted from 30 days
    on where no such pause was in the last thousand timestamps before.
    """
    known = [at[at != NEVER] for at in times]
    every = np.concatenate(
        [at if len(at) <= 1_000_000 else at[:: len(at) // 1_000_000] for at in known]
    )
    if not len(every):
        raise InputError("holds no timestamp", file=file)
    last = max(int(at.max()) for at in known if len(at))
    if len(every) < _FEWEST_TIMES:
        return last
    place = int(_USUAL * (len(every) - 1))
    ordered = np.partition(every, [max(0, place - _BEFORE), place])
    usual = int(ordered[place])
    ahead = last - usual
    if ahead <= NOTED_AHEAD:
        return last
    before = np.sort(ordered[max(0, place - _BEFORE) : place + 1])
    pause = int(np.diff(before).max(initial=0))
    found = next((p for p in job.notes.latest if p[0] == last), None)
    name, line, column = (file, None, "project.observed_until") if found is None else found[1:]
    cause = f"the last timestamp {show(last)} lies {ahead // DAY:,} days after all others"
    cure = "correct it, or declare project.observed_until"
    if ahead > REFUSED_AHEAD:
        raise InputError(f"{cause} ({show(usual)})", file=name, row=line, column=column, cure=cure)
    if ahead > _PAUSES * pause:
        said = InputError(
            f"{cause} ({show(usual)}) and is taken for the end of observation",
            file=name,
            row=line,
            column=column,
            cure=cure,
        )
        job.notes.count("far ahead", lambda _: str(said), 1)
    return last
