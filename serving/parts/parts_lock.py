"""The lock of a run in parts: one at a time in a state folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from data.errors import OutsideError
from training.state import StatePaths


@contextmanager
def only_parts(state: StatePaths) -> Iterator[None]:
    """Hold the lock; OutsideError where another run holds it."""
    lock = FileLock(state.parts_lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutsideError(
            "another run scores this company in parts", cure="wait until it is over"
        ) from None
    try:
        yield
    finally:
        lock.release()
