"""Files nobody has described -> which one holds leads, and which column is what, by guess."""

from __future__ import annotations

import re
from typing import Final

from data.errors import InputError
from data.looks import ColumnLook, FileLook, overlap

_LEADS: Final = r"lead|mql|prospect|applic|enquir|inquir|contact|customer|client"
DEALS: Final = r"deal|opportunit|won|closed|order|contract|sale"
_CREATED: Final = r"creat|regist|reg_|first|start|submit|signup|inquir|date_in|opened"
_LABEL: Final = r"^y$|conver[ts]|won|target|label|success|outcome|subscribed|is_customer"


def find_leads(looks: list[FileLook]) -> tuple[FileLook, ColumnLook]:
    """Find the table with one row per lead and its id column."""
    best: tuple[float, FileLook, ColumnLook] | None = None
    for look in looks:
        for column in look.columns.values():
            if not column.unique or column.kind not in ("text", "number"):
                continue
            points = 2.0 * bool(re.search(_LEADS, look.stem)) - 2.0 * bool(
                re.search(DEALS, look.stem)
            )
            points += 1.5 * bool(
                re.search(r"(^|_|\s)(id|number|key)$|^id|^case$", column.name.lower())
            )
            points += sum(_refers(other, column) for other in looks if other is not look)
            points += 0.001 * column.distinct / max(1, max(x.rows for x in looks))
            if best is None or points > best[0]:
                best = (points, look, column)
    if best is None:
        look = max(looks, key=lambda x: find_flag(x) is not None)
        if find_flag(look) is None:
            raise InputError(
                "no file has a column that is different in every row, so none holds leads",
                file=", ".join(x.path.name for x in looks),
            )
        return look, ColumnLook(
            "#row", "number", 1.0, look.rows, True, look.of_kind("flag")[0].values
        )
    return best[1], best[2]


def _refers(look: FileLook, ids: ColumnLook) -> float:
    """Say how much a file speaks of these ids; more if it repeats them."""
    column = lead_column(look, ids)
    return 0.0 if column is None else 1.0 if column.unique else 2.0


def lead_column(look: FileLook, ids: ColumnLook) -> ColumnLook | None:
    """Find the column of a file that holds lead ids."""
    shares = [(overlap(c, ids), c.name == ids.name, c) for c in look.of_kind("text", "number")]
    fitting = [(same, share, c) for share, same, c in shares if share > 0.5]
    fitting = [
        (same, share, c) for same, share, c in fitting if same or c.distinct > 20 or c.unique
    ]
    if not fitting:
        return None
    return max(fitting, key=lambda item: (item[0], item[1], item[2].distinct))[2]


def named(columns: list[ColumnLook], pattern: str) -> ColumnLook | None:
    """Find the first column whose name fits."""
    return next((c for c in columns if re.search(pattern, c.name.lower())), None)


def find_created(leads: FileLook) -> ColumnLook | None:
    """Find the time of creation: filled in every row, best by name."""
    full = [c for c in leads.of_kind("time") if c.filled == 1.0]
    return named(full, _CREATED) or (full[0] if full else None)


def find_flag(leads: FileLook) -> ColumnLook | None:
    """Find a yes/no column that may be the outcome."""
    flags = leads.of_kind("flag")
    return named(flags, _LABEL) or (flags[-1] if len(flags) == 1 else None)
