"""The lock of a run in parts, one at a time in a state folder, and what a killed one left."""

from __future__ import annotations

import shutil
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


def is_scoring_parts(state: StatePaths) -> bool:
    """Tell whether a run in parts goes on."""
    try:
        with only_parts(state):
            return False
    except OutsideError:
        return True


def remove_parts(state: StatePaths) -> int:
    """Remove the parts that a killed run left: their files; OutsideError while a run goes on."""
    found = len(list(state.parts.glob("part-*")))
    if found:
        with only_parts(state):
            clear_parts(state)
    return found


def clear_parts(state: StatePaths) -> None:
    """Remove the folder of parts; OutsideError where it stays, or leads out of the state folder."""
    if state.parts.is_symlink():
        raise OutsideError(
            f"{state.parts} is a link", cure="remove it and what it leads to: it may hold leads"
        )
    try:
        shutil.rmtree(state.parts)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutsideError(
            f"{state.parts} can't be removed: {error.strerror}", cure="remove it: it holds leads"
        ) from None
