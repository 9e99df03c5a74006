"""Numbers as a language writes them: its digits, its groups of thousands, its signs."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from babel import Locale, numbers

_LATIN: Final = "0123456789"
# Babel's number patterns write Latin digits only.
_NATIVE: Final = {
    "fa": "۰۱۲۳۴۵۶۷۸۹",
    "ar": "٠١٢٣٤٥٦٧٨٩",
    "ur": "۰۱۲۳۴۵۶۷۸۹",
}


@lru_cache(maxsize=16)
def digits_of(language: str, mirrored: bool) -> dict[int, str]:  # noqa: FBT001  # a cache key
    """Map Latin digits and signs to what the language writes, for str.translate."""
    native = _NATIVE.get(language, _LATIN)
    minus = "\u200e\u2212" if mirrored else "\u2212"
    percent = "%" if native == _LATIN else "\u066a"  # nor does Babel write this sign
    return str.maketrans({"-": minus, "%": percent, **dict(zip(_LATIN, native, strict=True))})


@lru_cache(maxsize=65_536)
def written_number(value: float, pattern: str, locale: str) -> str:
    """Write a number by a pattern of Babel, in Latin digits."""
    written = numbers.format_decimal(
        value, format=pattern, locale=locale, numbering_system="default"
    )
    return _without_sign_of_zero(written)


@lru_cache(maxsize=16_384)
def written_percent(share: float, decimals: int, locale: str) -> str:
    """Write a share as a percentage with so many decimals, in Latin digits."""
    pattern = Locale.parse(locale).percent_formats[None].pattern
    pattern = pattern.replace("#,##0", "#,##0." + "0" * decimals) if decimals else pattern
    written = numbers.format_percent(
        share, format=pattern, locale=locale, numbering_system="default"
    )
    return _without_sign_of_zero(written)


def _without_sign_of_zero(written: str) -> str:
    """Write nothing as 0, never as -0; -0.0 and 0.0 are one key of the caches above, too."""
    if any(digit in written for digit in "123456789"):
        return written
    return written.lstrip("-\u2212\u200e")
