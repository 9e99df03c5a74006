"""Texts -> numbers, by the sign that stands before the decimals: the law of thousands marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.schema_types import DecimalSign

DECIMAL_SIGNS: Final[tuple[DecimalSign, ...]] = (",", ".")
_GROUPS: Final = {
    ",": r"[1-9]\d{0,2}(\.\d{3})+",
    ".": r"[1-9]\d{0,2}(,\d{3})+",
}
"""Whole numbers with the other sign as thousands mark: before each three digits, and no others."""
_SURE: Final = r"([1-9]\d{0,2}(,\d{3})+\.\d*|[1-9]\d{0,2}(,\d{3}){2,})"
"""With a decimal point: "1,234" alone may be 1.234, where nobody declared the sign."""
_REST: Final = r"([eE][+-]?\d+)?$|^[+-]?([nN]a[nN]|inf|Inf)$"
_NUMBER: Final = {
    ",": rf"^[+-]?(\d+,?\d*|,\d+|{_GROUPS[',']}(,\d*)?){_REST}",
    ".": rf"^[+-]?(\d+\.?\d*|\.\d+|{_SURE}){_REST}",
}
_MONEY: Final = r"^[€$£¥][\s\x{A0}]*|[\s\x{A0}]*[€$£¥]$|[\x{A0}\x{202F}]"
"""What may surround a number with a decimal comma: a currency sign, non-breaking spaces."""


def whole_number(decimal: DecimalSign) -> str:
    """Give the pattern of a whole number without a sign: plain, or with its thousands marked."""
    return rf"(\d+|{_GROUPS[decimal]})"


def sign_of(decimal: DecimalSign | Mapping[str, DecimalSign], column: str) -> DecimalSign:
    """Find what stands before the decimals of a column; "." where a mapping does not name it."""
    return decimal.get(column, ".") if isinstance(decimal, Mapping) else decimal


def only_sign(words: pa.Array) -> DecimalSign | None:
    """Find the only sign with which all texts are numbers; None where both do, or neither.

    >>> only_sign(pa.array(["2.337,07"])), only_sign(pa.array(["6.0"])), only_sign(pa.array(["6"]))
    (',', '.', None)
    """
    comma, point = (bool(are_numbers(words, sign).all()) for sign in DECIMAL_SIGNS)
    return None if comma == point else "," if comma else "."


def as_declared(
    signs: Mapping[str, DecimalSign | None],
) -> DecimalSign | dict[str, DecimalSign]:
    """Write what stands before the decimals of columns as `decimal` declares it.

    >>> as_declared({"budget": ",", "seats": "."}), as_declared({"budget": ",", "age": None})
    ({'budget': ','}, ',')
    """
    commas: dict[str, DecimalSign] = {name: sign for name, sign in signs.items() if sign == ","}
    return "." if not commas else commas if "." in signs.values() else ","


def are_numbers(words: pa.Array, decimal: DecimalSign) -> NDArray[np.bool_]:
    """Say of each text whether it is a number in this spelling.

    >>> are_numbers(pa.array(["2.337,07", "6.0", "0.125", "12"]), ",").tolist()
    [True, False, False, True]
    """
    return _good(_neat(words, decimal), decimal)


def read_numbers(
    words: pa.Array, decimal: DecimalSign
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read distinct texts as numbers: (values, NaN where none; which are numbers)."""
    neat = _neat(words, decimal)
    good = _good(neat, decimal)
    thousands = "." if decimal == "," else ","
    plain = pc.replace_substring(pc.replace_substring(neat, thousands, ""), decimal, ".")
    values = np.full(len(words), np.nan)
    if good.all():
        try:
            return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False), good
        except pa.ArrowInvalid:  # 1e400 and its like
            pass
    if good.any():
        values[good] = [float(text) for text in plain.filter(pa.array(good)).to_pylist()]
    return values, good


def _neat(words: pa.Array, decimal: DecimalSign) -> pa.Array:
    neat = pc.utf8_trim_whitespace(words)
    return pc.replace_substring_regex(neat, _MONEY, "") if decimal == "," else neat


def _good(neat: pa.Array, decimal: DecimalSign) -> NDArray[np.bool_]:
    good = pc.match_substring_regex(neat, _NUMBER[decimal])
    return np.asarray(good.to_numpy(zero_copy_only=False), bool)
