"""The one place that looks at the clock; everything below gets the moment as an argument."""

from __future__ import annotations

import secrets
import time


def now() -> int:
    """Give the present moment: microseconds UTC."""
    return time.time_ns() // 1000


def new_run_id(at: int) -> str:
    """Name a run: its moment to the second, and four random bytes."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at // 1_000_000))
    return f"{stamp}-{secrets.token_hex(4)}"
