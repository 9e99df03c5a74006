"""The only place that reads the clock; all other code gets the time as an argument."""

from __future__ import annotations

import secrets
import time

from data.durations import SECOND


def now() -> int:
    """Return the present time: microseconds UTC."""
    return time.time_ns() // 1000


def ticks() -> float:
    """Return seconds on a clock that only runs forward: for lengths of time."""
    return time.monotonic()


def new_run_id(at: int) -> str:
    """Name a run: its time to the second, and four random bytes."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at // SECOND))
    _newest[:] = [f"{stamp}-{secrets.token_hex(4)}"]
    return _newest[0]


def newest_run_id() -> str:
    """Name the run that this process began last, "" before one: what its log lines bear."""
    return _newest[0] if _newest else ""


_newest: list[str] = []
