"""One backup, erasure or clearing at a time in a state folder; jobs go on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from filelock import FileLock, Timeout

from data.errors import OutsideError
from training.state import StatePaths

WAIT_S: Final = 600.0


@contextmanager
def only_upkeep(state: StatePaths) -> Iterator[None]:
    """Hold the lock, after a wait where another holds it; OutsideError where that is too long."""
    lock = FileLock(state.upkeep_lock, timeout=WAIT_S)
    try:
        lock.acquire()
    except Timeout:
        raise OutsideError(
            f"a backup, an erasure or a clearing is running in {state.folder}",
            cure="run again when it has ended",
        ) from None
    except OSError as error:
        raise OutsideError(f"{state.folder} can't be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
