"""Files of events -> the column with their length or size, and its unit by event type."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from data.sketch.guess import ExportGuess
from data.sketch.looks import ColumnLook, FileLook
from data.sketch.table_links import event_type, lead_column

UNITS: Final = {
    "minutes": r"(^|_)(min(s|ute|utes|uti)?|minuten)$|^(minutes|minuti)_",
    "seconds": r"(^|_)(s|secs?|seconds?|secondi|secondes?|sekunden)$|^seconds_",
    "hours": r"(^|_)(h|hrs?|hours?|ore|heures?|stunden)$",
    "pages": r"(^|_)(pages?|pagine|seiten|page_?views)$",
}
MOST_TYPES: Final = 20


def amount_of(look: FileLook, taken: Collection[ColumnLook]) -> tuple[ColumnLook, str] | None:
    """Find the number column whose name ends in a unit: (column, unit)."""
    for column in look.of_kind("number"):
        name = re.sub(r"[^\w]+", "_", column.name.strip().lower())
        for unit, pattern in UNITS.items():
            if column not in taken and re.search(pattern, name):
                return column, unit
    return None


def units_of(looks: Sequence[FileLook], export: ExportGuess) -> dict[str, str]:
    """Say the unit of each event type whose events have such a number, the first files first."""
    units: dict[str, str] = {}
    for look in looks:
        lead, kind = lead_column(look, export.ids), event_type(look, export.ids)
        found = amount_of(look, [c for c in (lead, kind) if c is not None])
        if found is None:
            continue
        column, unit = found
        names = [look.stem]
        if kind is not None:
            pairs = zip(kind.texts(), column.known(), strict=True)
            names = sorted({text for text, known in pairs if known and text})
        for name in names[:MOST_TYPES]:
            units.setdefault(name, unit)
    return units
