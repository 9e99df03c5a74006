"""A name that is not there -> the cure that names the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], otherwise: str, *, cutoff: float = 0.6) -> str:
    """Ask whether the nearest known name was meant; say something else where none is near.

    `cutoff` is how alike they must be, 0 to 1.

    >>> did_you_mean("industri", ["industry", "size"], "there are: industry, size")
    "did you mean 'industry'?"
    """
    near = difflib.get_close_matches(name, list(known), 1, cutoff=cutoff)
    return f"did you mean {near[0]!r}?" if near else otherwise
