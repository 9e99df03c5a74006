"""An audit log whose every entry hashes the one before: a changed or missing entry shows.

Old entries can be cleared (`trim`): the last of them stays as an anchor, without its body, and an
entry of its own at the end of the chain says so. An anchor that no entry names shows too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256

from data.errors import OutsideError
from serving.writeback.ledger_store import Store

_START = "0" * 64


def append(store: Store, entry: Mapping[str, object]) -> None:
    """Add one link to the chain; call inside a transaction."""
    last = store.execute("SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1")
    seq, previous = last[0] if last else (0, _START)
    body = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    store.execute("INSERT INTO audit VALUES (?, ?, ?)", (seq + 1, body, _link(previous, body)))


def entries(store: Store) -> Iterator[dict[str, object]]:
    """Read the log from the start, checking every link; OutsideError where the chain breaks."""
    previous, expected = _START, 1
    rows = store.execute("SELECT seq, body, digest FROM audit ORDER BY seq")
    anchor = rows.pop(0) if rows and rows[0][1] == "" else None
    if anchor is not None:
        previous, expected = anchor[2], anchor[0] + 1
    cleared_to = None if anchor is None else [anchor[0], anchor[2]]
    named = cleared_to is None
    for seq, body, digest in rows:
        if seq != expected or digest != _link(previous, body):
            raise OutsideError(f"the audit log was changed at entry {expected}")
        previous, expected = digest, expected + 1
        entry = json.loads(body)
        named = named or entry.get("cleared_to") == cleared_to
        yield entry
    if not named:
        raise OutsideError("the audit log was cut: no entry says that its start was cleared")


def trim(store: Store, *, before: int, at: int, patience: int = 0) -> int:
    """Clear the entries from before a moment (microseconds UTC), but never the newest; count them.

    Nothing is done before the oldest is older by `patience`: the whole chain is read and checked
    first. OutsideError where it is broken: nothing is cleared then.
    """
    oldest = store.execute("SELECT body FROM audit WHERE body <> '' ORDER BY seq LIMIT 1")
    if not oldest or int(json.loads(oldest[0][0]).get("at", before)) >= before - patience:
        return 0
    with store.transaction():
        kept = list(entries(store))
        first = store.execute("SELECT min(seq) FROM audit WHERE body <> ''")[0][0]
        old = 0
        while old < len(kept) - 1 and int(str(kept[old].get("at", before))) < before:
            old += 1
        if not old:
            return 0
        last = first + old - 1
        digest = store.execute("SELECT digest FROM audit WHERE seq = ?", (last,))[0][0]
        append(store, {"at": at, "cleared_to": [last, digest]})
        store.execute("DELETE FROM audit WHERE seq < ?", (last,))
        store.execute("UPDATE audit SET body = '' WHERE seq = ?", (last,))
    return old


def _link(previous: str, body: str) -> str:
    return sha256(f"{previous}\n{body}".encode()).hexdigest()
