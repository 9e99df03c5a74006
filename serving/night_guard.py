"""Tonight's scores, before they are written -> let through, or stopped with the cause."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from data.clock import iso
from data.errors import GateError
from serving.guard_record import GuardRecord
from serving.loaded_model import LoadedModel
from serving.session import Session
from training.watch.breach import Breach
from training.watch.night_checks import check_night
from training.watch.night_profile import NightProfile


class StoppedNight(GateError):  # noqa: N818
    """The guard stops a night, and nobody has accepted what it found; the command may accept it."""

    def __init__(self, breaches: tuple[Breach, ...], *, command: str = "score") -> None:
        self.breaches = breaches
        first, more = breaches[0], len(breaches) - 1
        others = f" (and {more} more: {breaches[1].cause})" if more else ""
        super().__init__(
            f"nothing was written: {first.cause}{others}",
            cure=f"{first.cure}; or look at it and run leadscore {command} --accept",
        )


def guard_night(
    session: Session,
    model: LoadedModel,
    tonight: NightProfile,
    *,
    as_of_given: bool = True,
    own_sources: bool = True,
    accept: bool = False,
    record_it: bool = True,
) -> list[str]:
    """Compare tonight with the last good night and record it: what was accepted, in words.

    StoppedNight, with nothing but the breach recorded, where something is wrong that nobody
    accepted; `accept` goes on all the same. What was accepted once stays accepted for the same
    data. Without `record_it` nothing is written.
    """
    folder = session.state.folder
    record = GuardRecord.read(folder)
    declared = as_of_given or session.project.project.observed_until is not None
    before = last_night(record, model)
    breaches: list[Breach] = []
    if before is not None:
        breaches = check_night(tonight, before, declared_end=declared, own_sources=own_sources)
    mark = fingerprint(tonight)
    known = any(entry.get("data") == mark for entry in record.accepted)
    words = [breach.cause for breach in breaches]
    entry = {"at": iso(tonight.scored_at), "data": mark, "breaches": words}
    if breaches and not (accept or known):
        if record_it:
            replace(record, stopped=entry).write(folder)
        raise StoppedNight(tuple(breaches))
    if breaches and not known:
        record = replace(record, accepted=(*record.accepted, entry))
    newer = record.night is None or before is None or tonight.as_of >= before.as_of
    keep = own_sources and newer
    night = tonight.to_dict() if keep else record.night
    if record_it:
        replace(record, night=night, stopped=None).write(folder)
    return words


def last_night(record: GuardRecord, model: LoadedModel) -> NightProfile | None:
    """Find what tonight is compared with: the last good night, else the training data."""
    if record.night is not None:
        try:
            return NightProfile.from_dict(record.night)
        except (KeyError, TypeError, ValueError):
            return None
    return None if model.watch is None else model.watch.night


def fingerprint(night: NightProfile) -> str:
    """Name the data of a night: sources and moment, so that an acceptance holds for these alone."""
    sources = [(feed.name, feed.total, feed.newest) for feed in night.feeds]
    text = json.dumps([night.as_of, sources])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
