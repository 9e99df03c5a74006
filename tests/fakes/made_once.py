"""What costs a training -> made once in a test run: the workers of pytest-xdist share a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Give a copy of the folder that `make` filled in whichever worker came first.

    The copy belongs to the caller, who may change it.
    """
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # each worker has a folder of its own in the one of the run
    making, made = place / f"{name}-begun", place / f"{name}-once"
    with FileLock(place / f"{name}-once.lock"):
        if not made.exists():
            shutil.rmtree(making, ignore_errors=True)  # of a first attempt that failed
            make(making)
            making.rename(made)
    copy = factory.mktemp(name) / "copy"
    shutil.copytree(made, copy)
    return copy
