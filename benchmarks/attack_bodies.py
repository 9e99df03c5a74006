"""Bodies made to be slow to check, timed: keys, nesting, digits, texts, as large as is let in."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from benchmarks.attack import Verdict
from serving.http.strict_json import NotJsonError, check_json

SIZE = 200_000
HOSTILE = {
    "distinct keys": b"{" + b",".join(b'"k%d":0' % i for i in range(16_000)) + b"}",
    "one key again and again": b"{" + b",".join([b'"k":0'] * 30_000) + b"}",
    "objects in a list": b"[" + b",".join([b'{"a":1}'] * 25_000) + b"]",
    "nesting": b"[" * 100_000,
    "nested objects": b'{"a":' * 40_000,
    "digits": b"[" + b"9" * 5_000 + b"]",
    "numbers of 4,000 digits": b"[" + b",".join([b"9" * 4_000] * 45) + b"]",
    "floats": b"[" + b",".join([b"1." + b"1" * 400] * 450) + b"]",
    "escapes": b'"' + b"\\u00e9" * 33_000 + b'"',
    "a text without an end": b'"' + b"a" * SIZE,
}


def measure(place: Path, *, full: bool) -> list[Verdict]:
    """Time each, the best of twenty: what counts is the work, not the neighbours."""
    del place, full
    slowest, by = 0.0, ""
    for name, body in HOSTILE.items():
        best = min(_time(body) for _ in range(20))
        print(f"{name:<26}{len(body):>9,} B{best * 1000:>8.1f} ms")
        if best > slowest:
            slowest, by = best, name
    return [(slowest < 0.010, "slowest hostile body", f"{slowest * 1000:.1f} ms ({by})", "< 10 ms")]


def _time(body: bytes) -> float:
    started = time.thread_time()
    with suppress(NotJsonError):
        check_json(body)
    return time.thread_time() - started
