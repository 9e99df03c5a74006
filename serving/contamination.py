"""Leads that an experiment works without scores, and whose score was seen all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import OutsideError
from data.schema import Project
from serving.exposure import Exposures
from serving.newest_scores import read_newest
from serving.writeback.ledger import Ledger
from serving.writeback.ledger_place import crm_name, ledger_place, open_ledger
from serving.writeback.payload import CLEARED
from training.state import StatePaths


@dataclass(frozen=True, slots=True)
class Contamination:
    """How far the arms were kept: counts of leads.

    `by_door` says where the scores of contaminated leads were seen: in kept runs ("scores"), in
    the report, in `explain`, over HTTP, in the CRM. A lead may have been seen at several doors.
    `still_in_crm` are scores that the CRM acknowledged and that are not cleared yet. `unseen` are
    leads worked by score whose score nobody was shown.
    """

    held_back: int
    contaminated: int
    by_door: Mapping[str, int]
    still_in_crm: int
    scored: int
    unseen: int

    @property
    def sentence(self) -> str | None:
        """Say it in one line; None where the arms were kept."""
        if not self.contaminated:
            return None
        doors = ", ".join(f"{door} {n:,}" for door, n in self.by_door.items())
        crm = f"; {self.still_in_crm:,} are in the CRM still" if self.still_in_crm else ""
        return (
            f"{self.contaminated:,} of {self.held_back:,} leads that were to be worked without a "
            f"score are contaminated: their score was seen ({doors}){crm}"
        )


def count_contamination(
    state: StatePaths, project: Project, held: frozenset[str], scored: frozenset[str]
) -> Contamination:
    """Count the leads `held` back whose score was seen, and those `scored` whose was not."""
    doors: dict[str, set[str]] = {}
    for lead, door in _seen(state, project):
        doors.setdefault(door, set()).add(lead)
    in_crm = _in_crm(state, project)
    if in_crm:
        doors.setdefault("crm", set()).update(in_crm)
    everywhere = frozenset().union(*doors.values())
    by_door = {door: len(leads & held) for door, leads in sorted(doors.items()) if leads & held}
    return Contamination(
        len(held),
        len(everywhere & held),
        by_door,
        len(in_crm & held),
        len(scored),
        len(scored - everywhere),
    )


def _seen(state: StatePaths, project: Project) -> Iterator[tuple[str, str]]:
    """Yield (lead, door) of the log, and of the runs that were kept before the log began."""
    for each in Exposures.of(state, project).read():
        yield each.lead, each.door
    for path in sorted(state.runs.glob("*/scores.parquet")):
        table = read_newest(path, ["lead_id", "score"])
        if table is None:
            continue
        for lead in table.filter(pc.is_valid(table["score"]))["lead_id"].cast(pa.string()):
            yield lead.as_py(), "scores"


def _in_crm(state: StatePaths, project: Project) -> set[str]:
    """Read from the ledger whose score the CRM holds."""
    try:
        store = open_ledger(ledger_place(project, state.folder))
    except OutsideError:
        store = None
    if store is None:
        return set()
    with closing(store):
        ledger = Ledger(store, crm_name(project.write_back))
        last = ledger.last_acknowledged("", "\U0010ffff")
    return {lead for lead, each in last.items() if each.hash != CLEARED}
