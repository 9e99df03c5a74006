"""Faults of exports and of the world, as changes of a simulated company's tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from benchmarks.monitor_world import Company, Wish
from data.clock import DAY, HOUR


@dataclass(frozen=True)
class Fault:
    """A fault and the words that its first line must hold.

    `wish` changes the world itself from the day on, `export` what an export at `as_of` holds.
    `weeks` is how long it may take.
    """

    words: tuple[str, ...]
    wish: Wish | None = None
    weeks: int = 4


def spoil(name: str, company: Company, day: int, as_of: int, rng: np.random.Generator) -> Company:
    """Give the export of `as_of` with the fault of that name, which began on `day`."""
    export = company.until(as_of)
    leads, web, mail = export.leads, export.web, export.mail
    new = leads["created"] >= day
    if name == "unit change":
        leads = leads.assign(size=leads["size"].where(~new, leads["size"] * 1000))
    elif name in ("level renamed", "level renamed in part"):
        share = 1.0 if name == "level renamed" else 0.6
        hit = new & (leads["source"] == "search") & (rng.random(len(leads)) < share)
        leads = leads.assign(source=leads["source"].where(~hit, "Search engine"))
    elif name == "level renamed in all leads":
        leads = leads.assign(source=leads["source"].replace("search", "Search engine"))
    elif name == "source dropped":
        web = web[web["at"] < day]
    elif name == "events late":
        late = web["recorded"].where(web["at"] < day, web["recorded"] + 4 * DAY)
        web = web.assign(recorded=late)
        web = web[web["recorded"] < as_of]
    elif name == "stuck pipeline":
        export = company.until(day)
        leads, web, mail = export.leads, export.web, export.mail
    elif name == "truncated extract":
        web = web.iloc[: len(web) // 3]
        mail = mail.iloc[: len(mail) // 3]
    elif name == "yesterday's file":
        export = company.until(as_of - DAY)
        leads, web, mail = export.leads, export.web, export.mail
    elif name == "events twice":
        web = type(web)(np.repeat(web.to_numpy(object), 2, axis=0), columns=web.columns)
        web = web.astype(export.web.dtypes.to_dict())
    elif name == "clock of all events":
        web = web.assign(at=web["at"] + 9 * HOUR, recorded=web["recorded"] + 9 * HOUR)
    elif name == "duplicated leads":
        twice = leads[new & (rng.random(len(leads)) < 0.3)]
        twice = twice.assign(converted=np.iinfo(np.int64).max)
        twice.index = twice.index + "b"
        leads = type(leads)(np.concatenate([leads, twice]), columns=leads.columns).set_axis(
            [*leads.index, *twice.index]
        )
        leads = leads.astype(export.leads.dtypes.to_dict())
        leads.index.name = "lead"
    elif name == "time-zone shift":
        shift = 5 * HOUR
        web = web.assign(at=web["at"].where(web["at"] < day, web["at"] + shift))
        web = web.assign(recorded=web["recorded"].where(web["at"] < day, web["recorded"] + shift))
        web = web[web["recorded"] < as_of]
    elif name == "owner field emptied":
        leads = leads.assign(owner=leads["owner"].where(~new, None))
    return replace(export, leads=leads, web=web, mail=mail)


FAULTS: Final[Mapping[str, Fault]] = {
    "unit change": Fault(("column size", "unit")),
    "level renamed": Fault(("column source", "'search' is now called 'Search engine'")),
    "level renamed in part": Fault(("column source", "'Search engine'")),
    "level renamed in all leads": Fault(("column source", "Search engine")),
    "source dropped": Fault(("web is silent",)),
    "events late": Fault(("web",)),
    "stuck pipeline": Fault(("stuck",)),
    "truncated extract": Fault(("extract is cut",), weeks=1),
    "yesterday's file": Fault(("yesterday's file",), weeks=1),
    "events twice": Fault(("each row is there 2 times",), weeks=1),
    "clock of all events": Fault(("its clock moved by +9 hours",), weeks=1),
    "base rate down": Fault(("conversions fell",), Wish(0, 0.5, "all"), weeks=8),
    "base rate up": Fault(("conversions rose",), Wish(0, 2.0, "all"), weeks=8),
    "concept drift": Fault(("no longer tell",), Wish(0, 1.0, "all", -1.0), weeks=16),
    "duplicated leads": Fault(("twice",)),
    "time-zone shift": Fault(("clock moved",)),
    "owner field emptied": Fault(("column owner is emptied",)),
}
