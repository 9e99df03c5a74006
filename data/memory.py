"""How much memory a command may use: what was asked for, or half of the machine's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from data.errors import InputError

_UNITS: Final = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}
_LEAST: Final = 256 * 2**20
_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_budget(asked: str | None, *, named: str = "--memory") -> int:
    """Read "8GB" as bytes; None takes half of what this machine or container has.

    InputError, about the option or key `named`, where the text is no size, or less than 256 MB.
    """
    if asked is None:
        return _machine() // 2
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MG]i?B)\s*", asked, re.IGNORECASE)
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise InputError(
            f"{asked!r} is no size of memory", argument=named, cure="written as 8GB or 500MB"
        )
    size = int(float(found[1]) * unit)
    if size < _LEAST:
        raise InputError(
            f"{asked} is too little memory", argument=named, cure="give 256MiB or more"
        )
    return size


def checked_size(text: str) -> str:
    """Give the text back where `memory_budget` reads it; ValueError says why it does not."""
    try:
        memory_budget(text)
    except InputError as error:
        raise ValueError(f"{error.cause}: {error.cure}") from None
    return text


def _machine() -> int:
    """Count the bytes of memory of the machine, or of the container's limit where that is less."""
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(Path, _LIMITS):
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdecimal():
            size = min(size, int(text))
    return size
