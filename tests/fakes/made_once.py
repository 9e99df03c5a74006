"""What costs a training -> made once in a test run: the workers of pytest-xdist share a folder."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

T = TypeVar("T")


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]
) -> tuple[Path, T]:
    """Give a copy of the folder that `make` filled in whichever worker came first, and its answer.

    The copy belongs to the caller, who may change it; the answer must be one that can be pickled.
    """
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # each worker has a folder of its own in the one of the run
    made, answer = place / f"{name}-once", place / f"{name}-once.pickle"
    with FileLock(place / f"{name}-once.lock"):
        if not answer.exists():
            shutil.rmtree(made, ignore_errors=True)  # of a first attempt that failed
            answer.write_bytes(pickle.dumps(make(made)))
    copy = factory.mktemp(name) / "copy"
    shutil.copytree(made, copy)
    kept: T = pickle.loads(answer.read_bytes())  # noqa: S301 - written by this test run
    return copy, kept
