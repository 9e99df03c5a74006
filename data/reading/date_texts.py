"""A column -> whether it holds dates, in whatever spelling: those are no categories."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

MOSTLY: Final = 0.9
"""Share of the distinct texts that must be dates: a placeholder among them changes nothing."""
MOST: Final = 10_000
"""Distinct texts that are looked at."""
_D: Final = "[0-9۰-۹]"
_YEAR: Final = f"(?:1[349]|2[01]|۱[۳۴]){_D}{{2}}"  # 1900 to 2199, and 1300 to 1499 of Iran
_SMALL: Final = f"(?:[0۰]?[1-9۱-۹]|[12۱۲]{_D}|[3۳][01۰۱])"  # a day or a month
_MONTH: Final = (  # in English, French, Italian, German, Spanish and Portuguese
    r"(?:jan(?:uary|vier|uar|eiro)?|ene(?:ro)?|gen(?:naio)?|feb(?:ruary|braio|ruar|rero)?"
    r"|f[eé]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço)?|mär(?:z)?|apr(?:ile?)?|a[bv]r(?:il)?"
    r"|ma[iy]o?|mag(?:gio)?|maio|june?|juin|jun[ihi]o|juni|giu(?:gno)?|jul[yi]?|jul[ih]o"
    r"|juil(?:let)?|lug(?:lio)?|aug(?:ust)?|ao[uû]t|ago(?:sto)?|sept?(?:t?ember|t?embre|tiembre)?"
    r"|set(?:tembre|embro)?|o[ck]t(?:ober|obre)?|ott(?:obre)?|out(?:ubro)?"
    r"|nov(?:ember|embre|iembre|embro)?|d[eé]c(?:ember|embre)?|dic(?:embre|iembre)?"
    r"|dez(?:ember|embro)?)\.?"
)
_DAYS: Final = "|".join(
    (
        rf"{_YEAR}([-/.]){_SMALL}[-/.]{_SMALL}",  # 2026-11-01
        rf"{_SMALL}[-/. ]{_SMALL}[-/. ]{_YEAR}",  # 01.11.2026
        rf"{_D}{{1,2}}/{_D}{{1,2}}/{_D}{{2}}|{_D}{{2}}[-.]{_D}{{2}}[-.]{_D}{{2}}",  # 1/11/26
        rf"{_SMALL}\.?[- ](?:de )?{_MONTH}[-, ]+(?:de )?(?:{_YEAR}|{_D}{{2}})",  # 1 Nov 2026
        rf"{_MONTH}[- ]{_SMALL}(?:st|nd|rd|th)?,? {_YEAR}",  # Nov 1, 2026
        rf"{_YEAR}[-/](?:0?[1-9]|1[0-2])|{_MONTH}[- ]{_YEAR}",  # 2026-11
    )
)
_TIME: Final = (
    r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?m\.?)?"
    r"\s*(?:z|[a-z]{3,4}|[+-]\d{2}:?\d{0,2})?"
)
_DATE: Final = (
    rf"(?i)^\s*(?:\pL{{2,12}}\.?,? )?(?:{_DAYS})(?:[t, ]+(?:à |alle |um |at )?{_TIME})?\s*$"
)


def holds_dates(column: pa.ChunkedArray) -> bool:
    """Tell whether a column holds dates: by its type, or by nine in ten of its distinct texts."""
    kind = column.type
    if pa.types.is_temporal(kind):
        return True
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return False
    words = pc.unique(column).drop_null()[:MOST]
    dates = pc.sum(pc.match_substring_regex(words, _DATE)).as_py() or 0
    return bool(len(words)) and dates >= MOSTLY * len(words)
