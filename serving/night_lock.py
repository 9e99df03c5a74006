"""The lock of a state folder: one night at a time, and nothing is erased under its hands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from data.errors import OutsideError
from training.state import StatePaths
from training.state_format import make_folder


@contextmanager
def only_night(state: StatePaths) -> Iterator[None]:
    """Hold the lock; OutsideError where a night runs, or where the folder can't be written."""
    path = state.night_lock
    lock = FileLock(path, blocking=False)
    try:
        make_folder(state)
        lock.acquire()
    except Timeout:
        raise OutsideError(
            f"another night is running in {path.parent}", cure="run again when it has ended"
        ) from None
    except OSError as error:
        raise OutsideError(
            f"{path.parent} can't be written: {error.strerror}", cure="choose another place"
        ) from error
    try:
        yield
    finally:
        lock.release()
