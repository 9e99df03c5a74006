"""Failed sign-ins -> how long the next one has to wait: guesses become slow, people hardly do.

Failures are counted by the name together with the address, by the address, and by the name alone,
the latter generously: a stranger who fails on purpose should not lock out whom the name belongs to.
Each attempt counts as failed before it is looked at, so that many at once gain nothing. Names are
counted whether or not a user has them, and kept as keyed hashes.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Final

from data.durations import HOUR, MINUTE, SECOND
from serving.people.people_store import opened, user_key

FREE: Final = {"both": 5, "address": 30, "name": 100}
"""So many failures without a wait; each further one doubles it."""
LONGEST: Final = 15 * MINUTE
FORGOTTEN: Final = HOUR
"""After so long without a failure, counting starts anew."""


def begin_attempt(file: Path, name: str, address: str, at: int) -> int:
    """Count an attempt; returns 0, or the microseconds to wait, and then it is not looked at."""
    with opened(file) as connection:
        connection.execute("begin immediate")
        connection.execute("delete from failures where last_at <= ?", (at - FORGOTTEN,))
        key = connection.execute("select value from keys where name = 'form'").fetchone()[0]
        places = _places(key, name, address)
        waits = [0]
        for kind, place in places.items():
            row = connection.execute(
                "select count, last_at from failures where key = ?", (place,)
            ).fetchone()
            if row and row[0] >= FREE[kind]:
                delay = min(LONGEST, SECOND << min(row[0] - FREE[kind], 20))
                waits.append(row[1] + delay - at)
        if max(waits) > 0:
            return max(waits)
        connection.executemany(
            "insert into failures values (?, 1, ?) on conflict (key) do update set"
            " count = count + 1, last_at = excluded.last_at",
            [(place, at) for place in places.values()],
        )
    return 0


def end_attempt(file: Path, name: str, address: str) -> None:
    """Take back the count of an attempt that succeeded, and forget what failed before it."""
    with opened(file) as connection:
        key = connection.execute("select value from keys where name = 'form'").fetchone()[0]
        places = _places(key, name, address)
        connection.execute("delete from failures where key = ?", (places["both"],))
        connection.execute(
            "update failures set count = count - 1 where key in (?, ?)",
            (places["address"], places["name"]),
        )


def _places(key: bytes, name: str, address: str) -> dict[str, str]:
    who = user_key(name)
    texts = {"both": f"both\0{who}\0{address}", "address": address, "name": f"name\0{who}"}
    return {
        kind: hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        for kind, text in texts.items()
    }
