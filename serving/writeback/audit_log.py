"""An audit log whose every entry hashes the one before: a changed or missing entry shows."""

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
    for seq, body, digest in store.execute("SELECT seq, body, digest FROM audit ORDER BY seq"):
        if seq != expected or digest != _link(previous, body):
            raise OutsideError(f"the audit log was changed at entry {expected}")
        previous, expected = digest, expected + 1
        yield json.loads(body)


def _link(previous: str, body: str) -> str:
    return sha256(f"{previous}\n{body}".encode()).hexdigest()
