"""One lead's events -> its row, in microseconds: the batch's kernel with everything made ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, SECOND
from data.tables import Events
from features import walk
from features.frame import Catalogue
from features.plan import CODE_TEMPLATES, Plan, compile_plan

_LEAD = np.zeros(1, np.int64)
_CALENDAR: dict[str, Callable[[datetime], int]] = {
    "created_month": lambda when: when.month,
    "created_weekday": lambda when: when.weekday(),
    "created_hour": lambda when: when.hour,
}


@dataclass(frozen=True, slots=True)
class Row:
    """Event, age and calendar columns of one lead; columns of other kinds are NaN.

    `numbers` is (n_numbers,) float32 in the catalogue's order; `texts` holds first and last
    channel and first and last event by template name, None for none.
    """

    numbers: NDArray[np.float32]
    texts: dict[str, str | None]


class SingleLead:
    """Builds rows of single leads for one catalogue and one set of code names."""

    def __init__(self, catalogue: Catalogue, names: Events, *, timezone: str = "UTC") -> None:
        """Compile once; of `names` only the dictionaries are used, its codes are the events'."""
        self.plan: Plan = compile_plan(catalogue)
        self.program = self.plan.program(names)
        self.width = len(catalogue.numbers)
        self.zone = ZoneInfo(timezone)
        self.age = [i for i, f in enumerate(catalogue.numbers) if f.template == "age_days"]
        self.calendar = [
            (i, _CALENDAR[f.template])
            for i, f in enumerate(catalogue.numbers)
            if f.template in _CALENDAR
        ]
        self.names = {
            template: names.channel_names if "channel" in template else names.type_names
            for template in CODE_TEMPLATES
        }

    def row(self, events: Events, as_of: int, created_at: int) -> Row:
        """Build the row of the one lead whose events these are, as known before `as_of`."""
        out = np.empty((1, self.width), np.float32)
        codes = np.empty((1, 4 if self.plan.codes else 0), np.int32)
        walk.fill(
            self.program, self.plan.columns(events), events.offsets, _LEAD,
            np.array([as_of], np.int64), 0, 1, np.array([created_at], np.int64), out, codes,
        )  # fmt: skip
        for column in self.age:
            out[0, column] = (as_of - created_at) / DAY
        if self.calendar:
            when = datetime.fromtimestamp(created_at / SECOND, self.zone)
            for column, part in self.calendar:
                out[0, column] = part(when)
        found = codes[0].tolist() if self.plan.codes else [-1] * 4
        texts = {
            template: self.names[template][code] if code >= 0 else None
            for template, code in zip(CODE_TEMPLATES, found, strict=True)
        }
        return Row(out[0], texts)
